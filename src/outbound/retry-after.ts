/** The Retry-After header (RFC 9110 §10.2.3): seconds, or an HTTP date. */

/** The longest wait, whatever the server asks for: a day. */
const MAX_DELAY_MS = 86_400_000;

const HTTP_DATE = /^[A-Z][a-z]{2,8},? /;

/** Milliseconds to wait, at most a day; null where the header is missing, unreadable, zero or in the past. */
export function retryAfterMs(header: string | null, now: number): number | null {
  const text = header?.trim() ?? "";
  let ms = Number.NaN;
  if (/^\d+$/.test(text)) ms = Number(text) * 1_000;
  else if (HTTP_DATE.test(text)) ms = Date.parse(text) - now;
  return ms > 0 ? Math.min(ms, MAX_DELAY_MS) : null;
}
