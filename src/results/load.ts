/**
 * What this isolate knows of D1's load. While D1 is overloaded or silent, a caller who waits for an answer is refused
 * without a call, so that the load falls; one call at a time is let through to find out whether D1 answers again.
 */

/** Between two probes: doubled with each that fails, up to the longest. */
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 8_000;

/** Zero while D1 answers. */
let pauseMs = 0;
let refusesUntil = 0;

/** When D1 last failed, and when the latest call was sent that it has answered. */
let failedAt = 0;
let answeredAt = 0;

/** Whether a call for a waiting caller may be sent now. */
export function mayAsk(now: number): boolean {
  if (pauseMs === 0) return true;
  if (now < refusesUntil) return false;
  // This call is the probe: the others are refused until it has an answer.
  refusesUntil = now + pauseMs;
  return true;
}

/** D1 was overloaded or silent when asked at `sentAt`. Answers whether that is news. */
export function noteOverload(sentAt: number, now: number): boolean {
  // A later call was answered, or this one failed together with a call that is noted already.
  if (sentAt < answeredAt || sentAt < failedAt) return false;
  const isNews = pauseMs === 0;
  pauseMs = Math.min(pauseMs * 2 || FIRST_PAUSE_MS, LONGEST_PAUSE_MS);
  refusesUntil = now + pauseMs * (0.5 + Math.random() / 2);
  failedAt = now;
  return isNews;
}

/** D1 has answered a call that was sent at `sentAt`. */
export function noteAnswer(sentAt: number): void {
  answeredAt = Math.max(answeredAt, sentAt);
  if (sentAt >= failedAt) pauseMs = refusesUntil = 0;
}
