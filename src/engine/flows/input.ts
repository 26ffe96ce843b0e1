/** Builds the inputs of a flow's members when they start, from the stored results that they take. */

import { log } from "../../core/log.ts";
import type { Source } from "../../core/flows/flow.ts";
import { numbersIn, restored, type StoredSource } from "../../core/flows/share.ts";
import {
  at,
  DanglingReferenceError,
  demandRoom,
  fillWith,
  InputTooLargeError,
  ValueGoneError,
  narrowed,
  taskIdsOf,
  valueOf,
  type Known,
} from "../../core/flows/value.ts";
import { references } from "../../core/flows/reference.ts";
import { MAX_PAYLOAD_BYTES } from "../../core/bounds.ts";
import type { ClaimedTask } from "../../results/claim-tasks.ts";
import type { FlowNode } from "../../results/flows/node.ts";
import { readSmallSources, readSources, type SharedSources } from "../../results/flows/sources.ts";
import { openEnds } from "../sealing/tasks.ts";
import { readEnds, readFailure, readNode, readSmallEnds, readSmallNodes } from "../../results/flows/values.ts";
import { OVERFLOW } from "../../results/task-row.ts";

/** Bytes of a node, of a flow's sources, and of all results together that are read for many tasks at once: they are in memory together. */
const NODE_BYTES = 8_192;
const SOURCES_BYTES = 32_768;
const RESULTS_BYTES = 1_000_000;

/** Characters of an input that is built together with those of other tasks. */
const INPUT_LENGTH = 65_536;

/** Bytes of results of which an input takes parts: they are in memory while it is built. */
const PARTS_BYTES = 16 * MAX_PAYLOAD_BYTES;

/** What a member takes from its flow: a source as its whole input, or the sources of the `$from`s in its input, by name. */
interface Takes {
  passed?: Source;
  from?: Record<string, Source>;
}

/**
 * Fills in the inputs of the tasks that take something from their flow, with two statements for all of them, and a third
 * where several take the same. A task that takes too much for that stays as it is, and its input is built later by
 * {@link flowInput}; so are the inputs of all tasks where D1 does not answer.
 */
export async function fillFlowInputs(env: Env, tasks: ClaimedTask[]): Promise<ClaimedTask[]> {
  const takers = tasks.filter(
    (task) => task.takesFromFlow === 1 && !(task.overflow & OVERFLOW.input) && task.sealed === null,
  );
  if (takers.length < 2) return tasks;
  try {
    const nodes = await readSmallNodes(
      env.DB,
      takers.map((task) => task.id),
      NODE_BYTES,
    );
    const takes = await takesOf(env, takers, nodes);
    const ids = [...new Set([...takes.values()].flatMap(sourcesOf).flatMap(taskIdsOf))];
    const known = { ended: await readSmallEnds(env.DB, ids, RESULTS_BYTES), failure: null };
    return tasks.map((task) => filled(task, takes.get(task.id), known));
  } catch (error) {
    log("flow_inputs_not_read", { tasks: takers.length, error });
    return tasks;
  }
}

/** What these tasks take, without the tasks whose flow's shared sources are too large. */
async function takesOf(
  env: Env,
  takers: ClaimedTask[],
  nodes: ReadonlyMap<string, FlowNode>,
): Promise<Map<string, Takes>> {
  const found = takers.flatMap(({ id, flowId }) => {
    const node = nodes.get(id);
    return node === undefined ? [] : [{ id, flowId, node, isShared: storedIn(node).some(hasNumbers) }];
  });
  const flowIds = [...new Set(found.flatMap(({ flowId, isShared }) => (isShared && flowId !== null ? [flowId] : [])))];
  const shared = flowIds.length > 0 ? await readSmallSources(env.DB, flowIds, SOURCES_BYTES) : new Map();
  return new Map(
    found.flatMap(({ id, flowId, node, isShared }): [string, Takes][] => {
      const own: SharedSources | undefined = isShared ? shared.get(flowId) : new Map();
      return own === undefined ? [] : [[id, takesWith(node, own)]];
    }),
  );
}

function filled(task: ClaimedTask, takes: Takes | undefined, known: Known): ClaimedTask {
  const isKnown = (source: Source) => !asksWhy(source) && taskIdsOf(source).every((id) => known.ended.has(id));
  if (takes === undefined || !sourcesOf(takes).every(isKnown)) return task;
  const written: unknown = task.input === null ? undefined : JSON.parse(task.input);
  try {
    const text = JSON.stringify(inputOf(takes, written, known)) as string | undefined;
    return (text?.length ?? 0) > INPUT_LENGTH ? task : { ...task, input: text ?? null, takesFromFlow: 0 };
  } catch (error) {
    // The task gets the same error when it starts, and fails with it there.
    if (isOfTheTask(error)) return task;
    throw error;
  }
}

/**
 * The input of a flow's member, given what is written in its row (undefined where nothing is). Throws an
 * {@link InputTooLargeError} where it takes too much, before that is read.
 */
export async function flowInput(
  env: Env,
  task: { id: string; flowId: string | null },
  written: unknown,
): Promise<unknown> {
  const node = await readNode(env.DB, task.id);
  const numbers = storedIn(node).flatMap(numbersIn);
  const shared = numbers.length > 0 ? await readSources(env.DB, task.flowId ?? "", numbers) : new Map();
  const takes = takesWith(node, shared);
  return inputOf(takes, written, await know(env, task.flowId, neededFor(takes, written)));
}

function inputOf({ passed, from }: Takes, written: unknown, known: Known): unknown {
  if (written === undefined) {
    const value = passed === undefined ? undefined : valueOf(passed, known);
    demandRoom(value);
    return value;
  }
  if (from === undefined) return written;
  return fillWith(written, (name, path) => {
    const { source, rest } = narrowed(from[name]!, path);
    return at(valueOf(source, known), rest, name, path);
  });
}

interface Needed {
  sources: Source[];
  /** Only a part of some results is taken. */
  inParts: boolean;
}

/** The sources to read: of a list or an object that is put together from several, only the part that a path names. */
function neededFor(takes: Takes, written: unknown): Needed {
  const { from } = takes;
  if (written === undefined || from === undefined) return { sources: sourcesOf(takes), inParts: false };
  const parts = references(written).map(({ reference }) => {
    const { $from: name, path = "" } = reference as { $from: string; path?: string };
    return narrowed(from[name]!, path);
  });
  return { sources: [...new Set(parts.map((part) => part.source))], inParts: parts.some((part) => part.rest !== "") };
}

function takesWith({ passed, from }: FlowNode, shared: SharedSources): Takes {
  if (passed !== undefined) return { passed: restored(passed, shared) };
  if (from === undefined) return {};
  const names = Object.entries(from).map(([name, source]): [string, Source] => [name, restored(source, shared)]);
  return { from: Object.fromEntries(names) };
}

/** A node has either `passed` or `from`. */
function storedIn(node: FlowNode): StoredSource[] {
  return node.passed === undefined ? Object.values(node.from ?? {}) : [node.passed];
}

function sourcesOf(takes: Takes): Source[] {
  return takes.passed === undefined ? Object.values(takes.from ?? {}) : [takes.passed];
}

const hasNumbers = (source: StoredSource) => numbersIn(source).length > 0;

/** Whether the error lies with the task that takes the input. */
function isOfTheTask(error: unknown): boolean {
  return (
    error instanceof DanglingReferenceError || error instanceof InputTooLargeError || error instanceof ValueGoneError
  );
}

const asksWhy = (source: Source) => typeof source === "object" && "failure" in source;

async function know(env: Env, flowId: string | null, { sources, inParts }: Needed): Promise<Known> {
  const ids = [...new Set(sources.flatMap(taskIdsOf))];
  const asked = flowId !== null && sources.some(asksWhy);
  const failure = asked ? await readFailure(env.DB, flowId) : null;
  if (asked && failure === null) throw new ValueGoneError([], `the flow ${flowId} is gone, and why it failed with it`);
  const most = inParts ? PARTS_BYTES : MAX_PAYLOAD_BYTES;
  return { ended: ids.length > 0 ? await openEnds(env, await readEnds(env.DB, ids, most)) : new Map(), failure };
}
