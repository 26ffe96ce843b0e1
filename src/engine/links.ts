/**
 * Capability links: an address that carries a signed, expiring token (JWT, RFC 7519) for one task and
 * one use, made for browsers. Whoever has the link has the right, and nothing more.
 */

import { sign, verify } from "hono/jwt";
import type { TaskResource } from "../contract/task.ts";

/** `read` is for the task and its events, `cancel` for cancelling it, `signal` for sending it one signal, once. */
const LINK_USES = ["read", "cancel", "signal"] as const;

export type LinkUse = (typeof LINK_USES)[number];

export interface Link {
  taskId: string;
  tenant: string;
  use: LinkUse;
  /** Of a `signal` link: which signal, and the name of the link itself, good for one use. */
  signal: { name: string; linkId: string } | null;
}

/** Seconds that links are valid where nobody says otherwise, and at most. */
export const LINK_TTL = { default: 3_600, max: 86_400 } as const;

/** The task with a token in each of its links. Unchanged where no key is configured to sign with. */
export async function signLinks(
  env: Env,
  tenant: string,
  task: TaskResource,
  ttlSeconds: number,
): Promise<TaskResource> {
  const key = signingKey(env);
  if (key === null) return task;
  // A token's time is whole seconds; cut short, one for a second could be over at once.
  const exp = Math.ceil(Date.now() / 1000) + ttlSeconds;
  const make = (use: LinkUse) => sign({ sub: task.id, ten: tenant, use, exp }, key, "HS256");
  const [read, cancel] = await Promise.all([make("read"), make("cancel")]);
  const { self, events, cancel: cancelPath } = task.links;
  return {
    ...task,
    links: {
      self: `${self}?token=${read}`,
      events: `${events}?token=${read}`,
      cancel: `${cancelPath}?token=${cancel}`,
    },
  };
}

/**
 * The address at which somebody without a key may send the task this signal, once, until `expiresAt`
 * (ms since the epoch). Absolute where `PUBLIC_URL` says where the service is. Null where no key is
 * configured to sign with.
 */
export async function signCallback(
  env: Env,
  task: { id: string; tenant: string },
  name: string,
  expiresAt: number,
): Promise<string | null> {
  const key = signingKey(env);
  if (key === null) return null;
  const exp = Math.ceil(expiresAt / 1000);
  const claims = { sub: task.id, ten: task.tenant, use: "signal", name, jti: crypto.randomUUID(), exp };
  const path = `/v1/tasks/${task.id}/signals/${encodeURIComponent(name)}`;
  return `${(env.PUBLIC_URL ?? "").replace(/\/+$/, "")}${path}?token=${await sign(claims, key, "HS256")}`;
}

/** What a token allows; null where it is expired, altered or none of ours. */
export async function openLink(env: Env, token: string): Promise<Link | null> {
  const key = signingKey(env);
  if (key === null) return null;
  try {
    const { sub, ten, use, name, jti } = await verify(token, key, "HS256");
    const known = LINK_USES.find((each) => each === use);
    if (typeof sub !== "string" || typeof ten !== "string" || known === undefined) return null;
    const signal = typeof name === "string" && typeof jti === "string" ? { name, linkId: jti } : null;
    return known === "signal" && signal === null ? null : { taskId: sub, tenant: ten, use: known, signal };
  } catch {
    return null;
  }
}

/** Apart from the bootstrap key itself, so that a token can never pass for a use of the key. */
function signingKey(env: Env): string | null {
  return env.API_KEY ? `lovage-links:${env.API_KEY}` : null;
}
