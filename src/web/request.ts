/** Reads what a request carries, and refuses what is not well formed before anything looks at it. */

import type { Context } from "hono";
import { z } from "zod";
import { MAX_BODY_BYTES, MAX_JSON_DEPTH } from "../core/limits.ts";
import { faults, type Fault } from "../core/problems.ts";
import { refuse } from "./problem.ts";

const JSON_TYPE = /^application\/(json|[a-z0-9.+-]+\+json)\s*(;|$)/i;

const TRACEPARENT = /^[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/;

/** A refused body is read to its end up to here: a client that is still sending would not see the answer. */
const MAX_DISCARDED_BYTES = 16 * MAX_BODY_BYTES;

/** The body as JSON; undefined where there is none at all. */
export async function readJson(c: Context): Promise<unknown> {
  const declared = Number(c.req.header("content-length") ?? 0);
  if (declared > MAX_DISCARDED_BYTES) tooLarge();
  const bytes = await readBounded(c.req.raw.body);
  if (bytes.byteLength === 0) return undefined;
  if (!JSON_TYPE.test(c.req.header("content-type") ?? "")) {
    refuse("unsupported-media-type", "Send the body as application/json.", undefined, { Accept: "application/json" });
  }
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: false }).decode(bytes);
  } catch {
    refuse("invalid-json", "The body is not UTF-8.");
  }
  if (depthOf(text) > MAX_JSON_DEPTH)
    refuse("invalid-json", `The body is nested deeper than ${MAX_JSON_DEPTH} levels.`);
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    refuse("invalid-json", `The body is not JSON: ${(error as Error).message.slice(0, 200)}`);
  }
}

/** A body that a schema describes. */
export function fit<S extends z.ZodType>(schema: S, body: unknown): z.output<S> {
  const parsed = schema.safeParse(body);
  if (!parsed.success) {
    refuse("invalid-body", "The body does not fit the schema.", faults(parsed.error.issues));
  }
  return parsed.data;
}

/** The query's parameters; one that is given more than once is a list. */
export function readQuery<S extends z.ZodType>(c: Context, schema: S): z.output<S> {
  // An object loses it before any schema looks.
  if (new URL(c.req.url).searchParams.has("__proto__")) {
    refuseQuery([{ pointer: "/query/__proto__", detail: "unknown member" }]);
  }
  const query: Record<string, string | string[]> = {};
  for (const [name, values] of Object.entries(c.req.queries())) {
    query[name] = values.length === 1 ? values[0]! : values;
  }
  const parsed = schema.safeParse(query);
  if (!parsed.success) refuseQuery(faults(parsed.error.issues, ["query"]));
  return parsed.data;
}

function refuseQuery(found: Fault[]): never {
  refuse("invalid-query", "A query parameter is unknown or has a bad value.", found);
}

/** A query parameter that is a number; the document shows it as one. */
export function wholeNumber(min: number, max: number) {
  return z
    .string()
    .regex(/^\d{1,15}$/, "a whole number")
    .transform(Number)
    .refine((value) => value >= min && value <= max, `${min} to ${max}`)
    .meta({ type: "integer", minimum: min, maximum: max });
}

/** The caller's trace, where the header is one: https://www.w3.org/TR/trace-context/ */
export function traceparentOf(c: Context): string | null {
  const header = c.req.header("traceparent");
  return header !== undefined && TRACEPARENT.test(header) ? header : null;
}

/** Seconds that the caller prefers to wait (RFC 7240); 0 where none are given. */
export function preferredWait(c: Context): number {
  const wait = /(?:^|[,;\s])wait\s*=\s*"?(\d{1,6})"?/i.exec(c.req.header("prefer") ?? "")?.[1];
  return wait === undefined ? 0 : Math.min(60, Number(wait));
}

async function readBounded(body: ReadableStream<Uint8Array> | null): Promise<Uint8Array> {
  if (body === null) return new Uint8Array();
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.byteLength;
    if (size > MAX_DISCARDED_BYTES) break;
    if (size <= MAX_BODY_BYTES) chunks.push(chunk);
  }
  if (size > MAX_BODY_BYTES) tooLarge();
  if (chunks.length === 1) return chunks[0]!;
  const whole = new Uint8Array(size);
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.byteLength;
  }
  return whole;
}

function tooLarge(): never {
  refuse("payload-too-large", `A body may be ${MAX_BODY_BYTES} bytes long.`);
}

/** How deep brackets nest outside of strings, without parsing: a parser may run out of stack first. */
function depthOf(text: string): number {
  let depth = 0;
  let deepest = 0;
  let inString = false;
  for (let i = 0; i < text.length; i++) {
    const char = text.charCodeAt(i);
    if (inString) {
      if (char === 92) i++;
      else if (char === 34) inString = false;
    } else if (char === 34) inString = true;
    else if (char === 91 || char === 123) deepest = Math.max(deepest, ++depth);
    else if (char === 93 || char === 125) depth--;
  }
  return deepest;
}
