/** Sources of CSV, as pieces of text: the text of a submission, or an address that is streamed. */

import { NonRetryableError } from "../../../core/errors.ts";
import { fetchGuarded } from "../../../outbound/guarded-fetch.ts";
import type { OutboundPolicy } from "../../../outbound/guard.ts";
import { readBytes, readText } from "../../../outbound/read-body.ts";
import { unexpectedStatus } from "../../../outbound/unexpected-status.ts";
import { Utf8Decoder, type Decoded } from "./decode-utf8.ts";

/** Largest file that is read from an address. */
export const MAX_CSV_BYTES = 104_857_600;

/** Small enough that no piece holds up the isolate, large enough that the number of pieces costs nothing. */
const PIECE = 65_536;

/** Characters of an unexpected answer that the error shows. */
const MAX_EXCERPT = 2_000;

/** A piece of a file, and how much of the file it is, in the unit of the source's total. */
export interface Piece extends Decoded {
  size: number;
}

/** A file as its reader sees it. */
export interface CsvSource {
  /** Null where the server did not say. */
  total: number | null;
  pieces: Iterable<Piece> | AsyncIterable<Piece>;
}

/** A text that is complete; its size is counted in characters. */
export function textSource(csv: string): CsvSource {
  return { total: csv.length, pieces: textPieces(csv) };
}

function* textPieces(csv: string): Generator<Piece> {
  const start = csv.startsWith("\uFEFF") ? 1 : 0;
  for (let at = start; at < csv.length; at += PIECE) {
    const text = csv.slice(at, at + PIECE);
    yield { text, valid: true, size: text.length };
  }
}

/** A file at an address, redirects followed; its size is counted in bytes, and at most 100 MiB are read. */
export async function urlSource(url: string, policy: OutboundPolicy, signal: AbortSignal): Promise<CsvSource> {
  const headers = new Headers({ accept: "text/csv, text/plain;q=0.9, */*;q=0.1", "user-agent": "lovage" });
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
    const { text } = await readText(response, MAX_EXCERPT, signal);
    throw unexpectedStatus(response, text, Date.now());
  }
  const total = contentLength(response.headers);
  if (total !== null && total > MAX_CSV_BYTES) {
    await response.body?.cancel();
    throw new NonRetryableError(`the file has ${total} bytes; at most ${MAX_CSV_BYTES} are read`);
  }
  return { total, pieces: bytePieces(readBytes(response.body, signal)) };
}

/** Null where the body is compressed: the header then counts the compressed bytes. */
function contentLength(headers: Headers): number | null {
  const length = headers.get("content-length");
  return length === null || headers.has("content-encoding") ? null : Number(length);
}

async function* bytePieces(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Piece> {
  const decoder = new Utf8Decoder();
  for await (const chunk of chunks) {
    for (let at = 0; at < chunk.length; at += PIECE) {
      const bytes = chunk.subarray(at, at + PIECE);
      yield { ...decoder.decode(bytes), size: bytes.length };
    }
  }
  if (!decoder.end()) yield { text: "", valid: false, size: 0 };
}
