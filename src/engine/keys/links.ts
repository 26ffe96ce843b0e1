/**
 * Capability links: an address that carries a signed, expiring token (JWT, RFC 7519) for one task and
 * one use, made for browsers. The link gives its holder the right, and nothing more.
 */

import { decode, sign, verify } from "hono/jwt";
import { addressOf } from "../../contract/addresses.ts";
import type { TaskResource } from "../../contract/task.ts";
import type { LinkKey } from "../../core/link-keys.ts";
import { DEPLOYMENT } from "../../results/keys.ts";
import { signingKey, verifyingKey } from "./link-keys.ts";

/** `read` is for the task and its events, `cancel` for cancelling it, `signal` for sending it one signal, once. */
const LINK_USES = ["read", "cancel", "signal"] as const;

export type LinkUse = (typeof LINK_USES)[number];

/** What made a link: the key of this id, the service's own key ({@link DEPLOYMENT}), or no key ({@link SYSTEM}). It ends with that key. */
export interface LinkMaker {
  keyId: string;
  /** In ms since the epoch. */
  expiresAt: number | null;
}

/** The service itself: routes that are open without a key (`app/routes.ts`), and tasks that ask for a callback address. */
export const SYSTEM = "system";

export interface Link {
  /** Identifies the link. */
  id: string;
  taskId: string;
  tenant: string;
  use: LinkUse;
  /** The id of the key that has made it, {@link DEPLOYMENT} or {@link SYSTEM}. */
  maker: string;
  /** When it ends, in ms since the epoch. */
  expiresAt: number;
  /** The signal that a `signal` link may send, once; null for other uses. */
  signal: string | null;
}

/** Seconds that links are valid by default, and at most. */
export const LINK_TTL = { default: 3_600, max: 86_400 } as const;

/** Which of a task's links get a token. `read` is for `self` and `events`. */
export interface LinkRights {
  read: boolean;
  cancel: boolean;
}

/** The task with a token in those of its links that `rights` allow. */
export async function signLinks(
  env: Env,
  maker: LinkMaker,
  tenant: string,
  task: TaskResource,
  ttlSeconds: number,
  rights: LinkRights,
): Promise<TaskResource> {
  const now = Date.now();
  const key = await signingKey(env, now);
  // A token's time is in whole seconds; rounded down, a token for one second could expire at once.
  const last = maker.expiresAt === null ? Infinity : Math.ceil(maker.expiresAt / 1_000);
  const exp = Math.min(Math.ceil(now / 1_000) + ttlSeconds, last);
  const by = await nameOf(env, key, maker.keyId);
  const make = (use: LinkUse) =>
    signToken({ sub: task.id, ten: tenant, use, by, jti: crypto.randomUUID(), exp }, key).then(
      (token) => `?token=${token}`,
    );
  const [read, cancel] = await Promise.all([rights.read ? make("read") : "", rights.cancel ? make("cancel") : ""]);
  const { links } = task;
  return { ...task, links: { self: links.self + read, events: links.events + read, cancel: links.cancel + cancel } };
}

/**
 * The address at which this signal may be sent to the task without a key, once, until `expiresAt` (ms since
 * the epoch). Absolute where `PUBLIC_URL` is set. No key has made it, so it does not end with a key.
 */
export async function signCallback(
  env: Env,
  task: { id: string; tenant: string },
  name: string,
  expiresAt: number,
): Promise<string> {
  const key = await signingKey(env, Date.now());
  const exp = Math.ceil(expiresAt / 1_000);
  const claims = { sub: task.id, ten: task.tenant, use: "signal", name, by: SYSTEM, jti: crypto.randomUUID(), exp };
  const path = addressOf(`/v1/tasks/${task.id}/signals/${encodeURIComponent(name)}`);
  return `${(env.PUBLIC_URL ?? "").replace(/\/+$/, "")}${path}?token=${await signToken(claims, key)}`;
}

/** The link of a token; null where the token is expired, altered or not of this service. Does not check whether its maker has ended. */
export async function openLink(env: Env, token: string): Promise<Link | null> {
  const key = await keyOf(env, token);
  if (key === undefined) return null;
  try {
    const { sub, ten, use, name, by, jti, exp } = await verify(token, jwkOf(key), ALGORITHM);
    const known = LINK_USES.find((each) => each === use);
    if (typeof sub !== "string" || typeof ten !== "string" || typeof by !== "string") return null;
    if (typeof jti !== "string" || typeof exp !== "number" || known === undefined) return null;
    if ((known === "signal") !== (typeof name === "string")) return null;
    const maker = by.startsWith(`${DEPLOYMENT}:`) ? DEPLOYMENT : by;
    // The service's own key was replaced.
    if (maker === DEPLOYMENT && by !== (await nameOf(env, key, DEPLOYMENT))) return null;
    const signal = typeof name === "string" ? name : null;
    return { id: jti, taskId: sub, tenant: ten, use: known, maker, expiresAt: exp * 1_000, signal };
  } catch {
    return null;
  }
}

const ALGORITHM = "HS256";

function jwkOf({ id, secret }: LinkKey) {
  const k = new TextEncoder().encode(secret).toBase64({ alphabet: "base64url", omitPadding: true });
  return { kty: "oct", k, alg: ALGORITHM, kid: id };
}

function signToken(claims: Record<string, unknown>, key: LinkKey): Promise<string> {
  return sign(claims, jwkOf(key), ALGORITHM);
}

/** The key with which a token says it is signed; undefined where there is no such key. */
async function keyOf(env: Env, token: string): Promise<LinkKey | undefined> {
  let id: unknown;
  try {
    id = (decode(token).header as { kid?: unknown }).kid;
  } catch {
    return undefined;
  }
  return verifyingKey(env, id, Date.now());
}

/**
 * The name of a maker in a token. That of the service's own key is a digest, so that it changes with the key; it reveals
 * nothing without the signing key.
 */
async function nameOf(env: Env, { secret }: LinkKey, maker: string): Promise<string> {
  if (maker !== DEPLOYMENT) return maker;
  const encoder = new TextEncoder();
  const hmac = { name: "HMAC", hash: "SHA-256" };
  const key = await crypto.subtle.importKey("raw", encoder.encode(secret), hmac, false, ["sign"]);
  const digest = await crypto.subtle.sign("HMAC", key, encoder.encode(`lovage-deployment-key:${env.API_KEY ?? ""}`));
  return `${DEPLOYMENT}:${new Uint8Array(digest).slice(0, 12).toHex()}`;
}
