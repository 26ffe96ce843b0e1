/** Mistakes that are often made, and the message of each: `docs/mistakes.md` is this table. */

import { createExecutionContext } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { expect, it, vi } from "vitest";
import { z } from "zod";
import page from "../../docs/mistakes.md?raw";
import { routes } from "../../src/app/routes.ts";
import { createApp } from "../../src/web/app.ts";
import { application } from "../../src/app/index.ts";
import type { TaskResource } from "../../src/contract/task.ts";
import { describeError } from "../../src/core/errors.ts";
import { whyLost } from "../../src/core/lost.ts";
import { defineTask } from "../../src/core/define-task.ts";
import { explain } from "../../src/engine/explain/explain.ts";
import { register } from "../../src/engine/registry.ts";
import { readTask } from "../../src/results/read-tasks.ts";
import { historyOf } from "../../src/results/task-row.ts";
import { keptAs } from "../../src/worker/step.ts";
import { AssembledWorker } from "./assembled-worker.ts";

const service = new AssembledWorker();

interface Mistake {
  mistake: string;
  path: string;
  method?: string;
  body?: unknown;
  headers?: Record<string, string>;
}

const noop = { task: "test.noop" };
const submission = (mistake: string, body: object): Mistake => ({ mistake, path: "/v1/tasks", body });
const options = (mistake: string, given: object) => submission(mistake, { ...noop, options: given });
const flow = (mistake: string, body: object): Mistake => ({ mistake, path: "/v1/flows", body });
const schedule = (mistake: string, body: object): Mistake => ({
  mistake,
  method: "PUT",
  path: "/v1/schedules/nightly",
  body: { ...noop, ...body },
});

async function requests(): Promise<Mistake[]> {
  const { id: ended } = await submitted({ ...noop, options: { delay: "1h" } });
  await service.fetch(`/v1/tasks/${ended}/cancel`, { method: "POST" });
  const { id: waiting } = await submitted({ ...noop, options: { delay: "1h" } });
  await service.fetch("/v1/tasks", { body: noop, headers: { "idempotency-key": "order-42" } });
  return [
    submission("a task's name is misspelt", { task: "proces_item" }),
    submission("a member is misspelt", { ...noop, inputs: {} }),
    options("an option is misspelt", { retenton: "1d" }),
    submission("an input has the wrong type", { task: "test.add", input: { x: 1, y: "2" } }),
    submission("an input lacks a member", { task: "test.add", input: { x: 1 } }),
    options("a duration is written out", { delay: "5 minutes" }),
    options("a time limit is too long for an attempt", { timeout: "20m" }),
    options("a start is given twice", { delay: "1h", runAt: "2026-12-01T00:00:00Z" }),
    options("a task would expire before it starts", { delay: "2h", expiresIn: "1h" }),
    options("a lane does not exist", { lane: "fast" }),
    options("a tag's name has capitals", { tags: { Customer: "42" } }),
    options("a webhook has an address without http", { webhook: { url: "example.com/done" } }),
    {
      ...submission("a key is used for two requests", { task: "test.identity", input: 1 }),
      headers: { "idempotency-key": "order-42" },
    },
    { mistake: "the API key is missing", path: "/v1/tasks", headers: { authorization: "" } },
    { mistake: "the API key is mistyped", path: "/v1/tasks", headers: { authorization: "Bearer lvg_nonsense" } },
    { mistake: "states are separated by commas", path: "/v1/tasks?state=failed,expired" },
    { mistake: "a state does not exist", path: "/v1/tasks?state=done" },
    { mistake: "a query parameter is misspelt", path: "/v1/tasks?limt=5" },
    { mistake: "a page is too large", path: "/v1/tasks?limit=1000" },
    { mistake: "the filter of a bulk verb is empty", path: "/v1/tasks/cancel", body: { filter: {} } },
    { mistake: "a task is run again that has not ended", path: `/v1/tasks/${waiting}/retry`, method: "POST" },
    { mistake: "a signal goes to a task that has ended", path: `/v1/tasks/${ended}/signals/go`, body: 1 },
    flow("a node names one that it does not need", {
      dag: { a: { node: noop }, b: { node: { task: "test.identity", input: { $from: "a" } } } },
    }),
    flow("nodes need each other", {
      dag: { a: { node: noop, needs: ["b"] }, b: { node: noop, needs: ["a"] } },
    }),
    flow("a node has a member of another kind", { chain: [{ ...noop, inputs: [1] }] }),
    schedule("a cron expression has a field too few", { cron: "0 3 * *" }),
    schedule("a time zone is an abbreviation", { cron: "0 3 * * *", timezone: "PDT" }),
    schedule("a schedule has two rhythms", { cron: "0 3 * * *", every: "1h" }),
  ];
}

async function submitted(body: object): Promise<TaskResource> {
  return (await service.fetch("/v1/tasks", { body })).json();
}

/** What the caller reads: the problem's detail, and each fault. */
async function messageOf({ path, method, body, headers }: Mistake): Promise<string> {
  const sent = body === undefined ? {} : { body };
  const answer = await service.fetch(path, { ...sent, ...(method ? { method } : {}), ...(headers ? { headers } : {}) });
  const {
    status,
    detail,
    errors = [],
  } = await answer.json<{
    status: number;
    detail: string;
    errors?: { pointer: string; detail: string }[];
  }>();
  return [`${status}: ${detail}`, ...errors.map((each) => `\`${each.pointer}\`: ${each.detail}`)].join("<br>");
}

function thrownBy(call: () => unknown): string {
  try {
    call();
  } catch (error) {
    return String(error);
  }
  return "nothing";
}

async function unknownTask(): Promise<string> {
  const { id } = await submitted({ ...noop, options: { delay: "1h" } });
  await forget(id);
  const row = await readTask(env.DB, "default", id);
  return (await explain(service.env, row!, Date.now())).summary;
}

/** As if the task's code were no longer deployed. */
async function forget(id: string): Promise<void> {
  await env.DB.prepare("UPDATE tasks SET task = 'gone_task' WHERE id = ?1").bind(id).run();
}

async function inCode(): Promise<[mistake: string, message: string][]> {
  const result = (value: unknown) => whyLost("the handler's result", value)?.message ?? "nothing";
  return [
    ["a handler returns a Map", result({ totals: new Map([["a", 1]]) })],
    ["a handler returns NaN", result([1, Number.NaN])],
    ["a handler returns a promise that it did not await", result({ page: Promise.resolve(1) })],
    ["a step gives a Set", thrownBy(() => keptAs("load", new Set([1])))],
    ["a step gives a Date", `in the task's log: ${keptAs("load", [{ at: new Date() }]).warning}`],
    ["a handler throws undefined", describeError(undefined).message],
    [
      "a task has no schema of its result",
      thrownBy(() => defineTask({ name: "approve", input: z.unknown(), run: () => null } as never)),
    ],
    ["a task's name has spaces", thrownBy(() => defineTask({ name: "my task", run: () => null } as never))],
    ["a deployment has lost a task that still waits", await unknownTask()],
  ];
}

const cell = (text: string) => text.replaceAll("|", String.raw`\|`);

it("each say what is wrong, where, and what would be right, as docs/mistakes.md shows", async () => {
  const rows: string[] = [];
  for (const each of await requests()) rows.push(`| ${each.mistake} | ${cell(await messageOf(each))} |`);
  for (const [mistake, message] of await inCode()) rows.push(`| ${mistake} | ${cell(message)} |`);
  const cells = rows.map((row) =>
    row.replaceAll(/(task|flow)_0\w{25}/g, "{id}").replaceAll(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/g, "{time}"),
  );
  const table = ["| mistake | message |", "|---|---|", ...cells].join("\n");

  expect(rows.length).toBeGreaterThanOrEqual(25);
  expect(page.slice(page.indexOf("| mistake")).trim()).toBe(table);
});

it("of a deployment that has lost a task are in the log and in the metrics at once", async () => {
  const logged = vi.spyOn(console, "error").mockImplementation(() => undefined);
  const { id } = await submitted(noop);
  await forget(id);
  await service.deliver();

  const lines = logged.mock.calls.map(([line]) => String(line)).filter((line) => line.includes("task_unknown"));
  logged.mockRestore();
  expect(lines.map((line) => JSON.parse(line) as unknown)).toMatchObject([
    { taskId: id, task: "gone_task", attempt: 1, triesLeft: 359 },
  ]);
  const request = new Request("http://localhost/metrics", { headers: { authorization: "Bearer test-key" } });
  const metrics = await createApp(routes).fetch(request, env, createExecutionContext());
  expect(await metrics.text()).toMatch(/lovage_tasks_unknown\{[^}]*task="gone_task"[^}]*\} \d/);
});

it("of a deployment that has lost a task leave it an hour, however old it is, and no more", async () => {
  const lost = async (attempts: number, inVain?: number) => {
    const { id } = await submitted(noop);
    await forget(id);
    const last = {
      number: attempts,
      run: 1,
      runAt: 1,
      startedAt: 1,
      finishedAt: 1,
      error: null,
      to: "scheduled",
      inVain,
    };
    await env.DB.prepare("UPDATE tasks SET attempt = ?2, history = ?3 WHERE id = ?1")
      .bind(id, attempts, JSON.stringify([{ ...last, outcome: "snoozed" }]))
      .run();
    return id;
  };
  const logged = vi.spyOn(console, "error").mockImplementation(() => undefined);
  const ids = [await lost(500), await lost(7, 6), await lost(359, 359)];
  await service.deliver();
  logged.mockRestore();
  const rows = await Promise.all(ids.map((id) => readTask(env.DB, "default", id)));
  expect(rows.map((row) => [row!.state, historyOf(row!).at(-1)!.inVain])).toEqual([
    ["scheduled", 1],
    ["scheduled", 7],
    ["failed", undefined],
  ]);
});

it("of a task that waits often never look like attempts that are used up", async () => {
  const { id } = await submitted(noop);
  await env.DB.prepare("UPDATE tasks SET state = 'running', attempt = 3, lease_until = 9e12 WHERE id = ?1")
    .bind(id)
    .run();
  const row = await readTask(env.DB, "default", id);
  const { summary } = await explain(service.env, row!, Date.now());
  expect(summary).toContain("as attempt 3 (0 of at most 3 attempts have failed)");
});

it("of a step that was not awaited, or that gives a date, is a warning among the task's events", async () => {
  const forgetful = defineTask({
    name: "forgetful",
    input: z.null(),
    output: z.string(),
    run: async (_, ctx) => {
      await ctx.step("begin", () => ({ at: new Date() }));
      await ctx.step("again", () => new Date());
      void ctx.step("late", () => scheduler.wait(1_000));
      return "done";
    },
  });
  register({ ...application, tasks: [...application.tasks, forgetful] });
  const { id } = await submitted({ task: "forgetful", input: null });
  await service.deliver();

  const { items } = await (await service.fetch(`/v1/tasks/${id}/events`)).json<{ items: unknown[] }>();
  const warning = (words: string) => ({
    type: "log",
    data: { level: "warn", message: expect.stringContaining(words) },
  });
  expect(items.filter((item) => (item as { type: string }).type === "log")).toMatchObject([
    warning('the value of the step "begin" has a Date at /at,'),
    warning("await every ctx.step"),
  ]);
});
