/** Reads a request's query and headers, and refuses what is not well formed before anything looks at it. */

import type { Context } from "hono";
import { z } from "zod";
import { faults, type Fault } from "../core/problems.ts";
import { refuse } from "./problem.ts";

/** Of any version but ff: later ones may say more after these four fields. */
const TRACEPARENT =
  /^(?!ff)(?<version>[0-9a-f]{2})-(?<ids>(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16})-(?<flags>[0-9a-f]{2})(?<more>-.*)?$/;

/** The longest that a caller may wait, in seconds. */
const MAX_WAIT_S = 60;

/** The query's parameters; one that is given more than once is a list. */
export function readQuery<S extends z.ZodType>(c: Context, schema: S): z.output<S> {
  const parsed = schema.safeParse(c.req.url.includes("?") ? parametersOf(c) : {});
  if (!parsed.success) refuseQuery(faults(parsed.error.issues, ["query"]));
  return parsed.data;
}

function parametersOf(c: Context): Record<string, string | string[]> {
  // An object loses it before any schema looks.
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

/** Commas between values are refused with the way that works. */
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

/** The caller's trace in the version that we speak, where the header is one: https://www.w3.org/TR/trace-context/ */
export function traceparentOf(c: Context): string | null {
  const fields = TRACEPARENT.exec(c.req.header("traceparent") ?? "")?.groups;
  if (fields === undefined) return null;
  const { version, ids, flags, more } = fields;
  if (version === "00") return more === undefined ? `00-${ids}-${flags}` : null;
  // All that is known of a later version's flags is whether it is sampled.
  return `00-${ids}-0${Number.parseInt(flags!, 16) & 1}`;
}

/** Seconds that the caller prefers to wait (RFC 7240); null where none are given. */
export function preferredWait(c: Context): number | null {
  const given = /(?:^|[,;\s])wait\s*=\s*("[^"]*"|[^\s,;]*)/i.exec(c.req.header("prefer") ?? "")?.[1] ?? "";
  // What is no number of seconds is no such preference.
  const seconds = /^("?)(\d+)\1$/.exec(given)?.[2];
  if (seconds === undefined) return null;
  return Math.min(MAX_WAIT_S, Number(seconds));
}

/** Says in the answer that so many seconds were granted, where any were asked for. */
export function confirmWait(c: Context, wait: number | null): void {
  if (wait !== null) c.header("Preference-Applied", `wait=${wait}`);
}
