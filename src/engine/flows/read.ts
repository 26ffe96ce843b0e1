/** A flow as the resource of the contract. */

import { addressOf } from "../../contract/addresses.ts";
import type { FlowResource, FlowSummaryResource } from "../../contract/flow.ts";
import type { TaskResource } from "../../contract/task.ts";
import type { Progress } from "../../core/task.ts";
import { MAX_NODES, type Source } from "../../core/flows/flow.ts";
import { taskIdsOf, ValueGoneError, valueOf } from "../../core/flows/value.ts";
import { STATES, type State } from "../../core/states.ts";
import type { FlowSummary } from "../../results/flows/list.ts";
import type { FlowNode } from "../../results/flows/node.ts";
import { readEnds, readFailure } from "../../results/flows/values.ts";
import {
  newFlowRow,
  readKeys,
  readMembers,
  readOutline,
  type FlowRow,
  type Member,
  type NewFlow,
  type Outline,
} from "../../results/flows/flows.ts";
import { newRow } from "../../results/new-row.ts";
import { runningProgress } from "../events/live-progress.ts";
import { presentStub, presentTask, type View } from "../present.ts";

/** The flow with those of its nodes that are after `cursor` (an id), up to `limit` and to what is safe to hold in memory. */
export async function presentFlow(
  env: Env,
  row: FlowRow,
  cursor = "",
  limit = MAX_NODES,
  view: View = {},
): Promise<FlowResource> {
  const all = await readOutline(env.DB, row.id);
  const rest = all.filter((member) => member.id > cursor);
  const page = rest.slice(0, Math.min(limit, howManyFit(rest)));
  const shown = await readMembers(
    env.DB,
    page.map((member) => member.id),
  );
  const [keys, progress] = await Promise.all([keysOf(env, shown), runningProgress(env, shown)]);
  return {
    ...presentSummary(row),
    ...(view.stub ? { result: null, error: null } : await outcomeOf(env, row)),
    counts: countsOf(all),
    nodes: await presentNodes(shown, keys, progress, view),
    nextCursor: page.length < rest.length ? page.at(-1)!.id : null,
  };
}

/** The same for a flow that was just stored, without asking D1 for it. */
export async function presentNew(env: Env, flow: NewFlow, view: View = {}): Promise<FlowResource> {
  const { tasks } = flow;
  const row = newFlowRow(flow);
  const fit = howManyFit(tasks.map((task) => ({ bytes: (task.input?.length ?? 0) + (task.node?.length ?? 0) })));
  const keys = new Map(tasks.map((task) => [task.id, task.nodeKey ?? ""]));
  const shown = tasks.slice(0, fit).map((task): Member => ({ ...newRow(task), node: task.node }));
  return {
    ...presentSummary(row),
    ...(await outcomeOf(env, row)),
    counts: countsOf(tasks),
    nodes: await presentNodes(shown, keys, new Map(), view),
    nextCursor: fit < tasks.length ? tasks[fit - 1]!.id : null,
  };
}

function countsOf(all: { state: State }[]): FlowResource["counts"] {
  const counts = Map.groupBy(all, (member) => member.state);
  return Object.fromEntries(STATES.flatMap((state) => (counts.has(state) ? [[state, counts.get(state)!.length]] : [])));
}

async function presentNodes(
  shown: Member[],
  keys: ReadonlyMap<string, string>,
  progress: ReadonlyMap<string, Progress>,
  view: View,
): Promise<FlowResource["nodes"]> {
  const nodes: FlowResource["nodes"] = [];
  for (const [i, member] of shown.entries()) {
    // Lets other requests of the isolate run.
    if (i % AT_ONCE === AT_ONCE - 1) await scheduler.wait(0);
    nodes.push(presentNode(member, keys, progress, view));
  }
  return nodes;
}

/** A flow in a list. */
export function presentSummary(row: FlowSummary): FlowSummaryResource {
  const self = addressOf(`/v1/flows/${row.id}`);
  return {
    id: row.id,
    state: row.state,
    createdAt: new Date(row.createdAt).toISOString(),
    finishedAt: isoOrNull(row.finishedAt),
    retainUntil: isoOrNull(row.retainUntil),
    cancelRequestedAt: isoOrNull(row.cancelRequestedAt),
    deadline: isoOrNull(row.deadline),
    links: { self, events: `${self}/events`, cancel: `${self}/cancel` },
  };
}

function isoOrNull(at: number | null): string | null {
  return at === null ? null : new Date(at).toISOString();
}

/** Bytes of the columns of varying length in the rows of one page, without payloads in rows of their own: a Worker has 128 MB in all. */
const PAGE_BYTES = 8_388_608;

/** Nodes presented in one go. */
const AT_ONCE = 500;

/** How many of these members fit into one page: at least one. */
function howManyFit(members: Pick<Outline, "bytes">[]): number {
  let before = 0;
  const beyond = members.findIndex((member) => {
    const isBeyond = before >= PAGE_BYTES;
    before += member.bytes;
    return isBeyond;
  });
  return beyond === -1 ? members.length : beyond;
}

function presentNode(
  member: Member,
  keys: ReadonlyMap<string, string>,
  progress: ReadonlyMap<string, Progress>,
  view: View,
): { key: string; needs: string[]; task: TaskResource } {
  const needs = needsOf(member).map((id) => keys.get(id) ?? id);
  if (view.stub) return { key: member.nodeKey ?? "", needs, task: presentStub(member) };
  const task = presentTask(member, view);
  return { key: member.nodeKey ?? "", needs, task: { ...task, progress: progress.get(task.id) ?? task.progress } };
}

function needsOf(member: Member): string[] {
  const node = JSON.parse(member.node ?? "{}") as FlowNode;
  return [...(node.needs ?? []).toReversed(), ...(node.needsEnd ?? []).toReversed()];
}

async function keysOf(env: Env, members: Member[]): Promise<Map<string, string>> {
  const keys = new Map(members.map((member) => [member.id, member.nodeKey ?? ""]));
  const elsewhere = [...new Set(members.flatMap(needsOf))].filter((id) => !keys.has(id));
  if (elsewhere.length === 0) return keys;
  return new Map([...keys, ...(await readKeys(env.DB, elsewhere))]);
}

/** The flow's result, or the error for which it has none; neither while it runs. */
async function outcomeOf(env: Env, row: FlowRow): Promise<Pick<FlowResource, "result" | "error">> {
  if (row.state !== "succeeded") return { result: null, error: await errorOf(env, row) };
  const source = JSON.parse(row.result) as Source;
  const ids = taskIdsOf(source);
  const ended = ids.length > 0 ? await readEnds(env.DB, ids) : new Map();
  try {
    return { result: valueOf(source, { ended, failure: null }), error: null };
  } catch (error) {
    if (!(error instanceof ValueGoneError)) throw error;
    return { result: null, error: { type: error.name, message: error.message, data: error.data } };
  }
}

async function errorOf(env: Env, row: FlowRow): Promise<FlowResource["error"]> {
  if (row.state === "cancelled")
    return { type: "cancelled", message: "the flow, or a member that it needed, was cancelled" };
  if (row.state !== "failed") return null;
  if (row.overdue > 0) {
    const message = `the flow had not ended by its deadline, ${new Date(row.deadline!).toISOString()}`;
    return { type: "deadline_exceeded", message };
  }
  const { failed } = (await readFailure(env.DB, row.id)) ?? { failed: [] };
  const taskIds = failed.map((each) => each.taskId);
  return { type: "FlowFailedError", message: `${failed.length} of the flow's tasks failed`, data: { taskIds, failed } };
}
