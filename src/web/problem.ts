/** The one place that renders problems: RFC 9457, `application/problem+json`. */

import { log } from "../core/log.ts";
import type { Context } from "hono";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import { presentProblem } from "../contract/problem.ts";
import { SealError } from "../engine/sealing/seal.ts";
import type { ProblemName } from "../core/problem-kinds.ts";
import { ProblemError, problem, type Fault, type Problem } from "../core/problems.ts";
import { SchemaError } from "../results/trouble.ts";
import { requestIdOf } from "./request-id.ts";

/** Throws a problem from anywhere below a route. */
export function refuse(name: ProblemName, detail: string, errors?: Fault[], headers?: Record<string, string>): never {
  throw new ProblemError(problem(name, detail, errors), headers);
}

export function renderProblem(c: Context, given: Problem, headers: Record<string, string> = {}): Response {
  const body = presentProblem(given);
  return c.body(JSON.stringify(body), body.status as ContentfulStatusCode, headersOf(given, headers));
}

/** The response for a problem that is found before routing. */
export function problemResponse(given: Problem): Response {
  const body = presentProblem(given);
  return new Response(JSON.stringify(body), { status: body.status, headers: headersOf(given) });
}

function headersOf(given: Problem, headers: Record<string, string> = {}): Record<string, string> {
  return {
    "Content-Type": "application/problem+json",
    ...(given.retryAfter === undefined ? {} : { "Retry-After": String(given.retryAfter) }),
    ...headers,
  };
}

/** Renders expected refusals. Any other error is a fault of the service: it is logged once, and answered without its details. */
export function renderError(error: unknown, c: Context): Response {
  if (error instanceof SealError) {
    return renderProblem(c, problem("seal-key-missing", `What is sealed cannot be opened here: ${error.message}.`));
  }
  if (error instanceof ProblemError) return renderProblem(c, error.problem, error.headers);
  log("request_failed", {
    requestId: requestIdOf(c.req.raw),
    method: c.req.method,
    path: new URL(c.req.url).pathname,
    error: error instanceof Error ? (error.stack ?? error.message) : String(error),
  });
  if (error instanceof SchemaError) return renderProblem(c, problem("migrations-missing", howToMigrate(error.missing)));
  return renderProblem(c, problem("internal", "Something went wrong on our side. It was logged."));
}

/** What is missing in the database, and the commands that bring it. */
export function howToMigrate(missing: string): string {
  return `The database has ${missing}. Apply the migrations: \`npm start\` and \`npm run deploy\` do, and so does \`npx wrangler d1 migrations apply DB --local\` (\`--remote\` for a deployment; LOVAGE_DB where the project has a DB of its own).`;
}
