/** What is different between two JSON values, as lines of text. Pure. */

import { diffLines } from "diff";

export interface DiffLine {
  kind: "same" | "gone" | "new" | "fold";
  /** Of a fold, how many lines are the same. */
  text: string;
}

/** Lines that are shown around a difference. */
const CONTEXT = 2;
/** Values that differ in more lines are not compared: that would take seconds. */
const MOST_CHANGES = 400;

/** The lines of both values, with members in the order of their names; null where too much differs, empty where nothing does. */
export function jsonDiff(before: unknown, after: unknown): DiffLine[] | null {
  const parts = diffLines(linesOf(before), linesOf(after), { maxEditLength: MOST_CHANGES });
  if (parts === undefined) return null;
  if (!parts.some(({ added, removed }) => added || removed)) return [];
  return parts.flatMap(({ value, added, removed }, i) => {
    const lines = value.replace(/\n$/, "").split("\n");
    const kind = added ? "new" : removed ? "gone" : "same";
    return kind === "same"
      ? folded(lines, i === 0, i === parts.length - 1)
      : lines.map((text) => ({ kind, text }) as const);
  });
}

/** Whether nothing but the order of members is different. */
export function isSame(a: unknown, b: unknown): boolean {
  return linesOf(a) === linesOf(b);
}

function folded(lines: readonly string[], isFirst: boolean, isLast: boolean): DiffLine[] {
  const head = isFirst ? 0 : CONTEXT;
  const tail = isLast ? 0 : CONTEXT;
  const same = (shown: readonly string[]) => shown.map((text) => ({ kind: "same", text }) as const);
  if (lines.length <= head + tail + 1) return same(lines);
  const fold = { kind: "fold", text: String(lines.length - head - tail) } as const;
  return [...same(lines.slice(0, head)), fold, ...same(lines.slice(lines.length - tail))];
}

function linesOf(value: unknown): string {
  return `${JSON.stringify(sorted(value), null, 2) ?? ""}\n`;
}

/** The same value with the members of its objects by their names, so that their order is no difference. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  const members = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(members.map(([name, each]) => [name, sorted(each)]));
}
