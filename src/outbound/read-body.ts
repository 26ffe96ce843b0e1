/** Reads an HTTP body piece by piece, so that an abort ends it at once and no large body is held in memory. */

/** The body's bytes as they come. Stops with the signal's reason when that is aborted, and lets go of the connection. */
export async function* readBytes(
  body: ReadableStream<Uint8Array> | null,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  if (body === null) return;
  const reader = body.getReader();
  const stop = () => {
    // Ends the read that waits; the signal's reason says why.
    reader.cancel(signal.reason).catch(() => {});
  };
  signal.addEventListener("abort", stop, { once: true });
  try {
    for (;;) {
      signal.throwIfAborted();
      const { done, value } = await reader.read();
      signal.throwIfAborted();
      if (done) return;
      yield value;
    }
  } finally {
    signal.removeEventListener("abort", stop);
    stop();
  }
}

/** A body, or its beginning. */
export interface BodyText {
  text: string;
  /** Whether something was cut off. */
  truncated: boolean;
}

/**
 * The body as text, cut at `maxBytes`; what does not fit is not even fetched. As the JSON string
 * that it becomes in a result it takes at most twice that.
 */
export async function readText(response: Response, maxBytes: number, signal: AbortSignal): Promise<BodyText> {
  const kept = new Uint8Array(maxBytes);
  let size = 0;
  let truncated = false;
  for await (const bytes of readBytes(response.body, signal)) {
    const fits = bytes.subarray(0, maxBytes - size);
    kept.set(fits, size);
    size += fits.length;
    truncated = fits.length < bytes.length;
    if (truncated) break;
  }
  const encoding = encodingOf(kept.subarray(0, size), response.headers.get("content-type"));
  for (;;) {
    // Streaming mode leaves out a character that the cut has split; the end of a whole body must show it.
    const text = new TextDecoder(encoding).decode(kept.subarray(0, size), { stream: truncated });
    if (jsonBytes(text) <= maxBytes * 2) return { text, truncated };
    // Control characters take six bytes each in JSON: bodies that are no text shrink until they fit.
    size >>= 1;
    truncated = true;
  }
}

const MARKS = [
  ["utf-8", 0xef, 0xbb, 0xbf],
  ["utf-16be", 0xfe, 0xff],
  ["utf-16le", 0xff, 0xfe],
] as const;

/** The encoding of the bytes, as browsers decide it: by a byte order mark, else by the header's `charset`; UTF-8 where neither is known. */
function encodingOf(bytes: Uint8Array, contentType: string | null): string {
  const mark = MARKS.find(([, ...start]) => start.every((byte, at) => bytes[at] === byte));
  if (mark) return mark[0];
  const label = /;\s*charset\s*=\s*"?([^\s;"]+)/i.exec(contentType ?? "")?.[1];
  if (label === undefined) return "utf-8";
  try {
    return new TextDecoder(label).encoding;
  } catch {
    return "utf-8";
  }
}

function jsonBytes(text: string): number {
  return new TextEncoder().encode(JSON.stringify(text)).length;
}
