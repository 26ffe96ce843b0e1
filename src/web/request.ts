/** Reads a request's query and headers, and refuses those that are not well formed. */

import type { Context } from "hono";
import { z } from "zod";
import { check } from "../core/check.ts";
import { faults, type Fault } from "../core/problems.ts";
import { refuse } from "./problem.ts";

/** A traceparent of any version but ff; later versions may have more after these four fields. */
const TRACEPARENT =
  /^(?!ff)(?<version>[0-9a-f]{2})-(?<ids>(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16})-(?<flags>[0-9a-f]{2})(?<more>-.*)?$/;

/** The longest that a caller may wait, in seconds. */
const MAX_WAIT_S = 60;

/** The query's parameters; one that is given more than once is a list. */
export function readQuery<S extends z.ZodType>(c: Context, schema: S): z.output<S> {
  const parsed = check(schema, c.req.url.includes("?") ? parametersOf(c) : {});
  if (!parsed.success) refuseQuery(faults(parsed.issues, ["query"]));
  return parsed.data;
}

function parametersOf(c: Context): Record<string, string | string[]> {
  // An object would drop this member before a schema could refuse it.
  if (new URL(c.req.url).searchParams.has("__proto__")) {
    refuseQuery([{ pointer: "/query/__proto__", detail: "unknown member" }]);
  }
  const query: Record<string, string | string[]> = {};
  for (const [name, values] of Object.entries(c.req.queries())) {
    query[name] = values.length === 1 ? values[0]! : values;
  }
  return query;
}

function refuseQuery(found: Fault[]): never {
  refuse("invalid-query", "A query parameter is unknown or has a bad value.", found);
}

/** A query parameter with these values, which may be given more than once. */
export function oneOrMore<const Values extends readonly [string, ...string[]]>(values: Values) {
  const one = z.enum(values);
  return z.union([one.transform((value) => [value]), z.array(one)], { error: ({ input }) => whyNone(input, values) });
}

/** The error text. For values with commas between them it says how to give several. */
function whyNone(input: unknown, values: readonly string[]): string {
  const given = typeof input === "string" ? input.split(",").map((part) => part.trim()) : [];
  if (given.length > 1 && given.every((part) => values.includes(part)))
    return "name the parameter once for each value: state=failed&state=expired";
  return `must be one of ${values.join(", ")}`;
}

/** A query parameter that is a number; the document shows it as one. */
export function wholeNumber(min: number, max: number) {
  return z
    .string()
    .regex(/^\d{1,16}$/, "a whole number")
    .transform(Number)
    .refine((value) => value >= min && value <= max, `${min} to ${max}`)
    .meta({ type: "integer", minimum: min, maximum: max });
}

/** The caller's `traceparent` as version 00; null where the header is missing or invalid: https://www.w3.org/TR/trace-context/ */
export function traceparentOf(c: Context): string | null {
  const fields = TRACEPARENT.exec(c.req.header("traceparent") ?? "")?.groups;
  if (fields === undefined) return null;
  const { version, ids, flags, more } = fields;
  if (version === "00") return more === undefined ? `00-${ids}-${flags}` : null;
  // Of a later version's flags, only the sampled bit has a known meaning.
  return `00-${ids}-0${Number.parseInt(flags!, 16) & 1}`;
}

/** Seconds that the caller prefers to wait (RFC 7240); null where none are given. */
export function preferredWait(c: Context): number | null {
  const given = /(?:^|[,;\s])wait\s*=\s*("[^"]*"|[^\s,;]*)/i.exec(c.req.header("prefer") ?? "")?.[1] ?? "";
  // A value that is no whole number of seconds is ignored.
  const seconds = /^("?)(\d+)\1$/.exec(given)?.[2];
  if (seconds === undefined) return null;
  return Math.min(MAX_WAIT_S, Number(seconds));
}

/** Adds `Preference-Applied` with the granted seconds, where the caller asked for a wait. */
export function confirmWait(c: Context, wait: number | null): void {
  if (wait !== null) c.header("Preference-Applied", `wait=${wait}`);
}
