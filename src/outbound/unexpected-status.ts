/** What an unwelcome HTTP answer means for a task: worth another attempt, or final. */

import { NonRetryableError, RetryAfterError } from "../core/errors.ts";
import { retryAfterMs } from "./retry-after.ts";

/** An answer after which another attempt may succeed; the task's retry policy says when. */
export class UnexpectedStatusError extends Error {
  override readonly name = "UnexpectedStatusError";
  readonly data: unknown;
  constructor(message: string, data: unknown) {
    super(message);
    this.data = data;
  }
}

/** Answers that say "not now" rather than "no": timeouts, conflicts of early data, rate limits. */
const TRANSIENT = [408, 425, 429];

/**
 * The error to throw. 5xx, 408, 425 and 429 are retried, exactly when `Retry-After` says where it is
 * given; anything else would be answered the same way again, and fails at once.
 */
export function unexpectedStatus(response: Response, body: string, now: number): Error {
  const { status } = response;
  const location = response.headers.get("location");
  const message = `answered ${status}${location === null ? "" : `, redirecting to ${location}`}`;
  const data = { status, body };
  if (status < 500 && !TRANSIENT.includes(status)) return new NonRetryableError(message, data);
  const delayMs = retryAfterMs(response.headers.get("retry-after"), now);
  return delayMs === null ? new UnexpectedStatusError(message, data) : new RetryAfterError(message, delayMs, data);
}
