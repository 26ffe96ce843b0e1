/**
 * `/v1/link-keys`: reads and rotates the keys that sign links. They are the deployment's, so only the service's own key may use
 * these operations.
 */

import { linkKeyListSchema, rotateLinkKeySchema, type LinkKeyResource } from "../contract/link-key.ts";
import type { LinkKey } from "../core/link-keys.ts";
import { linkKeys, rotateLinkKey } from "../engine/keys/link-keys.ts";
import { operation } from "./operation.ts";
import { optionalBody } from "./tasks/control.ts";

export const listLinkKeys = operation({
  id: "listLinkKeys",
  method: "get",
  path: "/v1/link-keys",
  tag: "keys",
  summary: "List the keys that sign links, the latest last",
  description: "Their ids and times; the keys themselves are never shown.",
  scope: "admin",
  deployment: true,
  answers: { 200: { description: "The keys' ids and times, without their texts", schema: linkKeyListSchema } },
  problems: ["unavailable", "misconfigured"],
  async handle({ c, env }) {
    return c.json({ items: (await linkKeys(env, Date.now())).map(present) }, 200);
  },
});

export const rotateLinkKeyOperation = operation({
  id: "rotateLinkKey",
  method: "post",
  path: "/v1/link-keys/rotate",
  tag: "keys",
  summary: "Sign links with a new key",
  description:
    "The new key signs two minutes later, when every isolate has heard of it; links and callback addresses that were made before hold for `overlap` more. With an overlap of 0 they end within a minute, all of them, and the new key signs at once. Where the secret `LINK_KEY` says what signs, change it instead: a new key before the old one, with a comma between them.",
  scope: "admin",
  deployment: true,
  audits: "link-key.rotate",
  body: optionalBody(rotateLinkKeySchema),
  example: { overlap: "7d" },
  answers: { 200: { description: "The keys' ids and times, without their texts", schema: linkKeyListSchema } },
  problems: ["conflict", "unavailable"],
  async handle({ c, env, body, audit }) {
    const keys = await rotateLinkKey(env, body.overlap, Date.now(), audit(null, { detail: { ...body } }));
    return c.json({ items: keys.map(present) }, 200);
  },
});

function present({ id, from, until }: LinkKey): LinkKeyResource {
  return {
    id,
    signsFrom: from === 0 ? null : new Date(from).toISOString(),
    holdsUntil: until === null ? null : new Date(until).toISOString(),
  };
}
