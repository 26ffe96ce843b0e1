/** Holds a flow that has ended in a world against the plain reading of its graph; answers what does not agree, in words. */

import type { FlowResource } from "../../src/contract/flow.ts";
import type { Outcome } from "../../src/core/settle.ts";
import { readGraph, type FlowReading, type NodeReading, type Run } from "../core/flow-reading.ts";
import { resultOf, type FlowWorld, type Member } from "./flow-world.ts";

type Node = FlowResource["nodes"][number];

/** An attempt as its row remembers it. */
interface Past {
  run: number;
  number: number;
  outcome: Outcome;
}

/** Of each task by its id: the attempts of its latest run, and whose success it needs. */
export type Pasts = Map<string, { attempts: Past[]; needs: string[] }>;

export async function pastsOf(db: D1Database, flow: FlowResource): Promise<Pasts> {
  const ids = JSON.stringify(flow.nodes.map((node) => node.task.id));
  const { results } = await db
    .prepare(
      `SELECT id, run, COALESCE(history, '[]') AS history, COALESCE(node->'needs', '[]') AS needs FROM tasks
       WHERE id IN (SELECT value FROM json_each(?1))`,
    )
    .bind(ids)
    .all<{ id: string; run: number; history: string; needs: string }>();
  return new Map(
    results.map(({ id, run, history, needs }) => {
      const attempts = (JSON.parse(history) as Past[]).filter((past) => past.run === run);
      return [id, { attempts, needs: JSON.parse(needs) as string[] }];
    }),
  );
}

/** Checks a flow that was not cancelled. Answers every disagreement. */
export function disagreements(world: FlowWorld, member: Member, flow: FlowResource, pasts: Pasts): string[] {
  const wrong: string[] = [];
  const complain = (what: string) => void wrong.push(`${member.name}: ${what}`);
  const { run, known } = judge(world, member, flow);
  const main = readGraph(member.body, run);
  const failure = failureOf(flow, main);
  const { onError } = member.body;
  const after = onError && main.state === "failed" ? readGraph(onError, run, failure, "onError") : null;

  if (flow.state !== main.state) complain(`is ${flow.state}, must be ${main.state}`);
  if (main.state === "succeeded" && !same(flow.result, main.result)) complain(`its result is ${show(flow.result)}`);
  if (
    main.state === "failed" &&
    !same(flow.error?.data, { taskIds: failure.failed.map((each) => each.taskId), failed: failure.failed })
  ) {
    complain(`its error is ${show(flow.error)}, must name ${show(failure.failed)}`);
  }
  const expected = new Map([...main.nodes, ...(after?.nodes ?? [])]);
  for (const key of expected.keys()) if (!known.has(key)) complain(`has no ${key}`);
  for (const [key, node] of known) {
    const reading = expected.get(key);
    if (reading) wrong.push(...nodeDisagreements(member.name, node, reading, pasts.get(node.task.id)!.attempts));
    else complain(`has a ${key}`);
  }
  return wrong;
}

/** How the tasks went; one that was cut off too often has failed, however it would have gone. The latest of a key counts. */
function judge(world: FlowWorld, member: Member, flow: FlowResource): { run: Run; known: Map<string, Node> } {
  const known = new Map(flow.nodes.map((node) => [node.key, node]));
  const run: Run = (key, input) => {
    const isLost = known.get(key)?.task.error?.type === "worker_lost";
    return { ok: world.behaviourOf(member, key) !== "bad" && !isLost, result: resultOf(key, input) };
  };
  return { run, known };
}

/** What `onError` must be passed. */
function failureOf(flow: FlowResource, { nodes }: FlowReading) {
  const failed = flow.nodes.flatMap(({ key, task }) => {
    const reading = nodes.get(key);
    if (reading?.end !== "failed" || reading.ignored) return [];
    const { stack: _, ...error } = task.error ?? { type: "none", message: "" };
    return [{ key, taskId: task.id, error }];
  });
  return { flowId: flow.id, failed };
}

function nodeDisagreements(name: string, { key, task }: Node, { end, result }: NodeReading, past: Past[]): string[] {
  const wrong: string[] = [];
  const complain = (what: string) => void wrong.push(`${name}: ${key} ${what}`);
  const state = end === "succeeded" ? "succeeded" : "failed";
  if (task.state !== state) complain(`is ${task.state} (${task.error?.type}), must be ${end}`);
  if (!same(task.result, result)) complain(`gave ${show(task.result)}, must give ${show(result)}`);
  const counts = Object.groupBy(past, ({ outcome }) => outcome);
  const successes = counts.succeeded?.length ?? 0;
  if (end === "abandoned") {
    if (past.length > 0) complain(`ran, although something that it needs did not succeed`);
    if (task.error?.type !== "dependency_failed") complain(`ended with ${task.error?.type}`);
  } else {
    if (past.some(({ number }, i) => number !== task.attempt - past.length + 1 + i))
      complain("counts its attempts wrongly");
    if (successes !== (end === "succeeded" ? 1 : 0)) complain(`succeeded ${successes} times`);
    // No start without a reason: the first of a release, one after a failed attempt, one after a worker was lost.
    const failures = counts.failed?.length ?? 0;
    const crashes = counts.crashed?.length ?? 0;
    if (past.length !== successes + failures + crashes) complain(`started ${past.length} times`);
    if (failures > 3 || crashes > 3) complain(`failed ${failures} times and was lost ${crashes} times`);
  }
  return wrong;
}

/** Checks that whatever never ran names all that ended badly before it, and nothing else. */
export function blameDisagreements(member: Member, flow: FlowResource, pasts: Pasts): string[] {
  const tasks = new Map(flow.nodes.map(({ task }) => [task.id, task]));
  const neverRan = (id: string) => tasks.get(id)?.error?.type === "dependency_failed";
  const causes = new Map<string, Set<string>>();
  const causesOf = (id: string): Set<string> => {
    if (tasks.get(id)?.state === "succeeded") return new Set();
    if (!neverRan(id)) return new Set([id]);
    const known = causes.get(id) ?? new Set(pasts.get(id)!.needs.flatMap((need) => [...causesOf(need)]));
    causes.set(id, known);
    return known;
  };
  return flow.nodes.flatMap(({ key, task }) => {
    if (!neverRan(task.id)) return [];
    const { taskIds } = task.error!.data as { taskIds: string[] };
    const expected = [...causesOf(task.id)];
    return same(taskIds.toSorted(), expected.toSorted())
      ? []
      : [`${member.name}: ${key} names ${show(taskIds)}, must name ${show(expected)}`];
  });
}

/** Checks a flow that was cancelled while it ran: nothing is left, and what had succeeded has the right result. */
export function cancelDisagreements(world: FlowWorld, member: Member, flow: FlowResource): string[] {
  const { run } = judge(world, member, flow);
  const { nodes } = readGraph(member.body, run);
  return flow.nodes.flatMap(({ key, task }) => {
    if (!["succeeded", "failed", "cancelled"].includes(task.state)) return [`${member.name}: ${key} is ${task.state}`];
    const reading = nodes.get(key);
    if (task.state === "succeeded" && reading && !same(task.result, reading.result)) {
      return [`${member.name}: ${key} gave ${show(task.result)}, must give ${show(reading.result)}`];
    }
    return [];
  });
}

/** Checks a flow that has missed its deadline: nothing is left, it has failed, and its error tasks were there. */
export function overdueDisagreements(world: FlowWorld, member: Member, flow: FlowResource): string[] {
  const wrong = cancelDisagreements(world, member, flow);
  const { onError } = member.body;
  const expected = onError ? readGraph(onError, () => ({ ok: true, result: null }), null, "onError").nodes.size : 0;
  const found = flow.nodes.filter(({ key }) => isErrorKey(key)).length;
  if (found !== expected) wrong.push(`${member.name}: has ${found} error tasks, must have ${expected}`);
  if (flow.state !== "failed") wrong.push(`${member.name}: is ${flow.state}, and has missed its deadline`);
  return wrong;
}

/** Which keys a retry must run again: what did not succeed, and what depends on it. `counting` are those whose failure would count. */
export function toRunAgain(member: Member, flow: FlowResource): { all: Set<string>; counting: string[] } {
  const { nodes } = readGraph(member.body, () => ({ ok: true, result: null }));
  const isBad = ({ key, task }: Node) => !isErrorKey(key) && task.state !== "succeeded";
  const all = withDependents(
    flow,
    flow.nodes.filter(isBad).map((node) => node.key),
  );
  return { all, counting: [...all].filter((key) => !nodes.get(key)?.ignored) };
}

export function withDependents(flow: FlowResource, keys: string[]): Set<string> {
  const all = new Set(keys);
  for (let size = -1; size !== all.size;) {
    size = all.size;
    for (const node of flow.nodes) if (node.needs.some((need) => all.has(need))) all.add(node.key);
  }
  return all;
}

export function isErrorKey(key: string): boolean {
  return key === "onError" || key.startsWith("onError.");
}

function same(a: unknown, b: unknown): boolean {
  return show(a) === show(b);
}

/** The order of members means nothing. */
function show(value: unknown): string {
  return JSON.stringify(value, (_, each: unknown) =>
    typeof each === "object" && each !== null && !Array.isArray(each)
      ? Object.fromEntries(Object.entries(each).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : each,
  );
}
