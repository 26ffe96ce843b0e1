/** Who calls: bearer keys (RFC 6750), or a capability token in the address. */

import { SCOPES, type Scope } from "../contract/scope.ts";
import { findKey } from "../engine/find-key.ts";
import { openLink, type LinkUse } from "../engine/links.ts";
import type { AppContext } from "./operation.ts";
import { refuse } from "./problem.ts";
import { countRequest } from "./rate-limit.ts";

export interface Principal {
  tenant: string;
  scopes: ReadonlySet<Scope>;
  /** The bootstrap key may name any tenant. */
  isBootstrap: boolean;
  /** The caller shows a capability link, which opens one task and makes no further links. */
  isLink: boolean;
  /** Of a link that is good for one use. */
  linkId?: string;
}

/** The tenant of the bootstrap key. */
const DEFAULT_TENANT = "default";

/** Who sent this request; throws 401 where nobody known did. */
export async function authenticate(c: AppContext): Promise<Principal> {
  const header = c.req.header("authorization");
  const key = header === undefined ? undefined : /^Bearer +([A-Za-z0-9._~+/=-]+) *$/i.exec(header)?.[1];
  if (key === undefined) unauthorized("Send Authorization: Bearer <key>.");
  if (c.env.API_KEY && (await isSame(key, c.env.API_KEY))) {
    return { tenant: DEFAULT_TENANT, scopes: new Set(SCOPES), isBootstrap: true, isLink: false };
  }
  const known = await findKey(c.env, key, Date.now());
  if (known === null) unauthorized("This key is unknown, expired or revoked.", ', error="invalid_token"');
  if (known.rateLimited) await countRequest(c.env, known.id);
  return { tenant: known.tenant, scopes: new Set(known.scopes), isBootstrap: false, isLink: false };
}

/** Throws 403 where the key has neither this scope nor `admin`. */
export function demand(principal: Principal, scope: Scope): void {
  if (principal.scopes.has(scope) || principal.scopes.has("admin")) return;
  refuse("forbidden", `This needs a key with the scope ${scope}.`, undefined, {
    "WWW-Authenticate": `Bearer error="insufficient_scope", scope="${scope}"`,
  });
}

/** Who may follow or cancel this one task: the bearer of a capability link of this use, if there is one, or of a key. */
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
  if (link.taskId !== taskId || link.use !== use) {
    refuse("forbidden", "This token was made for another task or another use.");
  }
  if (link.signal !== null && link.signal.name !== c.req.param("name")) {
    refuse("forbidden", "This token was made for another signal.");
  }
  return {
    tenant: link.tenant,
    scopes: new Set([scope]),
    isBootstrap: false,
    isLink: true,
    ...(link.signal ? { linkId: link.signal.linkId } : {}),
  };
}

function unauthorized(detail: string, challenge = ""): never {
  refuse("unauthorized", detail, undefined, { "WWW-Authenticate": `Bearer realm="lovage"${challenge}` });
}

/** Compares digests, so that neither time nor length tells anything. */
async function isSame(a: string, b: string): Promise<boolean> {
  const encoder = new TextEncoder();
  const [left, right] = await Promise.all([a, b].map((text) => crypto.subtle.digest("SHA-256", encoder.encode(text))));
  return crypto.subtle.timingSafeEqual(left!, right!);
}
