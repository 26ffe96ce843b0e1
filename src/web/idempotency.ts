/** The Idempotency-Key header: https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/ */

import type { RequestKey } from "../engine/request-key.ts";
import { macs } from "../engine/sealing/seal.ts";
import { findTask } from "../engine/registry.ts";
import type { AppContext } from "./app-context.ts";
import type { Principal } from "./principal.ts";
import { refuse } from "./problem.ts";

const VISIBLE = /^[\x21-\x7e]{1,255}$/;

/** The request's idempotency key, null where it has none; 400 where the header is invalid. */
export async function requestKey(
  c: AppContext,
  { tenant, keyId }: Principal,
  body: unknown,
): Promise<RequestKey | null> {
  const header = c.req.header("idempotency-key");
  if (header === undefined) return null;
  const key = /^"(.*)"$/.exec(header)?.[1] ?? header;
  if (!VISIBLE.test(key)) {
    refuse("invalid-idempotency-key", "Use 1 to 255 visible ASCII characters, such as a UUID.");
  }
  let isSecret = false;
  const text = `${new URL(c.req.url).pathname}\n${JSON.stringify(body, (name, value: unknown) => {
    isSecret ||= name === "secret" || (name === "task" && typeof value === "string" && hasSecrets(value, c.env));
    return inOrder(value);
  })}`;
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  const plain = new Uint8Array(digest).toBase64();
  // From a plain hash, a reader of the database could guess a short secret.
  const [fingerprint = plain, ...older] = isSecret ? await macs(c.env, text) : [];
  const olderFingerprints = fingerprint === plain ? [] : [...older, plain];
  return { tenant, key, fingerprint, olderFingerprints, madeBy: keyId };
}

function hasSecrets(task: string, env: Env): boolean {
  const definition = findTask(task, env);
  return definition !== undefined && definition.secret !== null && definition.secret.input.length > 0;
}

/** Sorts the members: JSON gives them no order, so a client may send them in another one when it repeats the request. */
function inOrder(value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1)));
}
