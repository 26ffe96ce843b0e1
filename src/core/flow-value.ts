/** What a flow's task is given: sources resolved, `$from`s replaced. Pure: the results are an argument. */

import type { Source } from "./flow.ts";
import type { State } from "./states.ts";

/** How a task has ended. `result` is its value when it succeeded. */
export interface Ended {
  state: State;
  result: unknown;
  /** Why it did not succeed. */
  error?: unknown;
}

/** What is known of the ends of the tasks that a source names. */
export interface Known {
  ended: ReadonlyMap<string, Ended>;
  /** What `onError` is passed. */
  failure: unknown;
}

/** The ids of all tasks that a source names. */
export function taskIdsOf(source: Source): string[] {
  if (typeof source === "string") return [source];
  if ("list" in source) return source.list.flatMap(taskIdsOf);
  if ("object" in source) return Object.values(source.object).flatMap(taskIdsOf);
  return "orNull" in source ? [...taskIdsOf(source.orNull), ...(source.if ?? [])] : [];
}

export function valueOf(source: Source, known: Known): unknown {
  if (typeof source === "string") return known.ended.get(source)?.result ?? null;
  if ("list" in source) return source.list.map((each) => valueOf(each, known));
  if ("object" in source) {
    return Object.fromEntries(Object.entries(source.object).map(([name, each]) => [name, valueOf(each, known)]));
  }
  if ("orNull" in source) {
    const all = [source.orNull, ...(source.if ?? [])].every((each) => hasSucceeded(each, known));
    return all ? valueOf(source.orNull, known) : null;
  }
  return "failure" in source ? known.failure : source.value;
}

/** Whether everything in a source has a result. What is ignored further inside is no failure of the whole. */
function hasSucceeded(source: Source, known: Known): boolean {
  if (typeof source === "string") return known.ended.get(source)?.state === "succeeded";
  if ("list" in source) return source.list.every((each) => hasSucceeded(each, known));
  if ("object" in source) return Object.values(source.object).every((each) => hasSucceeded(each, known));
  return true;
}

/** A `$from` that points at nothing. */
export class DanglingReferenceError extends Error {
  override readonly name = "DanglingReferenceError";
}

/** The input with every `$from` replaced. Throws {@link DanglingReferenceError} where a path leads nowhere. */
export function fillIn(input: unknown, sources: Record<string, unknown>): unknown {
  if (Array.isArray(input)) return input.map((item) => fillIn(item, sources));
  if (typeof input !== "object" || input === null) return input;
  if ("$from" in input) {
    const { $from: name, path = "" } = input as { $from: string; path?: string };
    return at(sources[name], path, name);
  }
  return Object.fromEntries(Object.entries(input).map(([name, value]) => [name, fillIn(value, sources)]));
}

/** RFC 6901. */
function at(value: unknown, path: string, name: string): unknown {
  let here = value;
  for (const segment of path.split("/").slice(1)) {
    const key = segment.replaceAll("~1", "/").replaceAll("~0", "~");
    if (typeof here !== "object" || here === null || !Object.hasOwn(here, key)) {
      throw new DanglingReferenceError(`the result of ${JSON.stringify(name)} has nothing at ${path}`);
    }
    here = (here as Record<string, unknown>)[key];
  }
  return here;
}
