/**
 * The user's own routes, mounted at the root. These two are the contract of the FastAPI + Celery
 * example that this project is compared with, so that its page works unchanged. They are the only routes without a
 * key; they exist only where the configuration has `PUBLIC_DEMO`, and only for the example task.
 */

import { Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import { z } from "zod";
import type { TaskResource } from "../contract/task.ts";
import { networkOf } from "../core/network.ts";
import { ProblemError, faults, problem } from "../core/problems.ts";
import type { State } from "../core/states.ts";
import { getTask, isTaskId, LINK_TTL, signLinks, submitTask, SYSTEM } from "../lovage.ts";
import { processItem } from "./tasks/process-item.ts";

const TENANT = "demo";

const itemSchema = z.object({ name: z.string().min(1).max(200) });

/** Celery's states: https://docs.celeryq.dev/en/stable/userguide/tasks.html#built-in-states */
const CELERY: Record<State, string> = {
  scheduled: "PENDING",
  queued: "PENDING",
  waiting: "PENDING",
  running: "STARTED",
  retrying: "RETRY",
  succeeded: "SUCCESS",
  failed: "FAILURE",
  cancelled: "REVOKED",
  expired: "REVOKED",
};

export const routes = new Hono<{ Bindings: Env }>();

// Anyone may send here without a key, so bodies must be small.
const isSmall = bodyLimit({
  maxSize: 16_384,
  onError: () => {
    throw new ProblemError(problem("payload-too-large", "An item is a name of at most 200 characters."));
  },
});

routes.on("POST", ["/item", "/item/"], isSmall, async (c) => {
  await enter(c.env, c.req.header("cf-connecting-ip"));
  // With any other type, a form or script of any site could send this without a CORS preflight.
  if (!/^application\/json\s*(;|$)/i.test(c.req.header("content-type") ?? "")) {
    const detail = "Send the item as application/json.";
    throw new ProblemError(problem("unsupported-media-type", detail), { Accept: "application/json" });
  }
  const body: unknown = await c.req.json().catch(() => {
    throw new ProblemError(problem("invalid-json", 'Send JSON like {"name": "x"}.'));
  });
  const item = itemSchema.safeParse(body);
  if (!item.success) {
    throw new ProblemError(problem("invalid-body", "An item has a name.", faults(item.error.issues)));
  }
  const caller = { env: c.env, background: c.executionCtx, tenant: TENANT };
  const stored = await submitTask(caller, processItem, { name: item.data.name });
  const maker = { keyId: SYSTEM, expiresAt: null };
  const task = await signLinks(c.env, maker, TENANT, stored, LINK_TTL.default, { read: true, cancel: true });
  return c.json({ id: task.id, url: `/check-task/${task.id}`, links: task.links });
});

routes.on("GET", ["/check-task/:id", "/check-task/:id/"], async (c) => {
  isOpen(c.env);
  const id = c.req.param("id");
  const task = isTaskId(id) ? await getTask({ env: c.env, tenant: TENANT }, id) : null;
  // The tenant may have other tasks, which must not be visible without a key.
  if (task?.task !== processItem.name) throw new ProblemError(problem("not-found", "There is no item with this id."));
  const status = statusOf(task);
  return c.json({
    task_id: task.id,
    status,
    result: task.result,
    progress: status === "PROGRESS" && task.progress ? { done: task.progress.done, total: task.progress.total } : null,
    error: task.error && { type: task.error.type, message: task.error.message },
  });
});

function statusOf(task: TaskResource): string {
  return task.state === "running" && task.progress !== null ? "PROGRESS" : CELERY[task.state];
}

function isOpen(env: Env): void {
  if (env.PUBLIC_DEMO === "1") return;
  throw new ProblemError(
    problem("not-found", 'The public demo is switched off here; PUBLIC_DEMO = "1" switches it on.'),
  );
}

/** Refuses where the demo is off or its rate limit is reached: per caller's network, where the platform offers that. */
async function enter(env: Env, address = "unknown"): Promise<void> {
  isOpen(env);
  if (env.DEMO_LIMIT === undefined || env.FIXTURES === "1") return;
  const { success } = await env.DEMO_LIMIT.limit({ key: networkOf(address) });
  if (success) return;
  const detail = "Too many items from this address. Try again in a minute.";
  throw new ProblemError(problem("rate-limited", detail), { "Retry-After": "60" });
}
