/** Entity tags: RFC 9110 §8.8.3. */

import { textOf } from "./answer-json.ts";

/** A tag of the value's JSON. */
export async function etagOf(value: unknown): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(textOf(value)));
  return `"${new Uint8Array(digest, 0, 12).toBase64({ alphabet: "base64url" })}"`;
}

/** Whether an `If-None-Match` header names this tag. */
export function matches(header: string | undefined, etag: string): boolean {
  if (header === undefined) return false;
  return header.split(",").some((candidate) => ["*", etag, `W/${etag}`].includes(candidate.trim()));
}
