/**
 * Sources as they are stored. A source that one task takes is stored in that task's row. A source that several tasks take is
 * stored once in the flow's row, and the tasks refer to it by number, so storage does not grow with how often it is taken.
 */

import type { PlannedTask, Source } from "./flow.ts";

/**
 * Refers to a source in the flow's row by its number. `list` holds an object here and an array in any other source, so that a
 * release that does not know this form fails instead of passing null.
 */
export interface Shared {
  list: { shared: number };
}

/** A source; parts of it may be stored in the flow's row. */
export type StoredSource =
  | string
  | { list: StoredSource[] }
  | { object: Record<string, StoredSource> }
  | { orNull: StoredSource; if?: string[] }
  | { value: unknown }
  | { failure: true }
  | Shared;

/** Converts the sources of these tasks to their stored form. `shared`: the sources for the flow's row, each at its number. */
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

/** Whether a source is no longer than a reference to it would be. */
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

/** How many items, members and ids a source has when it is written out in full. */
export function expandedSize(source: Source, known: Map<Source, number>): number {
  if (isSmall(source)) return 1;
  const before = known.get(source);
  if (before !== undefined) return before;
  const own = typeof source === "object" && "if" in source ? (source.if?.length ?? 0) : 0;
  const size = partsOf(source).reduce((sum, part) => sum + expandedSize(part, known), 1 + own);
  known.set(source, size);
  return size;
}

export function isShared(source: StoredSource): source is Shared {
  return typeof source === "object" && "list" in source && !Array.isArray(source.list);
}

/** The numbers of the shared sources that a stored source refers to. */
export function numbersIn(source: StoredSource): number[] {
  if (typeof source === "string") return [];
  if (isShared(source)) return [source.list.shared];
  if ("list" in source) return source.list.flatMap(numbersIn);
  if ("object" in source) return Object.values(source.object).flatMap(numbersIn);
  return "orNull" in source ? numbersIn(source.orNull) : [];
}

/** Restores a source. `shared` holds every source that it refers to; one that it refers to several times becomes one object. */
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
