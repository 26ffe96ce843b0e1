/** Reads a request's body as JSON, and refuses a body that is not JSON. */

import type { Context } from "hono";
import type { z } from "zod";
import { check } from "../core/check.ts";
import { lossesIn, outlineOf, type Loss } from "../core/json-text.ts";
import { MAX_BODY_BYTES, MAX_JSON_DEPTH } from "../core/bounds.ts";
import { faults } from "../core/problems.ts";
import { refuse } from "./problem.ts";

const JSON_TYPE = /^application\/(json|[a-z0-9.+-]+\+json)\s*(;|$)/i;

/** A body that is too large is read and discarded up to this size: a client that is still sending would not see the answer. */
const MAX_DISCARDED_BYTES = 16 * MAX_BODY_BYTES;

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: false });

/** A body as JSON, and what was lost when it was read. */
export interface Read {
  value: unknown;
  losses: Loss[];
}

/** The body as JSON; undefined where there is no body. */
export async function readJson(c: Context): Promise<Read> {
  const bytes = await readBytes(c);
  if (bytes.byteLength === 0) return { value: undefined, losses: [] };
  if (!JSON_TYPE.test(c.req.header("content-type") ?? "")) {
    refuse("unsupported-media-type", "Send the body as application/json.", undefined, { Accept: "application/json" });
  }
  const coding = c.req.header("content-encoding") ?? "identity";
  if (coding.toLowerCase() !== "identity") {
    const detail = `Send the body as it is: the Content-Encoding ${JSON.stringify(coding)} is not read here.`;
    refuse("unsupported-media-type", detail, undefined, { "Accept-Encoding": "identity" });
  }
  let text: string;
  try {
    text = decoder.decode(bytes);
  } catch {
    refuse("invalid-json", "The body is not UTF-8.");
  }
  const outline = outlineOf(text);
  const { deepest, open } = outline;
  if (deepest > MAX_JSON_DEPTH) {
    const detail = `nested deeper than ${MAX_JSON_DEPTH} levels`;
    if (open !== 0) refuse("invalid-json", `The body does not close what it opens, and is ${detail}.`);
    refuse("invalid-body", `The body is ${detail}.`, [{ pointer: "", detail }]);
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    refuse("invalid-json", `The body is not JSON: ${(error as Error).message.slice(0, 200)}`);
  }
  return { value, losses: lossesIn(text, outline, value) };
}

/** The body as the schema parses it; refuses one that does not fit. */
export function fit<S extends z.ZodType>(schema: S, body: unknown): z.output<S> {
  const parsed = check(schema, body);
  if (!parsed.success) {
    refuse("invalid-body", "The body does not fit the schema.", faults(parsed.issues));
  }
  return parsed.data;
}

/** Reads the body at once where Content-Length is within the limit, because HTTP's framing then lets no more through; else in chunks. */
async function readBytes(c: Context): Promise<Uint8Array> {
  const { body, headers } = c.req.raw;
  const declared = headers.get("content-length");
  if (Number(declared ?? 0) > MAX_DISCARDED_BYTES) tooLarge();
  if (body === null || declared === null || !(Number(declared) <= MAX_BODY_BYTES)) return readBounded(body);
  let bytes: Uint8Array;
  try {
    bytes = new Uint8Array(await c.req.raw.arrayBuffer());
  } catch {
    brokenOff();
  }
  if (bytes.byteLength > MAX_BODY_BYTES) tooLarge();
  return bytes;
}

async function readBounded(body: ReadableStream<Uint8Array> | null): Promise<Uint8Array> {
  if (body === null) return new Uint8Array();
  const chunks: Uint8Array[] = [];
  let size = 0;
  try {
    for await (const chunk of body) {
      size += chunk.byteLength;
      if (size > MAX_DISCARDED_BYTES) break;
      if (size <= MAX_BODY_BYTES) chunks.push(chunk);
    }
  } catch {
    brokenOff();
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

function brokenOff(): never {
  refuse("invalid-json", "The body broke off, or is not framed as its headers say.");
}

function tooLarge(): never {
  refuse("payload-too-large", `A body may be ${MAX_BODY_BYTES} bytes long.`);
}
