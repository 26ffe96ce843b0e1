/** Removes what has ended, with all that belongs to it: tasks one by one, flows with all of their members. */

import { nextPurge } from "../core/wake.ts";
import type { Audit } from "../results/audit.ts";
import { deleteFlows, readEndedFlows, readFlowsOf, type EndedFlow, type FlowOf } from "../results/flows/purge.ts";
import { deleteTasks, removeTasks, type Purged } from "../results/purge-tasks.ts";
import { announce } from "./announce.ts";
import { destroyObjects } from "./events/tell.ts";

/** Removes those of these tasks that have ended and are not members of a flow. Returns how many. */
export async function deleteEnded(env: Env, ids: string[], audit: Audit | null = null): Promise<number> {
  if (ids.length === 0) return 0;
  const { gone } = await andWhatWasOwed(env, ids, null, await deleteTasks(env.DB, ids, null, audit), audit);
  return gone.length;
}

/**
 * What became of a flow that was to be removed. `tasks`: how many tasks were removed with it; `stays`: it runs, or is gone
 * already; `owed`: it was kept because webhooks are still owed the ends of some of its tasks.
 */
export type FlowRemoval = { tasks: number } | "stays" | "owed";

/** Removes an ended flow with all of its members, whatever their retention. */
export async function deleteFlow(env: Env, flowId: string, audit: Audit | null = null): Promise<FlowRemoval> {
  const [flow] = await readTold(env, [flowId]);
  if (flow === undefined) return "stays";
  if (flow.owing !== NONE) return "owed";
  const gone = await removeFlows(env, [flow], audit);
  return gone.has(flow.id) ? { tasks: flow.size } : "stays";
}

/** What a purge has left of the tasks that it was given. */
export interface Purge {
  /**
   * When the clock must look at a task again, in ms since the epoch. Null: never, because another member of its flow has the timer;
   * undefined: unknown.
   */
  kept: Map<string, number | null | undefined>;
  /** Members of flows that were not removed because of `chunk`. */
  left: string[];
}

/**
 * Removes those of `rows` whose retention is over at `now`; a member of a flow is removed only with its flow. `chunk` bounds
 * the tasks of the flows that are removed; the first flow is removed whatever its size.
 */
export async function purge(env: Env, rows: readonly Purged[], now: number, chunk: number): Promise<Purge> {
  if (rows.length === 0) return { kept: new Map(), left: [] };
  const members = rows.filter((row) => row.flowId !== null).map((row) => row.id);
  const [removed, of] = await Promise.all([
    removeTasks(env.DB, rows, now),
    members.length === 0 ? [] : readFlowsOf(env.DB, members),
  ]);
  return purgeRest(
    env,
    rows.map((row) => row.id),
    now,
    chunk,
    { gone: removed, flows: of },
  );
}

/** The same for tasks of which only the ids are known. */
export async function purgeIds(env: Env, ids: string[], now: number, chunk: number): Promise<Purge> {
  if (ids.length === 0) return { kept: new Map(), left: [] };
  return purgeRest(env, ids, now, chunk, await deleteTasks(env.DB, ids, now));
}

/** The tasks that were removed, and the flows whose members are among the other tasks. */
interface Removal {
  gone: Purged[];
  flows: FlowOf[];
}

async function purgeRest(env: Env, ids: string[], now: number, chunk: number, first: Removal): Promise<Purge> {
  const { gone, flows } = await andWhatWasOwed(env, ids, now, first);
  const over = flows.filter((flow) => flow.finishedAt !== null && (flow.retainUntil ?? 0) <= now);
  const taken = firstOf(over, chunk);
  const ended =
    taken.length === 0
      ? []
      : await readTold(
          env,
          taken.map((flow) => flow.id),
        );
  const whole = await removeFlows(
    env,
    ended.filter((flow) => flow.retainUntil <= now && flow.owing === NONE),
  );
  const kept = new Map<string, number | null | undefined>(ids.map((id) => [id, undefined]));
  for (const { id } of gone) kept.delete(id);
  const left: string[] = [];
  for (const flow of flows) {
    const members = JSON.parse(flow.taskIds) as string[];
    const isLeft = over.includes(flow) && !taken.includes(flow);
    if (isLeft) left.push(...members);
    if (isLeft || whole.has(flow.id)) {
      for (const id of members) kept.delete(id);
      continue;
    }
    const until = ended.find((each) => each.id === flow.id)?.retainUntil ?? flow.retainUntil;
    // One timer is enough for all members of a flow.
    for (const [i, id] of members.entries()) {
      kept.set(id, i > 0 ? null : until !== null && until > now ? nextPurge(until) : undefined);
    }
  }
  return { kept, left };
}

/** The first of these flows that have at most `tasks` tasks together; at least one flow. */
function firstOf(flows: FlowOf[], tasks: number): FlowOf[] {
  let before = 0;
  const beyond = flows.findIndex((flow, i) => {
    before += flow.size;
    return i > 0 && before > tasks;
  });
  return beyond === -1 ? flows : flows.slice(0, beyond);
}

async function andWhatWasOwed(
  env: Env,
  ids: string[],
  before: number | null,
  { gone: removed, flows }: Removal,
  audit: Audit | null = null,
): Promise<Removal> {
  const gone = [...removed];
  const settled = new Set([
    ...gone.map((task) => task.id),
    ...flows.flatMap(({ taskIds }) => JSON.parse(taskIds) as string[]),
  ]);
  const kept = ids.filter((id) => !settled.has(id));
  if (kept.length > 0) {
    // A delivery that is owed is made from the task; once the deliveries are stored, the task is removed too.
    await announce(env, { owed: kept.map((id) => ({ id })) });
    gone.push(...(await deleteTasks(env.DB, kept, before, audit)).gone);
  }
  await destroyObjects(env, gone);
  return { gone, flows };
}

/** An empty JSON array. */
const NONE = "[]";

/** Those of these flows that have ended, read after an attempt to store the deliveries that are owed for their members. */
async function readTold(env: Env, ids: string[]): Promise<EndedFlow[]> {
  const flows = await readEndedFlows(env.DB, ids);
  const owed = flows.flatMap((flow) => JSON.parse(flow.owing) as string[]);
  if (owed.length === 0) return flows;
  await announce(env, { owed: owed.map((id) => ({ id })) });
  return readEndedFlows(env.DB, ids);
}

/** Progress objects that are cleared in one go: an event may make 10,000 requests. The others clear themselves within the hour. */
const MAX_OBJECTS = 1_000;

async function removeFlows(env: Env, flows: EndedFlow[], audit: Audit | null = null): Promise<Set<string>> {
  if (flows.length === 0) return new Set();
  const gone = await deleteFlows(env.DB, flows, audit);
  const objects = flows
    .filter((flow) => gone.has(flow.id))
    .flatMap((flow) => JSON.parse(flow.objects) as { id: string; object: number }[]);
  await destroyObjects(env, objects.slice(0, MAX_OBJECTS));
  return gone;
}
