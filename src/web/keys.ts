/** `/v1/keys`: API keys. The service's own key manages the keys of every tenant, any other admin key those of its own tenant. */

import { z } from "zod";
import {
  createdKeySchema,
  keyListSchema,
  keySchema,
  newKeySchema,
  ownKeySchema,
  type KeyResource,
} from "../contract/key.ts";
import { createKey } from "../engine/keys/create.ts";
import { isKeyId } from "../engine/ids.ts";
import { revokeKey } from "../engine/keys/revoke.ts";
import { listKeys, readKey, type StoredKey } from "../results/keys.ts";
import { operation } from "./operation.ts";
import { cursorAfter, page, pageQuery, readCursor } from "./paging.ts";
import type { Principal } from "./principal.ts";
import { refuse } from "./problem.ts";

export const createKeyOperation = operation({
  id: "createKey",
  method: "post",
  path: "/v1/keys",
  tag: "keys",
  summary: "Create a key",
  description:
    "The answer shows the key this once. It belongs to your tenant; the service's own key (`API_KEY`) may name any. With `rateLimited` it may make 100 requests in 10 seconds. It ends with the key that makes it: it expires no later, whatever `expiresAt` says, and one that a limited key makes is limited together with it.",
  scope: "admin",
  audits: "key.create",
  body: newKeySchema,
  example: { name: "checkout", scopes: ["submit", "read"] },
  answers: { 201: { description: "The key, shown this once", schema: createdKeySchema, headers: ["Location"] } },
  problems: ["quota-exceeded"],
  async handle({ c, env, principal, body, audit }) {
    const now = Date.now();
    if (body.expiresAt !== undefined && body.expiresAt <= now) {
      refuse("invalid-body", "The key would be expired already.", [
        { pointer: "/expiresAt", detail: "is not in the future" },
      ]);
    }
    const tenant = body.tenant ?? principal.tenant;
    if (!principal.isServiceKey && tenant !== principal.tenant) {
      refuse("forbidden", "Only the service's own key may name another tenant.");
    }
    const wanted = {
      tenant,
      name: body.name,
      scopes: [...new Set(body.scopes)],
      rateLimited: body.rateLimited ?? false,
      expiresAt: body.expiresAt ?? null,
    };
    const { name, scopes, rateLimited } = wanted;
    const entry = audit(null, { tenant, detail: { name, scopes, rateLimited } });
    const made = await createKey(env, wanted, principal, now, entry);
    if (made === null) refuse("unauthorized", "The key of this request has just expired or was revoked.");
    const { stored, text } = made;
    c.header("Location", `/v1/keys/${stored.id}`);
    c.header("Cache-Control", "no-store");
    return c.json({ ...present(stored), key: text }, 201);
  },
});

export const listKeysOperation = operation({
  id: "listKeys",
  method: "get",
  path: "/v1/keys",
  tag: "keys",
  summary: "List keys, newest first",
  description: "Revoked and expired ones too. None shows more of itself than its prefix.",
  scope: "admin",
  query: z.strictObject(pageQuery),
  answers: { 200: { description: "A page of keys", schema: keyListSchema, headers: ["Link"] } },
  problems: ["invalid-cursor"],
  async handle({ c, env, principal, query }) {
    const limit = query.limit ?? 50;
    const keys = await listKeys(env.DB, reach(principal), readCursor(query.cursor, isKeyId), limit + 1);
    const shown = keys.slice(0, limit);
    return page(c, shown.map(present), keys.length > limit ? cursorAfter(shown.at(-1)!.id) : null);
  },
});

export const getOwnKey = operation({
  id: "getOwnKey",
  method: "get",
  path: "/v1/keys/self",
  tag: "keys",
  summary: "Read what the key of this request may do",
  scope: "any",
  answers: { 200: { description: "Its tenant and its scopes", schema: ownKeySchema } },
  problems: [],
  handle({ c, principal: { keyId, tenant, scopes, expiresAt } }) {
    const until = expiresAt === null ? null : new Date(expiresAt).toISOString();
    return c.json({ id: keyId, tenant, scopes: [...scopes], expiresAt: until }, 200);
  },
});

export const getKey = operation({
  id: "getKey",
  method: "get",
  path: "/v1/keys/{id}",
  tag: "keys",
  summary: "Read what is known of a key",
  scope: "admin",
  answers: { 200: { description: "The key, without its text", schema: keySchema } },
  problems: ["not-found"],
  async handle({ c, env, principal, params }) {
    const key = await readKey(env.DB, reach(principal), params["id"]!);
    return key ? c.json(present(key), 200) : noSuchKey();
  },
});

export const revokeKeyOperation = operation({
  id: "revokeKey",
  method: "delete",
  path: "/v1/keys/{id}",
  tag: "keys",
  summary: "Revoke a key",
  description:
    "For good, and everywhere within a few seconds. The links and keys that it has made end with it, and so do those that they have made. It stays in the list.",
  scope: "admin",
  audits: "key.revoke",
  answers: { 204: { description: "It is revoked" } },
  problems: ["not-found"],
  async handle({ c, env, principal, params, audit }) {
    const id = params["id"]!;
    const key = (await readKey(env.DB, reach(principal), id)) ?? noSuchKey();
    const entry = audit(id, { tenant: key.tenant, detail: { name: key.name } });
    await revokeKey(env, reach(principal), id, Date.now(), entry);
    return c.body(null, 204);
  },
});

/** The tenant whose keys this caller manages; null: every tenant. */
function reach(principal: Principal): string | null {
  return principal.isServiceKey ? null : principal.tenant;
}

function noSuchKey(): never {
  refuse("not-found", "There is no key with this id.");
}

function present(key: StoredKey): KeyResource {
  const { id, name, prefix, tenant, scopes, rateLimited, createdBy } = key;
  const iso = (at: number | null) => (at === null ? null : new Date(at).toISOString());
  return {
    id,
    name,
    prefix,
    tenant,
    scopes,
    rateLimited,
    createdBy,
    createdAt: new Date(key.createdAt).toISOString(),
    expiresAt: iso(key.expiresAt),
    revokedAt: iso(key.revokedAt),
  };
}
