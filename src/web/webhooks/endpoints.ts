/** `/v1/webhooks`: the endpoints that get a webhook when tasks end. */

import { z } from "zod";
import {
  defaultWebhookSchema,
  newWebhookSchema,
  webhookChangesSchema,
  webhookListSchema,
  webhookSchema,
  webhookWithSecretSchema,
} from "../../contract/webhook.ts";
import { DEFAULT_WEBHOOK, MAX_WEBHOOKS, OVERLAP_MS, WEBHOOK_EVENTS, type WebhookSecret } from "../../core/webhook.ts";
import { lookForAlerts } from "../../engine/health/alerts.ts";
import { removeWebhook } from "../../engine/webhooks/delete.ts";
import { newId } from "../../engine/ids.ts";
import { isWebhookId } from "../../engine/webhooks/ids.ts";
import { demandStorage } from "../../engine/storage.ts";
import { endpointSecrets, newWebhookSecret, sealEndpointSecret } from "../../engine/webhooks/secret.ts";
import { changeWebhook, rotateSecret } from "../../results/webhooks/change.ts";
import { listWebhooks } from "../../results/webhooks/read.ts";
import { insertWebhook } from "../../results/webhooks/store.ts";
import { operation } from "../operation.ts";
import { cursorAfter, page, pageQuery, readCursor } from "../paging.ts";
import { refuse } from "../problem.ts";
import { optionalBody } from "../tasks/control.ts";
import { presentWebhook } from "./present.ts";
import { checkTarget, findWebhook, noSuchWebhook, refuseDefault } from "./shared.ts";

export const createWebhook = operation({
  id: "createWebhook",
  method: "post",
  path: "/v1/webhooks",
  tag: "webhooks",
  summary: "Register an endpoint",
  description:
    "From now on it is told of every task of your tenant that ends, as Standard Webhooks 1.0 says. Where `events` names alerts it is told of those too: findings of `GET /v1/health/report`, once when they are raised and once when they are closed. The answer shows the signing secret this once. Only public https addresses are taken.",
  scope: "admin",
  audits: "webhook.create",
  body: newWebhookSchema,
  example: { url: "https://example.com/hooks", events: ["task.failed"], description: "On-call" },
  answers: {
    201: {
      description: "The endpoint and its secret, shown this once",
      schema: webhookWithSecretSchema,
      headers: ["Location"],
    },
  },
  problems: ["webhook-conflict", "unavailable"],
  async handle({ c, env, principal, body, audit }) {
    checkTarget(env, body.url);
    await demandStorage(env, Date.now());
    const secret = newWebhookSecret();
    const id = newId("whk");
    const sealed = await sealEndpointSecret(env, principal.tenant, id, secret);
    const secrets: WebhookSecret[] = [{ secret: sealed, expiresAt: null }];
    const webhook = {
      tenant: principal.tenant,
      id,
      url: body.url,
      events: JSON.stringify([...new Set(body.events ?? WEBHOOK_EVENTS)]),
      description: body.description ?? "",
      payload: body.payload ?? "full",
      secrets: JSON.stringify(secrets),
      createdAt: Date.now(),
    };
    const stored = await insertWebhook(env.DB, webhook, audit(id, { detail: { origin: new URL(body.url).origin } }));
    if (stored === null) return refuse("webhook-conflict", `A tenant has at most ${MAX_WEBHOOKS} webhooks.`);
    await lookForAlerts(env, stored, Date.now());
    c.header("Location", `/v1/webhooks/${stored.id}`);
    c.header("Cache-Control", "no-store");
    return c.json({ ...presentWebhook(stored), secret }, 201);
  },
});

export const listWebhooksOperation = operation({
  id: "listWebhooks",
  method: "get",
  path: "/v1/webhooks",
  tag: "webhooks",
  summary: "List endpoints, newest first",
  scope: "read",
  query: z.strictObject(pageQuery),
  answers: { 200: { description: "A page of endpoints", schema: webhookListSchema, headers: ["Link"] } },
  problems: ["invalid-cursor", "unavailable"],
  async handle({ c, env, principal, query }) {
    const limit = query.limit ?? 50;
    const rows = await listWebhooks(env.DB, principal.tenant, readCursor(query.cursor, isWebhookId), limit + 1);
    const shown = rows.slice(0, limit);
    return page(c, shown.map(presentWebhook), rows.length > limit ? cursorAfter(shown.at(-1)!.id) : null);
  },
});

export const getDefaultWebhook = operation({
  id: "getDefaultWebhook",
  method: "get",
  path: "/v1/webhooks/default",
  tag: "webhooks",
  summary: "Read the secret of submissions' webhooks",
  description:
    "It signs messages to an `options.webhook` that has no secret of its own. It is made when it is first needed.",
  scope: "admin",
  answers: { 200: { description: "The tenant's default secret", schema: defaultWebhookSchema } },
  problems: ["unavailable", "seal-key-missing"],
  async handle({ c, env, principal }) {
    const row = await findWebhook(env, principal, DEFAULT_WEBHOOK);
    const [newest] = await endpointSecrets(env, row);
    c.header("Cache-Control", "no-store");
    return c.json({ id: row.id, secret: newest!.secret, createdAt: new Date(row.createdAt).toISOString() }, 200);
  },
});

export const getWebhook = operation({
  id: "getWebhook",
  method: "get",
  path: "/v1/webhooks/{id}",
  tag: "webhooks",
  summary: "Read an endpoint",
  scope: "read",
  answers: { 200: { description: "The endpoint, without its secret", schema: webhookSchema } },
  problems: ["not-found", "unavailable"],
  async handle({ c, env, principal, params }) {
    return c.json(presentWebhook(await findWebhook(env, principal, params["id"]!)), 200);
  },
});

export const changeWebhookOperation = operation({
  id: "changeWebhook",
  method: "patch",
  path: "/v1/webhooks/{id}",
  tag: "webhooks",
  summary: "Change, pause or resume an endpoint",
  description:
    "A new address also gets what is still to be delivered. A paused endpoint is told nothing: what ends meanwhile is not kept for it, and a delivery whose next attempt comes during the pause ends as failed. `replay` makes up for those once it listens again.",
  scope: "admin",
  audits: "webhook.change",
  body: webhookChangesSchema,
  example: { paused: true },
  answers: { 200: { description: "The endpoint as it is now", schema: webhookSchema } },
  problems: ["not-found", "webhook-conflict", "unavailable"],
  async handle({ c, env, principal, params, body, audit }) {
    const id = params["id"]!;
    refuseDefault(id);
    if (body.url !== undefined) checkTarget(env, body.url);
    const events = body.events && JSON.stringify([...new Set(body.events)]);
    const { url, ...rest } = body;
    const detail = url === undefined ? rest : { ...rest, origin: new URL(url).origin };
    const row = await changeWebhook(env.DB, principal.tenant, id, { ...body, events }, audit(id, { detail }));
    if (row === null) return noSuchWebhook();
    if (events !== undefined) await lookForAlerts(env, row, Date.now());
    return c.json(presentWebhook(row), 200);
  },
});

export const deleteWebhookOperation = operation({
  id: "deleteWebhook",
  method: "delete",
  path: "/v1/webhooks/{id}",
  tag: "webhooks",
  summary: "Remove an endpoint",
  description: "Deliveries that are still to be made are cancelled, and its list of deliveries goes with it.",
  scope: "admin",
  audits: "webhook.delete",
  answers: { 204: { description: "It is gone" } },
  problems: ["not-found", "webhook-conflict", "unavailable"],
  async handle({ c, env, principal, params, audit }) {
    const id = params["id"]!;
    refuseDefault(id);
    if (!(await removeWebhook(env, principal.tenant, id, Date.now(), audit(id)))) return noSuchWebhook();
    return c.body(null, 204);
  },
});

export const rotateWebhook = operation({
  id: "rotateWebhookSecret",
  method: "post",
  path: "/v1/webhooks/{id}/rotate",
  tag: "webhooks",
  summary: "Make a new signing secret",
  description:
    "For 24 hours every request is signed with the old secret too. The id `default` rotates the default one.",
  scope: "admin",
  audits: "webhook.rotate",
  body: optionalBody(z.strictObject({})),
  answers: {
    200: { description: "The endpoint and its new secret, shown this once", schema: webhookWithSecretSchema },
  },
  problems: ["not-found", "unavailable"],
  async handle({ c, env, principal, params, audit }) {
    const now = Date.now();
    const row = await findWebhook(env, principal, params["id"]!);
    const secret = newWebhookSecret();
    const sealed = await sealEndpointSecret(env, principal.tenant, row.id, secret);
    await rotateSecret(env.DB, principal.tenant, row.id, sealed, now + OVERLAP_MS, now, audit(row.id));
    c.header("Cache-Control", "no-store");
    return c.json({ ...presentWebhook(row), secret }, 200);
  },
});
