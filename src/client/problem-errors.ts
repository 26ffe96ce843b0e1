/** The service's refusals as errors: one class for all problems, and subclasses for those that a caller handles in different ways. */

import type { ProblemName, ProblemResource } from "../contract/problem.ts";

/** A problem that the service answered (RFC 9457). */
export class LovageProblem extends Error {
  /** The problem's name, such as `"invalid-input"`; its page is `/problems/{name}` of the service. */
  override readonly name: ProblemName | (string & {});
  readonly status: number;
  readonly title: string;
  readonly detail: string;
  /** Where the request is wrong: JSON pointers into its body, or `/query/{name}`. */
  readonly errors: readonly { pointer: string; detail: string }[];
  /** How long the service asks the client to wait, in ms; null where it does not say. */
  readonly retryAfterMs: number | null;
  /** The id of the request in the service's logs. */
  readonly requestId: string | null;

  constructor(problem: ProblemResource, retryAfterMs: number | null = null, requestId: string | null = null) {
    const { errors = [] } = problem;
    const where = errors.slice(0, 3).map((fault) => ` ${fault.pointer}: ${fault.detail}.`);
    super(problem.detail + where.join(""));
    this.name = problem.type.slice(problem.type.lastIndexOf("/") + 1);
    this.status = problem.status;
    this.title = problem.title;
    this.detail = problem.detail;
    this.errors = errors;
    this.retryAfterMs = retryAfterMs;
    this.requestId = requestId;
  }
}

/** 401: there is no key, or one that is unknown, expired or revoked. */
export class UnauthorizedError extends LovageProblem {}

/** 404 or 410: it does not exist, belongs to another tenant, or is past its retention. */
export class NotFoundError extends LovageProblem {}

/** 409: the state of the task or flow does not allow what was asked. */
export class ConflictError extends LovageProblem {}

/** 422: the input, or another part of the body, does not fit its schema. */
export class InvalidInputError extends LovageProblem {}

/** 429: too many requests, or too many tasks that have not ended. */
export class RateLimitedError extends LovageProblem {}

/** No answer came, or only a part of one. `cause` is what `fetch` threw. */
export class ConnectionError extends Error {
  override readonly name = "ConnectionError";
}

const CLASSES: Record<number, typeof LovageProblem> = {
  401: UnauthorizedError,
  404: NotFoundError,
  409: ConflictError,
  410: NotFoundError,
  422: InvalidInputError,
  429: RateLimitedError,
};

/** The error for a problem as it stands in a body. */
export function problemOf(problem: ProblemResource, headers?: Headers): LovageProblem {
  const Problem = CLASSES[problem.status] ?? LovageProblem;
  return new Problem(problem, retryAfterMs(headers?.get("retry-after")), headers?.get("request-id"));
}

/** The error for an answer that is no success, also for one of a proxy. */
export async function problemIn(response: Response): Promise<LovageProblem> {
  const text = await response.text().catch(() => "");
  let body: Partial<ProblemResource> = {};
  try {
    body = JSON.parse(text) as typeof body;
  } catch {
    // A proxy answered, not the service.
  }
  const { status } = response;
  const title = body.title ?? `The answer was ${status}`;
  const known = { type: `http-${status}`, detail: `${title} ${response.statusText}`.trim(), ...body, title, status };
  return problemOf(known, response.headers);
}

/** RFC 9110 §10.2.3: seconds, or an HTTP date. */
function retryAfterMs(header: string | null | undefined): number | null {
  if (!header) return null;
  const ms = /^\d+$/.test(header) ? Number(header) * 1_000 : Date.parse(header) - Date.now();
  return Number.isNaN(ms) ? null : Math.max(0, ms);
}
