/** The headers that every answer has, whichever route made it. */

import { getPath } from "hono/utils/url";
import { hostProblem } from "./host.ts";
import { problemResponse } from "./problem.ts";
import { requestIdOf } from "./request-id.ts";

const POLICY = [
  "default-src 'self'",
  "img-src 'self' data:",
  "frame-ancestors 'none'",
  "base-uri 'none'",
  "form-action 'self'",
  "object-src 'none'",
];

/** Headers that a browser's script may read. */
export const EXPOSED = [
  "Location",
  "Retry-After",
  "ETag",
  "Link",
  "Preference-Applied",
  "Idempotency-Replayed",
  "RateLimit",
  "RateLimit-Policy",
  "Request-Id",
];

/** Headers with one value on every answer. They replace those that a route has set. */
const FIXED: readonly (readonly [name: string, value: string])[] = [
  ["Content-Security-Policy", POLICY.join("; ")],
  ["Cross-Origin-Resource-Policy", "cross-origin"],
  ["Cross-Origin-Opener-Policy", "same-origin"],
  ["Origin-Agent-Cluster", "?1"],
  ["Referrer-Policy", "no-referrer"],
  ["Strict-Transport-Security", "max-age=15552000; includeSubDomains"],
  ["X-Content-Type-Options", "nosniff"],
  ["X-DNS-Prefetch-Control", "off"],
  ["X-Download-Options", "noopen"],
  ["X-Frame-Options", "DENY"],
  ["X-Permitted-Cross-Domain-Policies", "none"],
  ["X-XSS-Protection", "0"],
  ["Access-Control-Expose-Headers", EXPOSED.join(",")],
];

/** An app that answers requests. */
export interface Answering {
  fetch(request: Request, env: Env, ctx: ExecutionContext): Response | Promise<Response>;
}

/**
 * The same app with the common headers on every answer. They are written once onto the finished answer, because each
 * middleware would build the answer again.
 */
export function withCommonHeaders(app: Answering) {
  return {
    async fetch(request: Request, env: Env, ctx: ExecutionContext): Promise<Response> {
      const refused = hostProblem(request.url, env);
      const answer = refused === null ? await app.fetch(request, env, ctx) : problemResponse(refused);
      return finished(request, env, answer);
    },
  };
}

function finished(request: Request, env: Env, given: Response): Response {
  const answer = changeable(given);
  const { headers } = answer;
  for (const [name, value] of FIXED) headers.set(name, value);
  headers.set("Request-Id", requestIdOf(request));
  // The answer to `OPTIONS` already has this header.
  if (request.method !== "OPTIONS") headers.append("Vary", "Origin");
  const origin = request.headers.get("origin");
  if (origin !== null && allowedOrigins(env).includes(origin)) headers.set("Access-Control-Allow-Origin", origin);
  // Answers that need a key or a link must not be cached.
  if (isUnderV1(request) && !headers.has("Cache-Control")) headers.set("Cache-Control", "no-store");
  return answer;
}

/** An answer with headers that can be changed: those of a `Response` that a route got from `fetch` cannot. */
function changeable(answer: Response): Response {
  try {
    answer.headers.delete("X-Powered-By");
    return answer;
  } catch {
    return new Response(answer.body, answer);
  }
}

function isUnderV1(request: Request): boolean {
  const path = getPath(request);
  return path.startsWith("/v1/") || path === "/v1";
}

/** Origins whose scripts may call. */
export function allowedOrigins(env: Env): string[] {
  return (env.ALLOW_ORIGINS ?? "")
    .split(",")
    .map((origin) => origin.trim())
    .filter(Boolean);
}
