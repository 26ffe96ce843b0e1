/** The headers that answers carry, as the document describes them. */

/** Headers of some answers. */
const ANSWER_HEADERS = {
  ETag: "Names this state of the task; send it back in `If-None-Match`",
  "Idempotency-Replayed": "`true`: the request was a repetition, and nothing new was made",
  Link: 'The next page: `<…>; rel="next"` (RFC 8288)',
  Location: "Where to read what was made",
  "Preference-Applied": "The wait that was granted (RFC 7240)",
  RateLimit: "What is left, and seconds until there is more",
  "RateLimit-Policy": "The limit, and its seconds",
  "Retry-After": "Seconds until it is worth asking again",
  "WWW-Authenticate": "How to authenticate (RFC 6750)",
} as const;

export type AnswerHeader = keyof typeof ANSWER_HEADERS;

/** Header of every answer. */
const REQUEST_ID = "Names the request in the logs; the caller's own `Request-Id` if that was a valid one";

/** The `headers` of a response object. */
export function headersObject(names: readonly AnswerHeader[]): Record<string, unknown> {
  return Object.fromEntries(["Request-Id", ...names].map((name) => [name, { $ref: `#/components/headers/${name}` }]));
}

/** The `components/headers` of the document. */
export function headerComponents(): Record<string, unknown> {
  const all = { "Request-Id": REQUEST_ID, ...ANSWER_HEADERS };
  return Object.fromEntries(
    Object.entries(all).map(([name, description]) => [name, { description, schema: { type: "string" } }]),
  );
}
