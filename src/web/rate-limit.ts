/**
 * The rate limit on the requests of keys that were created with one. The platform counts per location and
 * approximately: https://developers.cloudflare.com/workers/runtime-apis/bindings/rate-limit/
 */

import { refuse } from "./problem.ts";

/** The same numbers as KEY_LIMIT in wrangler.toml, because the binding does not expose them. */
const POLICY = { requests: 100, seconds: 10 } as const;

/** Counts a request of this key; 429 where it was one too many. */
export async function countRequest(env: Env, keyId: string): Promise<void> {
  if (env.KEY_LIMIT === undefined) return;
  const { success } = await env.KEY_LIMIT.limit({ key: keyId });
  if (success) return;
  const { requests, seconds } = POLICY;
  // https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/
  refuse("rate-limited", `This key may make ${requests} requests in ${seconds} seconds.`, undefined, {
    "Retry-After": String(seconds),
    "RateLimit-Policy": `"key";q=${requests};w=${seconds}`,
    RateLimit: `"key";r=0;t=${seconds}`,
  });
}
