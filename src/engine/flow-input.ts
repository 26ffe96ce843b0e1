/** What members of a flow are given when they start: the results that they need, read where they are. */

import type { Source } from "../core/flow.ts";
import { DanglingReferenceError, fillIn, taskIdsOf, valueOf, type Known } from "../core/flow-value.ts";
import type { ClaimedTask } from "../results/claim-tasks.ts";
import { persist } from "../results/d1.ts";
import type { FlowNode } from "../results/flow-node.ts";
import { readEnds, readFailure, readSmallEnds, readSmallNodes } from "../results/flow-values.ts";
import { OVERFLOW } from "../results/task-row.ts";

/** Bytes of a node, and of all results together, that are read for many tasks at once: they lie in memory at one time. */
const NODE_BYTES = 8_192;
const RESULTS_BYTES = 1_000_000;

/** Characters of an input that is made for many tasks at once. */
const INPUT_LENGTH = 65_536;

/**
 * Fills in the inputs of those that take something from their flow, with two statements for all of them. Whoever takes
 * too much for that stays as it is, and asks for its own by {@link flowInput}; so do all where D1 does not answer.
 */
export async function fillFlowInputs(env: Env, tasks: ClaimedTask[]): Promise<ClaimedTask[]> {
  const takers = tasks.filter((task) => task.takesFromFlow === 1 && !(task.overflow & OVERFLOW.input));
  if (takers.length < 2) return tasks;
  try {
    const nodes = await readSmallNodes(
      env.DB,
      takers.map((task) => task.id),
      NODE_BYTES,
    );
    const ids = [...new Set([...nodes.values()].flatMap(sourcesOf).flatMap(taskIdsOf))];
    const known = { ended: await readSmallEnds(env.DB, ids, RESULTS_BYTES), failure: null };
    return tasks.map((task) => filled(task, nodes.get(task.id), known));
  } catch (error) {
    console.warn(JSON.stringify({ event: "flow_inputs_not_read", tasks: takers.length, error: String(error) }));
    return tasks;
  }
}

function filled(task: ClaimedTask, node: FlowNode | undefined, known: Known): ClaimedTask {
  const isKnown = (source: Source) => !asksWhy(source) && taskIdsOf(source).every((id) => known.ended.has(id));
  if (node === undefined || !sourcesOf(node).every(isKnown)) return task;
  const written: unknown = task.input === null ? undefined : JSON.parse(task.input);
  try {
    const text = JSON.stringify(inputOf(node, written, known)) as string | undefined;
    return (text?.length ?? 0) > INPUT_LENGTH ? task : { ...task, input: text ?? null, takesFromFlow: 0 };
  } catch (error) {
    // It meets the same error when it starts, which is where that is told.
    if (error instanceof DanglingReferenceError) return task;
    throw error;
  }
}

/** The input of a flow's member, given what is written in its row (undefined where nothing is). */
export async function flowInput(
  env: Env,
  task: { id: string; flowId: string | null },
  written: unknown,
): Promise<unknown> {
  const text = await persist(() =>
    env.DB.prepare("SELECT json(node) AS node FROM tasks WHERE id = ?1").bind(task.id).first<string>("node"),
  );
  const node = JSON.parse(text ?? "{}") as FlowNode;
  return inputOf(node, written, await know(env, task.flowId, sourcesOf(node)));
}

function inputOf(node: FlowNode, written: unknown, known: Known): unknown {
  if (written === undefined) return node.passed === undefined ? undefined : valueOf(node.passed, known);
  if (node.from === undefined) return written;
  const values = Object.entries(node.from).map(([name, source]) => [name, valueOf(source, known)]);
  return fillIn(written, Object.fromEntries(values) as Record<string, unknown>);
}

/** A node has the one or the other. */
function sourcesOf(node: FlowNode): Source[] {
  return node.passed === undefined ? Object.values(node.from ?? {}) : [node.passed];
}

const asksWhy = (source: Source) => typeof source === "object" && "failure" in source;

async function know(env: Env, flowId: string | null, sources: Source[]): Promise<Known> {
  const ids = sources.flatMap(taskIdsOf);
  return {
    ended: ids.length > 0 ? await readEnds(env.DB, ids) : new Map(),
    failure: flowId !== null && sources.some(asksWhy) ? await readFailure(env.DB, flowId) : null,
  };
}
