/** Turns a flow's body into the rows that it becomes; finds every fault of the graph and of its tasks before anything is stored. */

import { deadlineSchema } from "../../contract/flow.ts";
import type { PlannedTask, Source } from "../../core/flows/flow.ts";
import { Sharing, expandedSize, type StoredSource } from "../../core/flows/share.ts";
import { DEFAULT_RETENTION_MS, MAX_PARAM_BYTES } from "../../core/bounds.ts";
import { pointerTo } from "../../core/path.ts";
import { planFlow } from "../../core/flows/plan.ts";
import { faults, MAX_FAULTS, ProblemError, problem, type Fault } from "../../core/problems.ts";
import { NO_START } from "../../core/settle.ts";
import type { FlowNode } from "../../results/flows/node.ts";
import type { NewFlow } from "../../results/flows/flows.ts";
import { byteLength } from "../../core/byte-length.ts";
import type { NewTask } from "../../results/new-task.ts";
import { deadlineAt } from "./deadline.ts";
import { newId, newTaskIds } from "../ids.ts";
import { prepareNode, type Origin } from "../prepare.ts";

/** Characters that the rows of a flow's tasks hold in all, without what every task's row holds. */
const MAX_ROWS_LENGTH = 16_777_216;

/** Bytes that the flow's own row holds besides the ids: a row of D1 has at most 2 MB. */
const MAX_ROW_BYTES = 1_500_000;

/** Values that the tasks of `onError` take together: each task stores its own copy of what it takes. */
const MAX_ERROR_SOURCES = 20_000;

/** Tasks of a flow that are prepared in one go; then other requests of the isolate run. */
const AT_ONCE = 250;

/** Compiles a flow that came over the wire. Throws a 422 with the faults of the graph. */
export async function compileFlow(env: Env, body: unknown, origin: Origin, now: number): Promise<NewFlow> {
  const { plan, faults: found, deadline: given } = planFlow(body, newTaskIds);
  const deadline = given === undefined ? null : readDeadline(given, now, found);
  const id = newId("flow");
  const members = new Members(env, origin, now, { id, rootId: plan.tasks[0]?.id ?? null }, found);
  const sharing = new Sharing(plan.tasks);
  const tasks = await members.prepare(plan.tasks, (source) => sharing.stored(source));
  // The tasks of `onError` get new ids when the flow fails again, so they share no sources.
  if (found.length === 0) refuseHeavyErrors(plan.onError, found);
  const onError = await members.prepare(plan.onError, (source) => source, { onError: 1 });
  const { shared } = sharing;
  if (found.length === 0) refuseLongRow(onError, plan.result, shared, found);
  if (found.length > 0) {
    throw new ProblemError(problem("invalid-body", "The flow has faults; nothing was stored.", found));
  }
  keepTogether([...tasks, ...onError]);
  const state = tasks.length === 0 ? "succeeded" : "running";
  const retainUntil = state === "succeeded" ? now + DEFAULT_RETENTION_MS : null;
  const { tenant } = origin;
  return { id, tenant, state, createdAt: now, deadline, retainUntil, tasks, onError, result: plan.result, shared };
}

/** Gives every task the longest retention among them: a flow is purged as a whole. */
function keepTogether(tasks: NewTask[]): void {
  const longest = tasks.reduce((most, task) => Math.max(most, task.retentionMs), 0);
  for (const task of tasks) task.retentionMs = longest;
}

function readDeadline(given: unknown, now: number, found: Fault[]): number | null {
  const parsed = deadlineSchema.safeParse(given);
  const at = parsed.success ? deadlineAt(parsed.data, now) : null;
  if (!parsed.success) found.push(...faults(parsed.error.issues, ["deadline"]));
  if (typeof at === "number") return at;
  if (at !== null) found.push(at);
  return null;
}

function refuseHeavyErrors(onError: PlannedTask[], found: Fault[]): void {
  const known = new Map<Source, number>();
  const taken = onError
    .flatMap(({ passed, from }) => [...(passed === null ? [] : [passed]), ...Object.values(from)])
    .reduce((sum, source) => sum + expandedSize(source, known), 0);
  if (taken <= MAX_ERROR_SOURCES) return;
  const detail = `its tasks take ${taken} values, each counted wherever it is taken; ${MAX_ERROR_SOURCES} is the limit`;
  found.push({ pointer: "/onError", detail });
}

function refuseLongRow(onError: NewTask[], result: Source, shared: StoredSource[], found: Fault[]): void {
  const errors = byteLength(JSON.stringify(onError));
  const rest = byteLength(JSON.stringify(result)) + byteLength(JSON.stringify(shared));
  if (errors + rest <= MAX_ROW_BYTES) return;
  found.push(
    errors > rest
      ? { pointer: "/onError", detail: `its tasks take ${errors} bytes; ${MAX_ROW_BYTES - rest} are left for them` }
      : {
          pointer: "",
          detail: "the values that the tasks of this flow pass on are too large for one flow; pass on less",
        },
  );
}

type Stored = (source: Source) => StoredSource;

/** Makes the rows of a flow's tasks, until there are too many faults or the rows are too large for a flow. */
class Members {
  readonly #env: Env;
  readonly #origin: Origin;
  readonly #now: number;
  readonly #flow: { id: string; rootId: string | null };
  readonly #found: Fault[];
  #length = 0;

  constructor(env: Env, origin: Origin, now: number, flow: { id: string; rootId: string | null }, found: Fault[]) {
    this.#env = env;
    this.#origin = origin;
    this.#now = now;
    this.#flow = flow;
    this.#found = found;
  }

  async prepare(all: PlannedTask[], stored: Stored, extra: FlowNode = {}): Promise<NewTask[]> {
    const members: NewTask[] = [];
    for (const [i, planned] of all.entries()) {
      if (i % AT_ONCE === 0 && all.length > AT_ONCE) await scheduler.wait(0);
      if (this.#found.length > MAX_FAULTS) break;
      const prepared = prepareNode(this.#env, planned, this.#origin, this.#now);
      if (!prepared.ok) {
        if (prepared.problem.name === "seal-key-missing") throw new ProblemError(prepared.problem);
        const { errors = [{ pointer: "", detail: prepared.problem.detail }] } = prepared.problem;
        this.#found.push(...errors.map((error) => inBody(planned, error)));
        continue;
      }
      const member = memberOf(prepared.task, planned, this.#flow, stored, extra);
      if (!this.#hasRoomFor(member, planned)) break;
      members.push(member);
    }
    return members;
  }

  #hasRoomFor(member: NewTask, { path }: PlannedTask): boolean {
    const own = [member.nodeKey, member.node, member.input, member.options, member.tags, member.concurrency];
    this.#length += own.reduce((sum, text) => sum + (text?.length ?? 0), 0);
    const isLong = (member.node?.length ?? 0) > MAX_PARAM_BYTES;
    if (!isLong && this.#length <= MAX_ROWS_LENGTH) return true;
    const detail = isLong
      ? "takes too many values from earlier tasks; add a task that gathers them"
      : `with this task the flow would take more than ${MAX_ROWS_LENGTH} characters of rows; split it into two flows`;
    this.#found.push({ pointer: pointerTo(path), detail });
    return false;
  }
}

/** A fault of one task, as a fault of the body that holds it. */
function inBody(planned: PlannedTask, fault: Fault): Fault {
  const { pointer: at } = fault;
  const isInput = at === "/input" || at.startsWith("/input/");
  const base = pointerTo(isInput ? planned.inputPath : planned.path);
  return { ...fault, pointer: base + (isInput ? at.slice("/input".length) : at) };
}

/** The task as a member of its flow: it starts at once, or waits for what it needs. */
function memberOf(
  task: NewTask,
  planned: PlannedTask,
  flow: { id: string; rootId: string | null },
  stored: Stored,
  extra: FlowNode,
): NewTask {
  const waits = planned.needs.length + planned.needsEnd.length;
  const from = Object.entries(planned.from).map(([name, source]) => [name, stored(source)]);
  const node: FlowNode = {
    ...extra,
    ...(planned.needs.length > 0 ? { needs: planned.needs.toReversed() } : {}),
    ...(planned.needsEnd.length > 0 ? { needsEnd: planned.needsEnd.toReversed() } : {}),
    ...(planned.next.length > 0 ? { next: planned.next } : {}),
    ...(planned.nextOnEnd.length > 0 ? { nextOnEnd: planned.nextOnEnd } : {}),
    ...(planned.ignored ? { ignored: 1 as const } : {}),
    ...(planned.passed === null ? {} : { passed: stored(planned.passed) }),
    ...(from.length === 0 ? {} : { from: Object.fromEntries(from) }),
    ...(task.runAt > task.createdAt ? startOf(task, planned) : {}),
    ...(extra.onError ? expiryOf(task, planned) : {}),
  };
  const rootId = flow.rootId ?? planned.id;
  const member = { ...task, rootId, flowId: flow.id, nodeKey: planned.key, node: JSON.stringify(node) };
  if (waits === 0) return member;
  return {
    ...member,
    state: "waiting",
    runAt: NO_START,
    dueAt: task.expiresAt,
    waitingFor: JSON.stringify({ type: "needs", count: waits }),
  };
}

/** For a task that does not start with the flow: a delay counts from its release, a given `runAt` stays as it is. */
function startOf(task: NewTask, planned: PlannedTask): FlowNode {
  return isGiven(planned, "runAt") ? { runAt: task.runAt } : { delay: task.runAt - task.createdAt };
}

/** The same for the expiry of a task that is stored only when the flow fails. */
function expiryOf(task: NewTask, planned: PlannedTask): FlowNode {
  if (task.expiresAt === null || isGiven(planned, "expiresAt")) return {};
  return { expiresIn: task.expiresAt - task.createdAt };
}

function isGiven({ options }: PlannedTask, name: "runAt" | "expiresAt"): boolean {
  return typeof options === "object" && options !== null && name in options;
}
