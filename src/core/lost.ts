/** What JSON would not keep of a value that a handler gives. Pure. */

import { NonRetryableError } from "./errors.ts";
import { inside, pointerTo, type Path } from "./path.ts";

/** Where the lost part is (RFC 6901), and what it is. */
export interface Lost {
  pointer: string;
  detail: string;
}

/** By the kind of the lost value: what to give instead. */
const MENDS: Readonly<Record<string, string>> = {
  Map: "give Object.fromEntries(map)",
  Set: "give [...set]",
  Promise: "await it",
  Error: "give its message",
  Response: "read it, and give what it holds",
  number: "give null or a text",
};

/** The first part of a value that {@link JSON.stringify} would leave out or change beyond recognition; null where there is none. */
export function lostIn(value: unknown): Lost | null {
  return changesIn(value).lost;
}

/** What {@link lostIn} finds, and where the first date is, which becomes a text; null where there is none. */
function changesIn(value: unknown): { lost: Lost | null; date: string | null } {
  const rest: { value: unknown; at: Path }[] = [{ value, at: null }];
  let date: string | null = null;
  for (let next = rest.pop(); next !== undefined; next = rest.pop()) {
    const { at } = next;
    if (next.value instanceof Date) date ??= pointerTo(at);
    const given = written(next.value);
    const kind = lostKind(given);
    if (kind !== null) return { lost: { pointer: pointerTo(at), detail: detailOf(kind, given) }, date };
    if (typeof given !== "object" || given === null) continue;
    const members: [string | number, unknown][] = Array.isArray(given) ? [...given.entries()] : Object.entries(given);
    for (const [part, member] of members.toReversed()) rest.push({ value: member, at: inside(at, part) });
  }
  return { lost: null, date };
}

/** What {@link lostIn} finds as a sentence about `what`, such as "the result"; null where nothing is lost. */
export function whyLost(what: string, value: unknown): { message: string; lost: Lost } | null {
  const lost = lostIn(value);
  return lost === null ? null : { message: lossOf(what, lost), lost };
}

function lossOf(what: string, { pointer, detail }: Lost): string {
  return `${what} has something${placeOf(pointer)} that JSON does not keep: ${detail}`;
}

function placeOf(pointer: string): string {
  return pointer === "" ? "" : ` at ${pointer}`;
}

/**
 * Throws where a later attempt would not find the value that this step gave. Returns a warning where it holds a date: the
 * step's type says `Date`, and a later attempt reads a text.
 */
export function demandKept(step: string, value: unknown): string | null {
  const { lost, date } = changesIn(value);
  const what = `the value of the step ${JSON.stringify(step)}`;
  if (lost !== null) throw new NonRetryableError(lossOf(what, lost));
  if (date === null) return null;
  return `${what} has a Date${placeOf(date)}, and JSON keeps it as a text, which is what the step results in: give date.toISOString(), or make a Date of the result by new Date(text)`;
}

/** The value as JSON writes it. */
function written(value: unknown): unknown {
  const isDate = value instanceof Date && Number.isNaN(value.getTime());
  if (isDate || typeof value !== "object" || value === null || !("toJSON" in value)) return value;
  return typeof value.toJSON === "function" ? (value.toJSON as () => unknown)() : value;
}

function lostKind(value: unknown): string | null {
  if (typeof value === "number") return Number.isFinite(value) ? null : "number";
  if (typeof value === "function" || typeof value === "symbol") return typeof value;
  if (typeof value !== "object" || value === null || Array.isArray(value)) return null;
  if (value instanceof Error) return "Error";
  if (ArrayBuffer.isView(value)) return value.constructor.name;
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype === null || prototype === Object.prototype || Object.keys(value).length > 0) return null;
  // An object of a class, without members that JSON writes: all that it holds is lost.
  return value.constructor.name;
}

function detailOf(kind: string, value: unknown): string {
  const isNumber = kind === "number";
  const name = isNumber ? String(value) : `${/^[aeio]/i.test(kind) ? "an" : "a"} ${kind}`;
  return `${name}; ${MENDS[kind] ?? "leave it out, or give a text that stands for it"}`;
}
