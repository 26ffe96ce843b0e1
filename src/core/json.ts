/** Writes what was read from JSON as JSON again. */

import { pointer, type Fault } from "./problems.ts";

/**
 * The value as JSON text. `fault`: the place, below `base`, of a number that would be lost: `1e400` is
 * read as Infinity, which JSON cannot write.
 */
export function writeJson(value: unknown, base: readonly PropertyKey[] = []): { text: string; fault: Fault | null } {
  const text = JSON.stringify(value);
  // Infinity is written as null, so only the few texts with a null are searched.
  const lost = text.includes("null") ? infiniteIn(value) : null;
  const fault = lost && { pointer: pointer([...base, ...lost]), detail: "a number may not be larger than 1.7e308" };
  return { text, fault };
}

function infiniteIn(value: unknown): PropertyKey[] | null {
  if (typeof value === "number") return Number.isFinite(value) ? null : [];
  if (typeof value !== "object" || value === null) return null;
  for (const [name, member] of Object.entries(value)) {
    const found = infiniteIn(member);
    if (found !== null) return [name, ...found];
  }
  return null;
}
