/**
 * Sources as they are stored. What only one task takes stands in that task's row; what several take stands once in the
 * flow's row, and they name it by its number. So a flow takes as much room as its graph, however often a value is taken.
 */

import type { PlannedTask, Source } from "./flow.ts";

/**
 * What a source that several take is named by. A list of its number, where a source has a list of its items: a
 * release that does not know this fails on it, and does not pass null.
 */
export interface Shared {
  list: { shared: number };
}

/** A source, of which parts may stand in the flow's row. */
export type StoredSource =
  | string
  | { list: StoredSource[] }
  | { object: Record<string, StoredSource> }
  | { orNull: StoredSource; if?: string[] }
  | { value: unknown }
  | { failure: true }
  | Shared;

/** The sources of these tasks as they are stored, and those that stand in the flow's row by their numbers. */
export class Sharing {
  readonly shared: StoredSource[] = [];
  readonly #takers = new Map<Source, number>();
  readonly #numbers = new Map<Source, number>();

  constructor(tasks: readonly PlannedTask[]) {
    for (const { passed, from } of tasks) {
      if (passed !== null) this.#count(passed);
      for (const source of Object.values(from)) this.#count(source);
    }
  }

  #count(source: Source): void {
    if (isSmall(source)) return;
    const before = this.#takers.get(source) ?? 0;
    this.#takers.set(source, before + 1);
    if (before === 0) for (const part of partsOf(source)) this.#count(part);
  }

  stored(source: Source): StoredSource {
    if (isSmall(source) || (this.#takers.get(source) ?? 0) < 2) return this.#written(source);
    const known = this.#numbers.get(source);
    if (known !== undefined) return { list: { shared: known } };
    const number = this.shared.push(source) - 1;
    this.#numbers.set(source, number);
    this.shared[number] = this.#written(source);
    return { list: { shared: number } };
  }

  #written(source: Source): StoredSource {
    if (typeof source === "string") return source;
    if ("list" in source) return { list: source.list.map((each) => this.stored(each)) };
    if ("orNull" in source) return { ...source, orNull: this.stored(source.orNull) };
    if (!("object" in source)) return source;
    const members = Object.entries(source.object).map(([name, each]) => [name, this.stored(each)]);
    return { object: Object.fromEntries(members) as Record<string, StoredSource> };
  }
}

/** No longer than its number would be. */
function isSmall(source: Source): boolean {
  if (typeof source === "string" || "value" in source || "failure" in source) return true;
  if ("list" in source) return source.list.length === 0;
  return "orNull" in source && typeof source.orNull === "string" && source.if === undefined;
}

function partsOf(source: Source): Source[] {
  if (typeof source === "string") return [];
  if ("list" in source) return source.list;
  if ("object" in source) return Object.values(source.object);
  return "orNull" in source ? [source.orNull] : [];
}

/** How many items, members and ids a source has when it stands where it is taken. */
export function sizeOf(source: Source, known: Map<Source, number>): number {
  if (isSmall(source)) return 1;
  const before = known.get(source);
  if (before !== undefined) return before;
  const own = typeof source === "object" && "if" in source ? (source.if?.length ?? 0) : 0;
  const size = partsOf(source).reduce((sum, part) => sum + sizeOf(part, known), 1 + own);
  known.set(source, size);
  return size;
}

export function isShared(source: StoredSource): source is Shared {
  return typeof source === "object" && "list" in source && !Array.isArray(source.list);
}

/** The numbers that a stored source names. */
export function numbersIn(source: StoredSource): number[] {
  if (typeof source === "string") return [];
  if (isShared(source)) return [source.list.shared];
  if ("list" in source) return source.list.flatMap(numbersIn);
  if ("object" in source) return Object.values(source.object).flatMap(numbersIn);
  return "orNull" in source ? numbersIn(source.orNull) : [];
}

/** The source that was stored, where `shared` holds all that it names. What it names several times is one object. */
export function restored(source: StoredSource, shared: ReadonlyMap<number, StoredSource>): Source {
  const known = new Map<number, Source>();
  const restore = (stored: StoredSource): Source => {
    if (typeof stored === "string") return stored;
    if (isShared(stored)) {
      const number = stored.list.shared;
      const before = known.get(number);
      if (before !== undefined) return before;
      const there = shared.get(number);
      if (there === undefined) throw new Error(`the flow has no source ${number}`);
      const source = restore(there);
      known.set(number, source);
      return source;
    }
    if ("list" in stored) return { list: stored.list.map(restore) };
    if ("orNull" in stored) return { ...stored, orNull: restore(stored.orNull) };
    if (!("object" in stored)) return stored;
    return { object: Object.fromEntries(Object.entries(stored.object).map(([name, each]) => [name, restore(each)])) };
  };
  return restore(source);
}
