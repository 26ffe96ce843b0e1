/** Builds the input of a flow's task: resolves its sources and replaces its `$from`s. Pure: the results are an argument. */

import type { Source } from "./flow.ts";
import { MAX_PAYLOAD_BYTES } from "../bounds.ts";
import type { State } from "../states.ts";

/** How a task has ended. `result` is its value when it succeeded. */
export interface Ended {
  state: State;
  result: unknown;
  /** Why it did not succeed. */
  error?: unknown;
  /** What is secret in the result, and what it is bound to. */
  sealed?: { tenant: string; task: string; text: string; sealed: string };
}

/** The ends of the tasks that a source names. A task that is missing from `ended` was removed. */
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

/** A result is needed and is gone, because its task was removed. An error and not null: null would mean an ignored failure. */
export class ValueGoneError extends Error {
  override readonly name = "ValueGoneError";
  readonly data: { taskIds: string[] };
  constructor(taskIds: string[], what = `the result of ${taskIds.join(", ")} is gone: its task was removed`) {
    super(what);
    this.data = { taskIds };
  }
}

/** The value of a source. Throws a {@link ValueGoneError} where it names a task that has no result, except for an ignored failure. */
export function valueOf(source: Source, known: Known): unknown {
  if (typeof source === "string") return resultOf(source, known);
  if ("list" in source) return source.list.map((each) => valueOf(each, known));
  if ("object" in source) {
    return Object.fromEntries(Object.entries(source.object).map(([name, each]) => [name, valueOf(each, known)]));
  }
  if ("orNull" in source) {
    // Null stands for a failure, so the end of every task must be known.
    const gone = taskIdsOf(source).filter((id) => !known.ended.has(id));
    if (gone.length > 0) throw new ValueGoneError(gone);
    const all = [source.orNull, ...(source.if ?? [])].every((each) => hasSucceeded(each, known));
    return all ? valueOf(source.orNull, known) : null;
  }
  return "failure" in source ? known.failure : source.value;
}

function resultOf(id: string, { ended }: Known): unknown {
  const end = ended.get(id);
  if (end === undefined) throw new ValueGoneError([id]);
  if (end.state !== "succeeded") throw new ValueGoneError([id], `${id} is ${end.state}, so it has no result`);
  return end.result;
}

/** Whether everything in a source has a result. A failure that is ignored inside it does not count. */
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

/** An input that is too large once its `$from`s are replaced, or that takes too many bytes from its flow to be built. */
export class InputTooLargeError extends Error {
  override readonly name = "InputTooLargeError";

  constructor(what = "the input, once what it takes from its flow is filled in,", most = MAX_PAYLOAD_BYTES) {
    super(`${what} is more than ${most} bytes long. Take less of it by a path, or store it elsewhere and pass where`);
  }
}

/** The input with every `$from` replaced. Throws {@link DanglingReferenceError} where a path leads nowhere. */
export function fillIn(input: unknown, sources: Record<string, unknown>): unknown {
  return fillWith(input, (name, path) => at(sources[name], path, name));
}

/**
 * As {@link fillIn}, with `take` giving the value of a reference; it is called once for each name and path. Throws
 * {@link InputTooLargeError} as soon as what was taken is too large to be an input.
 */
export function fillWith(input: unknown, take: (name: string, path: string) => unknown): unknown {
  const taken = new Map<string, { value: unknown; bytes: number }>();
  let room = MAX_PAYLOAD_BYTES;
  const replace = (name: string, path: string): unknown => {
    const key = `${name} ${path}`;
    const known = taken.get(key) ?? measured(take(name, path));
    taken.set(key, known);
    room -= known.bytes;
    if (room < 0) throw new InputTooLargeError();
    return known.value;
  };
  const fill = (value: unknown): unknown => {
    if (typeof value !== "object" || value === null) return value;
    if (Array.isArray(value)) return value.map(fill);
    if ("$from" in value) {
      const { $from: name, path = "" } = value as { $from: string; path?: string };
      return replace(name, path);
    }
    return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, fill(member)]));
  };
  const filled = fill(input);
  demandRoom(filled);
  return filled;
}

/** Throws {@link InputTooLargeError} for what is too large to be an input. */
export function demandRoom(value: unknown): void {
  if (measured(value).bytes > MAX_PAYLOAD_BYTES) throw new InputTooLargeError();
}

function measured(value: unknown): { value: unknown; bytes: number } {
  const text = (JSON.stringify(value) as string | undefined) ?? "";
  // A character is at most three bytes, so a short text is small enough without being encoded.
  const bytes = text.length * 3 <= MAX_PAYLOAD_BYTES ? text.length : new TextEncoder().encode(text).length;
  return { value, bytes };
}

/** Follows a path into a source as far as the source's structure goes. `rest` is the path that remains, for its value. */
export function narrowed(source: Source, path: string): { source: Source; rest: string } {
  const segments = path.split("/").slice(1);
  let here = source;
  while (segments.length > 0 && typeof here === "object") {
    const key = unescaped(segments[0]!);
    const part: Source | undefined =
      "list" in here
        ? here.list[indexIn(here.list, key) ?? -1]
        : "object" in here && Object.hasOwn(here.object, key)
          ? here.object[key]
          : undefined;
    if (part === undefined) break;
    here = part;
    segments.shift();
  }
  return { source: here, rest: segments.map((segment) => `/${segment}`).join("") };
}

/** What is at a path (RFC 6901) of the value called `name`. Throws {@link DanglingReferenceError} where there is nothing. */
export function at(value: unknown, path: string, name: string, whole = path): unknown {
  let here = value;
  for (const segment of path.split("/").slice(1)) {
    const key = unescaped(segment);
    const found =
      typeof here === "object" &&
      here !== null &&
      (Array.isArray(here) ? indexIn(here, key) !== null : Object.hasOwn(here, key));
    if (!found) throw new DanglingReferenceError(`the result of ${JSON.stringify(name)} has nothing at ${whole}`);
    here = (here as Record<string, unknown>)[key];
  }
  return here;
}

function unescaped(segment: string): string {
  return segment.replaceAll("~1", "/").replaceAll("~0", "~");
}

/** The place in a list that a reference token names: digits without a leading zero (RFC 6901 §4); null where it has none. */
function indexIn(list: readonly unknown[], token: string): number | null {
  return /^(0|[1-9]\d{0,15})$/.test(token) && Number(token) < list.length ? Number(token) : null;
}
