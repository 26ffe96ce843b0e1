/**
 * The numbers that bound the system, each with its reason. Times are milliseconds, sizes bytes.
 */

/**
 * How long a claim holds without a heartbeat. The clock looks twice at a lease that ran out, so work that a crash cut off
 * goes on within 20 s. `core/lease.ts` has the leases of older attempts.
 */
export const LEASE_MS = 17_000;

/** How long a handler has to end by itself after its signal was aborted. */
export const CANCEL_GRACE_MS = 5_000;

/**
 * How long after its bell (a queue message with its id) the clock looks at a queued task again. A claim that follows at once has
 * a lease until then, so that one timer serves both and a plain task never moves it.
 */
export const BELL_MS = LEASE_MS;

/** How often the clock looks at a task that waits in a paused lane; opening the lane wakes it. */
export const HELD_LOOK_MS = 3_600_000;

/** The lease of a claim may end this much before the row's timer without moving the timer. */
export const TIMER_SLACK_MS = 500;

/**
 * How long after its turn under a rate the clock looks at a task. The worker that knows the turn starts the task in time; the
 * clock covers for a worker that has died.
 */
export const TURN_GRACE_MS = 1_000;

/** A task that was cut off this often is not started again: it probably brings its worker down. */
export const MAX_CRASHES = 3;

/** Undoing that was cut short this often is given up. More than {@link MAX_CRASHES}, because a step that is not undone stays done. */
export const MAX_UNDO_CRASHES = 10;

/** Attempts kept in a task's history; older ones are dropped from its middle. */
export const MAX_HISTORY = 50;

/** Inputs and results up to here are stored; larger is refused. */
export const MAX_PAYLOAD_BYTES = 1_048_576;

/** A request's body may be this long. */
export const MAX_BODY_BYTES = 1_048_576;

/**
 * Payloads up to here live in the task's row; longer ones in a row of their own. Keeps a set-based
 * statement's one JSON parameter, and a row with both payloads, below D1's 2 MB
 * (https://developers.cloudflare.com/d1/platform/limits/).
 */
export const INLINE_PAYLOAD_BYTES = 16_384;

/** The secret fields of one input, or of one result, with their paths: they are stored in the row, sealed. */
export const MAX_SECRET_BYTES = 16_384;

/** The JSON parameter of one set-based statement; D1 refuses a value above 2 MB. */
export const MAX_PARAM_BYTES = 900_000;

/** Nesting of a request's JSON: SQLite's own parser stops at 1,000, and what is stored of a flow nests a little deeper than its body. */
export const MAX_JSON_DEPTH = 500;

/** Submissions in one batch request. */
export const MAX_BATCH = 1_000;

/** The most inputs of one handler call: so many payloads of {@link INLINE_PAYLOAD_BYTES} fit into one answer of D1 and one call. */
export const MAX_BATCH_SIZE = 500;

/**
 * The most characters of all results of one call: an invocation may send 32 MiB to another, and a character may take two bytes.
 */
export const MAX_BATCH_RESULT_LENGTH = 12_000_000;

/** The longest that a task may wait for its batch to fill. */
export const MAX_BATCH_WAIT_MS = 86_400_000;

/** Messages in one `sendBatch` call (https://developers.cloudflare.com/queues/platform/limits/). */
export const BELLS_PER_SEND = 100;

/**
 * Hard limit of an attempt where the task names none, and the longest that runs in a consumer's event: what such an
 * event leaves in `waitUntil` is cut off 30 s after its handler has returned
 * (https://developers.cloudflare.com/workers/platform/limits/#duration).
 */
export const DEFAULT_TIMEOUT_MS = 25_000;

/** How long an attempt and the commit of its end may take in a consumer's event: the platform's 30 s, less a margin. */
export const EVENT_MS = 28_500;

/** Longest attempt: an object's alarm handler, in which such attempts run, is cut off after 15 minutes. */
export const MAX_TIMEOUT_MS = 14 * 60_000;

/** Attempts of a task whose definition gives no number. */
export const DEFAULT_MAX_ATTEMPTS = 3;

export const MAX_ATTEMPTS = 100;

/** How long an ended task is kept unless its definition or its submission says otherwise. */
export const DEFAULT_RETENTION_MS = 7 * 86_400_000;

export const MIN_RETENTION_MS = 1_000;

export const MAX_RETENTION_MS = 365 * 86_400_000;

/** How far ahead a task may be scheduled, and the longest of any duration given. */
export const MAX_HORIZON_MS = 10 * 365 * 86_400_000;

/** How long an idempotency key answers for its first request. */
export const IDEMPOTENCY_MS = 24 * 3_600_000;

/** How long a task's events are kept after its end. */
export const EVENTS_KEPT_MS = 3_600_000;

/** The lanes that exist out of the box; each is a queue of its own in wrangler.toml. */
export const LANES = ["high", "default", "bulk", "long"] as const;

export type Lane = (typeof LANES)[number];

/** Returns `value` if it is from `min` to `max`; otherwise throws a `RangeError` that names `what`. */
export type Between = (what: string, value: number, min: number, max: number) => number;

/** A task whose name the running code does not know is tried again after this. */
export const UNKNOWN_TASK_MS = 10_000;

/** Such a task fails after this many attempts: about an hour, in which a deployment may bring its code. */
export const UNKNOWN_TASK_TRIES = 360;

/** A year, the longest a task may sleep. */
export const MAX_SLEEP_MS = 366 * 86_400_000;
