/** Authenticates callers: bearer keys (RFC 6750), or a capability token in the address. */

import { SCOPES, type Scope } from "../contract/scope.ts";
import type { Actor } from "../engine/audit.ts";
import type { KeyMaker } from "../engine/keys/create.ts";
import { findKey, findKeyById } from "../engine/keys/find.ts";
import { formOf } from "../engine/keys/text.ts";
import { MIN_SECRET_LENGTH } from "../engine/keys/link-keys.ts";
import { openLink, SYSTEM, type Link, type LinkUse } from "../engine/keys/links.ts";
import { DEPLOYMENT, type StoredKey } from "../results/keys.ts";
import type { AppContext } from "./app-context.ts";
import { refuse } from "./problem.ts";
import { countRequest } from "./rate-limit.ts";

/** `keyId`: the caller's key, or the key that created the link; {@link DEPLOYMENT} for the service's own key, {@link SYSTEM} for none. */
export interface Principal extends KeyMaker {
  tenant: string;
  scopes: ReadonlySet<Scope>;
  /** The service's own key may name any tenant, and only it may change what belongs to the deployment. */
  isServiceKey: boolean;
  /** The caller uses a capability link, which opens one task and cannot create further links. */
  isLink: boolean;
  /** The id of the link. */
  linkId?: string;
}

/** The anonymous caller of operations that need no key. */
export const NOBODY: Principal = {
  keyId: SYSTEM,
  tenant: "",
  scopes: new Set(),
  isServiceKey: false,
  isLink: false,
  expiresAt: null,
  rateOf: null,
};

/** Longest text of an IP address: IPv6 with an IPv4 part. */
const MAX_ADDRESS = 45;

/** The tenant of the service's own key. */
const DEFAULT_TENANT = "default";

const SERVICE_KEY: Principal = {
  ...NOBODY,
  keyId: DEPLOYMENT,
  tenant: DEFAULT_TENANT,
  scopes: new Set(SCOPES),
  isServiceKey: true,
};

/** An address on this machine, as the runtime writes it: parsing it for each request would cost more than all other checks of the key. */
const LOOPBACK = /^https?:\/\/(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])(?::\d+)?(?:[/?#]|$)/;

/** The caller of this request; throws 401 where its key is missing or unknown. */
export async function authenticate(c: AppContext): Promise<Principal> {
  const header = c.req.header("authorization");
  const key = header === undefined ? undefined : /^Bearer +([A-Za-z0-9._~+/=-]+) *$/i.exec(header)?.[1];
  if (key === undefined) unauthorized("Send Authorization: Bearer <key>.");
  const { API_KEY } = c.env;
  const isGuessable = isTooShort(c);
  if (API_KEY && !isGuessable && (await isDeployments(c.env, key))) return SERVICE_KEY;
  const known = await findKey(c.env, key, Date.now());
  if (known === null && isGuessable) {
    const detail = `API_KEY has fewer than ${MIN_SECRET_LENGTH} characters, so it is refused everywhere but on this machine itself. Set a longer one: \`npx wrangler secret put API_KEY\`.`;
    refuse("misconfigured", detail);
  }
  if (known === null) unauthorized(whyNot(key, c), ', error="invalid_token"');
  await count(c, known);
  return ofKey(known);
}

/** Whether the service's own key is too short. It is then refused everywhere but on loopback, because it could be guessed. */
function isTooShort({ env, req }: AppContext): boolean {
  if (!env.API_KEY || env.API_KEY.length >= MIN_SECRET_LENGTH) return false;
  return !LOOPBACK.test(req.url);
}

function whyNot(key: string, { env, req }: AppContext): string {
  if (!env.API_KEY && LOOPBACK.test(req.url)) {
    return "This key is unknown, and there is no API_KEY: `npm start` writes one to .dev.vars, or write a line API_KEY=… there yourself.";
  }
  return formOf(key) === "mistyped"
    ? "This key is mistyped or cut off: its checksum does not fit."
    : "This key is unknown, expired or revoked.";
}

function ofKey(key: StoredKey): Principal {
  const { id, tenant, scopes, expiresAt } = key;
  return { ...NOBODY, keyId: id, tenant, scopes: new Set(scopes), expiresAt, rateOf: rateOf(key) };
}

function rateOf({ id, rateLimited, rateOf: shared }: StoredKey): string | null {
  return rateLimited ? (shared ?? id) : null;
}

async function count(c: AppContext, key: StoredKey): Promise<void> {
  const counted = rateOf(key);
  if (counted !== null) await countRequest(c.env, counted);
}

/** The caller's IP address: what the local runtime says of its socket (address and port), or the header that the platform sets. */
function addressOf({ req }: AppContext): string | null {
  const local = req.raw.cf?.["clientIp"];
  if (typeof local !== "string") return req.header("cf-connecting-ip") ?? null;
  return local.replace(/:\d+$/, "").replace(/^\[(.*)\]$/, "$1");
}

/** The caller as the audit log names it. */
export function actorOf(c: AppContext, { keyId, isLink, linkId }: Principal): Actor {
  const ip = addressOf(c)?.slice(0, MAX_ADDRESS) ?? null;
  return isLink ? { kind: "link", id: linkId ?? null, ip } : { kind: "key", id: keyId, ip };
}

/** Throws 403 where the key has neither this scope nor `admin`. */
export function demand(principal: Principal, scope: Scope): void {
  if (may(principal, scope)) return;
  refuse("forbidden", `This needs a key with the scope ${scope}.`, undefined, {
    "WWW-Authenticate": `Bearer error="insufficient_scope", scope="${scope}"`,
  });
}

/** Whether the caller has this scope, by itself or with `admin`. */
export function may({ scopes }: Principal, scope: Scope): boolean {
  return scopes.has(scope) || scopes.has("admin");
}

/** Throws 403 where this is not the service's own key. */
export function demandDeployment(principal: Principal): void {
  if (principal.isServiceKey) return;
  refuse("forbidden", "This is the deployment's, not a tenant's: only the service's own key (`API_KEY`) may do it.");
}

/** The caller of an operation on one task, with a capability link for this use, if there is one, or with a key. */
export async function authenticateFor(
  c: AppContext,
  taskId: string,
  use: LinkUse | undefined,
  scope: Scope,
): Promise<Principal> {
  const token = c.req.query("token");
  if (token === undefined) {
    const principal = await authenticate(c);
    demand(principal, scope);
    return principal;
  }
  const link = await openLink(c.env, token);
  if (link === null) unauthorized("The token is expired or was altered.", ', error="invalid_token"');
  const maker = await makerOf(c, link);
  if (link.taskId !== taskId || link.use !== use) {
    refuse("forbidden", "This token was made for another task or another use.");
  }
  if (link.signal !== null && link.signal !== c.req.param("name")) {
    refuse("forbidden", "This token was made for another signal.");
  }
  const { tenant, id: linkId, expiresAt } = link;
  return { ...maker, tenant, scopes: new Set([scope]), isServiceKey: false, isLink: true, linkId, expiresAt };
}

/** The key that created the link, if it is still valid; the link's requests count towards that key's rate limit. */
async function makerOf(c: AppContext, { maker }: Link): Promise<Principal> {
  if (maker === SYSTEM) return NOBODY;
  if (maker === DEPLOYMENT) return SERVICE_KEY;
  const known = await findKeyById(c.env, maker, Date.now());
  if (known === null) unauthorized("The key that made this link is expired or revoked.", ', error="invalid_token"');
  await count(c, known);
  return ofKey(known);
}

/** Whether the key or link of an authenticated caller is still valid. */
export async function isStillValid(env: Env, { keyId, expiresAt }: Principal, now: number): Promise<boolean> {
  if (expiresAt !== null && expiresAt <= now) return false;
  return keyId === DEPLOYMENT || keyId === SYSTEM || (await findKeyById(env, keyId, now)) !== null;
}

function unauthorized(detail: string, challenge = ""): never {
  refuse("unauthorized", detail, undefined, { "WWW-Authenticate": `Bearer realm="lovage"${challenge}` });
}

/** Cached digests of the service's own key: the environment of an isolate does not change. */
const ownDigests = new WeakMap<Env, ArrayBuffer>();

/** The service's own key once it was shown, in a set: a look into it compares hashes first, so its time reveals nothing of the key. */
const shownKeys = new WeakMap<Env, ReadonlySet<string>>();

/** Compares digests, so that the time of the comparison reveals neither the key nor its length. */
async function isDeployments(env: Env, key: string): Promise<boolean> {
  if (shownKeys.get(env)?.has(key)) return true;
  const shown = await digestOf(key);
  const own = ownDigests.get(env) ?? (await digestOf(env.API_KEY!));
  ownDigests.set(env, own);
  const isOwn = crypto.subtle.timingSafeEqual(shown, own);
  if (isOwn) shownKeys.set(env, new Set([key]));
  return isOwn;
}

const encoder = new TextEncoder();

function digestOf(text: string): Promise<ArrayBuffer> {
  return crypto.subtle.digest("SHA-256", encoder.encode(text));
}
