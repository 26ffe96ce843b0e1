/**
 * Everything that can be wrong with a request, by name. The name is part of the contract: it is the
 * last segment of the problem's `type` (RFC 9457) and has a page of its own under `/problems/`.
 */

export const PROBLEMS = {
  "invalid-request": { status: 400, title: "The request is not well formed" },
  "invalid-json": { status: 400, title: "The body is not JSON" },
  "invalid-query": { status: 400, title: "A query parameter is unknown or has a bad value" },
  "invalid-cursor": { status: 400, title: "The cursor is not one that this list gave out" },
  "invalid-idempotency-key": {
    status: 400,
    title: "The Idempotency-Key header is empty, too long or not visible ASCII",
  },
  unauthorized: { status: 401, title: "A valid key or token is needed" },
  forbidden: { status: 403, title: "The key does not allow this" },
  "not-found": { status: 404, title: "Nothing is here" },
  "unknown-task": { status: 404, title: "No task has this name" },
  "method-not-allowed": { status: 405, title: "This address does not take this method" },
  "not-acceptable": { status: 406, title: "None of the accepted media types can be given" },
  conflict: { status: 409, title: "The task's state does not allow this" },
  gone: { status: 410, title: "It was here, and its retention is over" },
  "payload-too-large": { status: 413, title: "The body is too large" },
  "unsupported-media-type": { status: 415, title: "The body must be application/json" },
  "invalid-body": { status: 422, title: "The body does not fit the schema" },
  "invalid-input": { status: 422, title: "The input does not fit the task's schema" },
  "idempotency-key-reused": { status: 422, title: "The Idempotency-Key was used with another body" },
  "rate-limited": { status: 429, title: "Too many requests" },
  "quota-exceeded": { status: 429, title: "The tenant has too many tasks that have not ended" },
  internal: { status: 500, title: "A fault of ours" },
  unavailable: { status: 503, title: "Not stored; try again" },
} as const satisfies Record<string, { status: number; title: string }>;

export type ProblemName = keyof typeof PROBLEMS;

/** One fault of a request, and where it is (RFC 6901 pointer into the body, `/query/x` for a parameter). */
export interface Fault {
  pointer: string;
  detail: string;
}

/** An expected refusal: what was wrong, where, and what would be right. Rendered as problem+json. */
export interface Problem {
  name: ProblemName;
  detail: string;
  errors?: Fault[];
}

/** Carries a {@link Problem} to the one place that renders it. */
export class ProblemError extends Error {
  readonly problem: Problem;
  /** Headers that the answer must carry, such as `Retry-After`. */
  readonly headers: Record<string, string>;
  constructor(problem: Problem, headers: Record<string, string> = {}) {
    super(problem.detail);
    this.problem = problem;
    this.headers = headers;
  }
}

export function problem(name: ProblemName, detail: string, errors?: Fault[]): Problem {
  return errors && errors.length > 0 ? { name, detail, errors } : { name, detail };
}

/** One segment list as an RFC 6901 pointer. */
export function pointer(path: readonly PropertyKey[]): string {
  return path.map((part) => `/${String(part).replaceAll("~", "~0").replaceAll("/", "~1")}`).join("");
}

interface SchemaIssue {
  code: string;
  path: readonly PropertyKey[];
  message: string;
  keys?: readonly string[];
  errors?: readonly (readonly SchemaIssue[])[];
}

/** A schema's issues as faults below `base`; an unknown member is pointed at by its own name. */
export function faults(issues: readonly SchemaIssue[], base: readonly PropertyKey[] = []): Fault[] {
  return issues.flatMap((issue) => {
    const path = [...base, ...issue.path];
    if (issue.code === "unrecognized_keys" && issue.keys) {
      return issue.keys.map((key) => ({ pointer: pointer([...path, key]), detail: "unknown member" }));
    }
    return [{ pointer: pointer(path), detail: issue.message }];
  });
}
