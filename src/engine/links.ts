/**
 * Capability links: an address that carries a signed, expiring token (JWT, RFC 7519) for one task and
 * one use, made for browsers. Whoever has the link has the right, and nothing more.
 */

import { sign, verify } from "hono/jwt";
import type { TaskResource } from "../contract/task.ts";

/** `read` is for the task and its events, `cancel` for cancelling it. */
export type LinkUse = "read" | "cancel";

export interface Link {
  taskId: string;
  tenant: string;
  use: LinkUse;
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
  const exp = Math.floor(Date.now() / 1000) + ttlSeconds;
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

/** What a token allows; null where it is expired, altered or none of ours. */
export async function openLink(env: Env, token: string): Promise<Link | null> {
  const key = signingKey(env);
  if (key === null) return null;
  try {
    const { sub, ten, use } = await verify(token, key, "HS256");
    if (typeof sub !== "string" || typeof ten !== "string" || (use !== "read" && use !== "cancel")) return null;
    return { taskId: sub, tenant: ten, use };
  } catch {
    return null;
  }
}

/** Apart from the bootstrap key itself, so that a token can never pass for a use of the key. */
function signingKey(env: Env): string | null {
  return env.API_KEY ? `lovage-links:${env.API_KEY}` : null;
}
