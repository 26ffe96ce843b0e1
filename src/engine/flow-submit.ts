/** Submits flows: the whole graph is checked before anything is stored. */

import { earliest, pokeClock } from "../broker/poke.ts";
import { planFlow, type PlannedTask } from "../core/flow.ts";
import { IDEMPOTENCY_MS } from "../core/limits.ts";
import { deadlineSchema } from "../contract/flow.ts";
import { faults, pointer, ProblemError, problem, type Fault } from "../core/problems.ts";
import { NO_START } from "../core/settle.ts";
import type { FlowNode } from "../results/flow-node.ts";
import { insertFlow, type NewFlow } from "../results/flows.ts";
import type { NewTask } from "../results/insert-tasks.ts";
import { demandAccepting } from "./drain.ts";
import { deadlineAt } from "./flow-deadline.ts";
import { newId, newTaskIds } from "./ids.ts";
import { ringInLine } from "./line.ts";
import { prepareNode, type Origin } from "./prepare.ts";
import { admit } from "./quota.ts";
import { findMade, madeBefore, type Made, type RequestKey } from "./request-key.ts";
import { demandStorage } from "./storage.ts";
import type { Background } from "./store.ts";

/** Stores the flow and rings for the tasks that start it; answers its id, and whether this request or the same API key's has made it. Throws a 422 with every fault of the graph. */
export async function submitFlow(
  env: Env,
  background: Background,
  body: unknown,
  origin: Origin,
  request: RequestKey | null,
  now: number,
): Promise<{ id: string; replayed: boolean; isOwn: boolean }> {
  let flow: NewFlow;
  try {
    flow = compile(env, body, origin, now);
    await demandStorage(env, now);
    await admit(env, origin.tenant, flow.tasks.length, now);
  } catch (refusal) {
    const earlier = await findMade<string>(env, request, now);
    if (earlier !== null) return replayOf(earlier);
    throw refusal;
  }
  const lanes = [...new Set([...flow.tasks, ...flow.onError].map((task) => task.lane))];
  const made = JSON.stringify(flow.id);
  const claim = request === null ? undefined : { ...request, made, now, expiresAt: now + IDEMPOTENCY_MS, lanes };
  let inserted: Awaited<ReturnType<typeof insertFlow>>;
  for (;;) {
    inserted = await insertFlow(env.DB, flow, lanes, claim);
    const { stored, remembered } = inserted;
    if (request !== null && remembered !== null && remembered.made !== made) {
      return replayOf(madeBefore(request, remembered));
    }
    if (stored) break;
    await demandAccepting(env, lanes, now);
  }
  background.waitUntil(
    ringInLine(
      env,
      flow.tasks.filter((task) => task.state === "queued"),
      inserted.raised,
    ),
  );
  const due = earliest([flow.deadline, ...flow.tasks.map((task) => task.dueAt)]);
  if (due !== null) background.waitUntil(pokeClock(env, due));
  return { id: flow.id, replayed: false, isOwn: true };
}

function replayOf({ made: id, isOwn }: Made<string>): { id: string; replayed: boolean; isOwn: boolean } {
  return { id, replayed: true, isOwn: isOwn(id) };
}

function compile(env: Env, body: unknown, origin: Origin, now: number): NewFlow {
  const { plan, faults: graphFaults, deadline: given } = planFlow(body, newTaskIds);
  const id = newId("flow");
  const rootId = plan.tasks[0]?.id ?? null;
  const found: Fault[] = [...graphFaults];
  const deadline = given === undefined ? null : readDeadline(given, now, found);
  const prepare = (planned: PlannedTask, extra: FlowNode = {}): NewTask[] => {
    const prepared = prepareNode(env, planned, origin, now);
    if (prepared.ok) return [memberOf(prepared.task, planned, id, rootId ?? planned.id, extra)];
    const { errors = [{ pointer: "", detail: prepared.problem.detail }] } = prepared.problem;
    found.push(...errors.map((error) => inBody(planned, error)));
    return [];
  };
  const tasks = plan.tasks.flatMap((planned) => prepare(planned));
  const onError = plan.onError.flatMap((planned) => prepare(planned, { onError: 1 }));
  if (found.length > 0) {
    throw new ProblemError(problem("invalid-body", "The flow has faults; nothing was stored.", found.slice(0, 100)));
  }
  const state = tasks.length === 0 ? "succeeded" : "running";
  return { id, tenant: origin.tenant, state, createdAt: now, deadline, tasks, onError, result: plan.result };
}

function readDeadline(given: unknown, now: number, found: Fault[]): number | null {
  const parsed = deadlineSchema.safeParse(given);
  const at = parsed.success ? deadlineAt(parsed.data, now) : null;
  if (!parsed.success) found.push(...faults(parsed.error.issues, ["deadline"]));
  if (typeof at === "number") return at;
  if (at !== null) found.push(at);
  return null;
}

/** A fault of one task, as a fault of the body that holds it. */
function inBody(planned: PlannedTask, fault: Fault): Fault {
  const { pointer: at } = fault;
  const isInput = at === "/input" || at.startsWith("/input/");
  const base = pointer(isInput ? planned.inputPath : planned.path);
  return { ...fault, pointer: base + (isInput ? at.slice("/input".length) : at) };
}

/** The task as a member of its flow: it starts at once, or waits for what it needs. */
function memberOf(task: NewTask, planned: PlannedTask, flowId: string, rootId: string, extra: FlowNode): NewTask {
  const waits = planned.needs.length + planned.needsEnd.length;
  const node: FlowNode = {
    ...extra,
    ...(planned.needs.length > 0 ? { needs: planned.needs.toReversed() } : {}),
    ...(planned.needsEnd.length > 0 ? { needsEnd: planned.needsEnd.toReversed() } : {}),
    ...(planned.next.length > 0 ? { next: planned.next } : {}),
    ...(planned.nextOnEnd.length > 0 ? { nextOnEnd: planned.nextOnEnd } : {}),
    ...(planned.ignored ? { ignored: 1 as const } : {}),
    ...(planned.passed === null ? {} : { passed: planned.passed }),
    ...(Object.keys(planned.from).length === 0 ? {} : { from: planned.from }),
    ...(task.runAt > task.createdAt ? startOf(task, planned) : {}),
  };
  const member = { ...task, rootId, flowId, nodeKey: planned.key, node: JSON.stringify(node) };
  if (waits === 0) return member;
  return {
    ...member,
    state: "waiting",
    runAt: NO_START,
    dueAt: task.expiresAt,
    waitingFor: JSON.stringify({ type: "needs", count: waits }),
  };
}

/** For those that do not start with the flow: a delay counts from their release, a time stands. */
function startOf(task: NewTask, { options }: PlannedTask): FlowNode {
  const isTime = typeof options === "object" && options !== null && "runAt" in options;
  return isTime ? { runAt: task.runAt } : { delay: task.runAt - task.createdAt };
}
