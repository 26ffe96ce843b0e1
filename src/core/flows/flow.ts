/** Flows: what a graph of tasks is compiled into (`plan.ts`), and how large it may be. */

import type { Path } from "../path.ts";

/** Tasks that one flow may have, and edges between them. */
export const MAX_NODES = 10_000;
export const MAX_EDGES = 100_000;

/** Values that a flow may pass on: the items of lists and members of objects that are assembled from results. */
export const MAX_SOURCES = 200_000;

/** The key of a task: its place in the graph. */
export const MAX_KEY_LENGTH = 1_000;

/**
 * Where a value comes from: the result of a task (its id), a list or an object of such, a constant,
 * or what is known of the flow's failure. `orNull`: null if anything in it, or in `if`, did not succeed.
 * In a plan, tasks that take the same source share one object.
 */
export type Source =
  | string
  | { list: Source[] }
  | { object: Record<string, Source> }
  | { orNull: Source; if?: string[] }
  | { value: unknown }
  | { failure: true };

/** One task of a flow. */
export interface PlannedTask {
  /** Its place in the graph, with dots. */
  key: string;
  id: string;
  /** Where it, and its input, stand in the request's body. */
  path: Path;
  inputPath: Path;
  task: string;
  /** As written; undefined where the node takes what it is passed. */
  input: unknown;
  options: unknown;
  /** `passed`: what it is passed, if it takes that. `from`: the source of each `$from`, by name. */
  passed: Source | null;
  from: Record<string, Source>;
  /** Ids of the tasks that must have succeeded, and of those that must only have ended. */
  needs: string[];
  needsEnd: string[];
  /** The same edges from the other side. */
  next: string[];
  nextOnEnd: string[];
  /** Its failure does not fail the flow. */
  ignored: boolean;
}

/** A compiled flow. `result` says where its result comes from. */
export interface Plan {
  tasks: PlannedTask[];
  onError: PlannedTask[];
  result: Source;
}
