/** A part of a file at an address: HTTP range requests (RFC 9110 §14). */

import { NonRetryableError } from "../../../core/errors.ts";
import { fetchGuarded } from "../../../outbound/guarded-fetch.ts";
import type { OutboundPolicy } from "../../../outbound/guard.ts";
import { readBytes, readText } from "../../../outbound/read-body.ts";
import { unexpectedStatus } from "../../../outbound/unexpected-status.ts";

export interface ByteRange {
  /** Of the whole file. */
  total: number;
  bytes: AsyncGenerator<Uint8Array>;
}

/** The bytes from `from` up to, but without, `to`; null where the server does not support range requests. */
export async function fetchRange(
  url: string,
  from: number,
  to: number,
  policy: OutboundPolicy,
  signal: AbortSignal,
): Promise<ByteRange | null> {
  const headers = new Headers({
    accept: "text/csv, */*;q=0.1",
    range: `bytes=${from}-${to - 1}`,
    "user-agent": "lovage",
  });
  const response = await fetchGuarded({
    url,
    method: "GET",
    headers,
    body: null,
    followRedirects: true,
    policy,
    signal,
  });
  if (!response.ok) {
    const { text } = await readText(response, 2_000, signal);
    throw unexpectedStatus(response, text, Date.now());
  }
  const range = /^bytes (\d+)-\d+\/(\d+)$/.exec(response.headers.get("content-range") ?? "");
  if (response.status !== 206 || range === null || response.headers.has("content-encoding")) {
    await response.body?.cancel();
    return null;
  }
  if (Number(range[1]) !== from)
    throw new NonRetryableError(`the server gave another range than bytes ${from}-${to - 1}`);
  return { total: Number(range[2]), bytes: readBytes(response.body, signal) };
}
