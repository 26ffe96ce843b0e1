/**
 * Everything that can be wrong with a request, by name. The name is part of the contract: it is the
 * last segment of the problem's `type` (RFC 9457) and has a page of its own under `/problems/`.
 */

/** What is said of a problem: at once (`title`), and on its page. */
interface Explained {
  status: number;
  title: string;
  meaning: string;
  remedy: string;
}

export const PROBLEMS = {
  "invalid-request": {
    status: 400,
    title: "The request is not well formed",
    meaning: "A header of the request has a value that the operation cannot read.",
    remedy: "The detail names the header and what it may hold. Correct it and send the request again.",
  },
  "invalid-json": {
    status: 400,
    title: "The body is not JSON",
    meaning: "The body broke off, or could not be read as JSON in UTF-8.",
    remedy: "The detail says where reading stopped. Let a JSON library write the body instead of joining text.",
  },
  "invalid-query": {
    status: 400,
    title: "A query parameter is unknown or has a bad value",
    meaning: "Parameters that are not known are refused, so that a typing error never passes silently.",
    remedy: "Each entry of errors points at a parameter, /query/<name>, and says what it may be.",
  },
  "invalid-cursor": {
    status: 400,
    title: "The cursor is not one that this list gave out",
    meaning: "A cursor is opaque: it holds for the list that gave it out and cannot be made up.",
    remedy:
      "Pass on nextCursor, or follow the Link header, exactly as it was given. Start without a cursor for the first page.",
  },
  "invalid-idempotency-key": {
    status: 400,
    title: "The Idempotency-Key header is empty, too long or not visible ASCII",
    meaning:
      "The key names a request, so that repeating the request makes nothing twice. This one cannot be used as a name.",
    remedy: "Send 1 to 255 visible ASCII characters, such as a UUID that you made for this request.",
  },
  unauthorized: {
    status: 401,
    title: "A valid key or token is needed",
    meaning:
      "The request carries no key, or one that is mistyped, unknown, expired or revoked; or a link whose token has expired or was altered, or whose maker's key has ended.",
    remedy: "Send Authorization: Bearer <key>. An admin makes keys with POST /v1/keys.",
  },
  forbidden: {
    status: 403,
    title: "The key does not allow this",
    meaning:
      "The key is known and lacks the scope that this operation needs, or is not the deployment's own where that is needed; or the link was made for another task or another use.",
    remedy: "Use a key with the scope that the detail names. An admin makes one with POST /v1/keys.",
  },
  "not-found": {
    status: 404,
    title: "Nothing is here",
    meaning:
      "There is nothing at this address, or nothing that belongs to the tenant of this key. The answer is the same for both on purpose.",
    remedy:
      "Check the id, and that the key belongs to the tenant that made it. What has passed its retention is gone too.",
  },
  "unknown-task": {
    status: 404,
    title: "No task has this name",
    meaning: "The deployment has no task of the name that was submitted.",
    remedy:
      "The names are in /openapi.json, each with the schema of its input. A task has to be deployed before it can be submitted.",
  },
  "method-not-allowed": {
    status: 405,
    title: "This address does not take this method",
    meaning: "This address exists, but does not take this method.",
    remedy: "The Allow header lists the methods that it takes.",
  },
  "not-acceptable": {
    status: 406,
    title: "None of the accepted media types can be given",
    meaning: "The Accept header leaves out every form that this answer can have.",
    remedy: "Accept application/json, or leave the header out.",
  },
  conflict: {
    status: 409,
    title: "The task's state does not allow this",
    meaning:
      "What was asked for does not go with how the task stands: what has ended is not cancelled, and what has not ended is not run again or removed.",
    remedy: "Read the task. Its state may have changed since you last saw it.",
  },
  "webhook-conflict": {
    status: 409,
    title: "The webhook does not allow this",
    meaning:
      "A paused webhook replays nothing, the default one is neither changed nor removed nor tested, and a tenant has only so many.",
    remedy:
      "The detail says which of these it is. Resume a paused webhook with PATCH, or remove one that is no longer needed.",
  },
  "schedule-conflict": {
    status: 409,
    title: "The schedule does not allow this",
    meaning: "The schedule is declared in the deployment's code, which alone changes and removes it.",
    remedy: "Change src/app/schedules.ts and deploy. Such a schedule can be paused, resumed and run over the API.",
  },
  gone: {
    status: 410,
    title: "Removed, by hand or after its retention",
    meaning: "The task existed and was removed, by hand or because its retention is over.",
    remedy: "Nothing brings it back. Submit with a longer options.retention where results are to be kept longer.",
  },
  "payload-too-large": {
    status: 413,
    title: "The body is too large",
    meaning: "A request's body, and a task's input, may be 1 MiB long.",
    remedy: "Store large data elsewhere and submit its address.",
  },
  misdirected: {
    status: 421,
    title: "The service does not answer under this name",
    meaning:
      "A service on one's own machine answers only to loopback's names, so that no page of the web can reach it by a name of its own (DNS rebinding).",
    remedy: "Call it as http://127.0.0.1 or http://localhost, or start it with --allow-host and the name.",
  },
  "unsupported-media-type": {
    status: 415,
    title: "The body must be application/json, not compressed",
    meaning:
      "The Content-Type header says that the body is something other than JSON, or is missing; or the Content-Encoding header says that it is compressed.",
    remedy: "Send Content-Type: application/json, and the body as it is.",
  },
  "invalid-body": {
    status: 422,
    title: "The body does not fit the schema",
    meaning:
      "The body is JSON and does not fit what the operation takes, or is nested too deeply. Nothing was stored. Unknown members are refused, so that a typing error never passes silently.",
    remedy:
      "Each entry of errors points into the body (RFC 6901) and says what is wrong there. The schema is in /openapi.json.",
  },
  "invalid-input": {
    status: 422,
    title: "The input does not fit the task's schema",
    meaning: "The submission is well formed and its input is not one that this task takes. Nothing was stored.",
    remedy:
      "Each entry of errors points into the body and says what is wrong there. The task's input schema is in /openapi.json.",
  },
  "idempotency-key-reused": {
    status: 422,
    title: "The Idempotency-Key was used with another body",
    meaning:
      "A key names one request for 24 hours. The same key came again with another body, which is nearly always a mistake. Nothing was stored.",
    remedy: "Use a new key for a new request, and the same key only to repeat one.",
  },
  "rate-limited": {
    status: 429,
    title: "Too many requests",
    meaning: "More requests came than the limit allows within its time.",
    remedy: "Wait for the seconds that Retry-After names. The RateLimit-Policy header tells the limit of a key.",
  },
  "quota-exceeded": {
    status: 429,
    title: "The tenant's quota is reached",
    meaning:
      "The deployment limits how many tasks that have not ended, bytes, signals, schedules and keys one tenant may have. Nothing was stored, except what `changed` counts.",
    remedy:
      "The members `quota`, `used` and `limit` name the quota. Wait until tasks have ended or cancel them, delete ended tasks or let their retention pass, delete schedules, or revoke keys. The limits are the deployment's QUOTAS; GET /v1/stats shows the use of each.",
  },
  internal: {
    status: 500,
    title: "The service has failed",
    meaning: "Something went wrong that should not. It was logged under the id in the Request-Id header.",
    remedy: "Repeating the request is safe with an Idempotency-Key. If it happens again, report the request's id.",
  },
  "lane-draining": {
    status: 503,
    title: "The lane accepts nothing new",
    meaning:
      "The lane is being emptied: it finishes what it has, and new work is refused. Nothing of it was stored. Whatever was accepted before goes on, with its retries, children and flows.",
    remedy:
      "Submit it again after Retry-After, or to another lane (options.lane). An admin ends it with POST /v1/lanes/{name}/resume.",
  },
  misconfigured: {
    status: 503,
    title: "The deployment's configuration is not safe",
    meaning: "A secret of the deployment is too short to withstand guessing, so nothing that rests on it is accepted.",
    remedy: "The owner sets a longer one: the detail says which. Keys that were made with POST /v1/keys go on working.",
  },
  unavailable: {
    status: 503,
    title: "Not stored; try again",
    meaning: "The results backend did not answer in time, or is overloaded. What was accepted earlier is safe.",
    remedy: "Send the request again after Retry-After, with the same Idempotency-Key if it submits something.",
  },
  "migrations-missing": {
    status: 503,
    title: "The database lacks what this release needs",
    meaning: "Migrations of this release were not applied to the database, so that a table or a column is not there.",
    remedy: "The owner applies them: the detail says how. What was accepted earlier is safe.",
  },
  "seal-key-missing": {
    status: 503,
    title: "The deployment has no key to seal secret fields with",
    meaning:
      "The task's definition calls fields of its input secret: they are stored sealed or not at all, and the deployment's SEAL_KEY is missing or cannot be read. Nothing was stored.",
    remedy:
      "The deployment's owner sets the secret SEAL_KEY, <id>:<base64 of 32 random bytes>; npm run deploy makes one where there is none. GET /health says whether it is there.",
  },
  "storage-full": {
    status: 503,
    title: "The database is nearly full",
    meaning:
      "Nothing new is stored while the database is nearly full. What was accepted goes on, and can be read, cancelled and deleted; tasks past their retention are removed, and so make room.",
    remedy:
      "Send the request again after Retry-After. If this lasts, delete ended tasks (POST /v1/tasks/delete), shorten options.retention, or give the deployment a larger database.",
  },
} as const satisfies Record<string, Explained>;

export type ProblemName = keyof typeof PROBLEMS;
