/** Every call that changes something leaves one entry in the audit log, and no other call leaves any. */
import { env } from "cloudflare:workers";
import { beforeAll, describe, expect, it } from "vitest";
import type { AuditAction, AuditEntry } from "../../src/contract/audit.ts";
import { groupOf } from "../../src/core/error-groups.ts";
import { firstIdAt } from "../../src/core/id-time.ts";
import { auditOf, isAuditId, systemActor } from "../../src/engine/audit.ts";
import { declareSchedules } from "../../src/engine/schedules/declare.ts";
import { addFailures } from "../../src/results/error-groups.ts";
import { operations } from "../../src/web/app.ts";
import type { Operation } from "../../src/web/operation.ts";
import { AssembledWorker } from "./assembled-worker.ts";
import type { Execute } from "./database-over.ts";

/** Called after each batch that holds an entry: it may throw, as if the answer had been lost. */
let afterEntry: () => void = () => undefined;

const watched =
  (execute: Execute): Execute =>
  async (statements) => {
    const results = await execute(statements);
    if (statements.some(({ sql }) => sql.includes("INTO audit"))) afterEntry();
    return results;
  };

const service = new AssembledWorker({ database: watched });
const clock = service.env.CLOCK.getByName("");
// That one keeps no keys that sign links.
service.env.CLOCK = {
  getByName: () => ({
    ...clock,
    rotateLinkKey: async () => [{ id: "k", secret: "x".repeat(40), from: 0, until: null }],
  }),
} as unknown as Env["CLOCK"];
const as: Record<string, string> = {};

interface Asked {
  path?: Record<string, string>;
  body?: unknown;
  query?: string;
}

async function call(method: string, path: string, body?: unknown, key = as["owner"]!) {
  const headers = { authorization: `Bearer ${key}`, "cf-connecting-ip": "203.0.113.7" };
  const response = await service.fetch(path, { method: method.toUpperCase(), body, headers });
  const isJson = response.headers.get("content-type")?.includes("json") === true;
  return { status: response.status, body: isJson ? await response.json<Record<string, unknown>>() : {} };
}

async function made(method: string, path: string, body?: unknown): Promise<string> {
  const answer = await call(method, path, body);
  if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
  return answer.body["id"] as string;
}

const entries = async (query = "") =>
  (await call("GET", `/v1/audit?limit=200${query}`, undefined, env.API_KEY)).body["items"] as AuditEntry[];

let count = 0;
const name = () => `n${++count}`;
const later = { task: "test.noop", options: { delay: "1h" } };
const task = () => made("POST", "/v1/tasks", later);

async function endedTask(): Promise<string> {
  const id = await task();
  await call("POST", `/v1/tasks/${id}/cancel`);
  return id;
}

async function pausedTask(): Promise<string> {
  const id = await task();
  await call("POST", `/v1/tasks/${id}/pause`);
  return id;
}

const flow = () => made("POST", "/v1/flows", { chain: [later, { task: "test.noop" }] });

async function endedFlow(): Promise<string> {
  const id = await flow();
  await call("POST", `/v1/flows/${id}/cancel`);
  return id;
}

const hourly = { every: "1h", task: "test.noop" };

async function schedule(paused = false): Promise<string> {
  const id = name();
  await made("PUT", `/v1/schedules/${id}`, { ...hourly, paused });
  return id;
}

async function limit(): Promise<string> {
  const id = `concurrency::${name()}`;
  await call("PUT", `/v1/limits/${id}`, { limit: 2 });
  return id;
}

async function errorGroup(): Promise<string> {
  const { id, task, type, message } = groupOf(name(), { type: "Error", message: "no" });
  const now = Date.now();
  const failures = {
    tenant: "owner",
    id,
    task,
    type,
    message,
    count: 1,
    firstAt: now,
    lastAt: now,
    samples: [],
    tags: {},
  };
  await env.DB.batch(addFailures(env.DB, [failures]));
  return id;
}

const key = () => made("POST", "/v1/keys", { name: "k", scopes: ["read"] });
const webhook = () => made("POST", "/v1/webhooks", { url: "http://127.0.0.1:9/", events: ["task.expired"] });

/** An endpoint with a delivery that waits for its next attempt. */
async function delivery(): Promise<{ id: string; deliveryId: string }> {
  const id = await webhook();
  const deliveryId = await made("POST", `/v1/webhooks/${id}/test`);
  await service.deliver();
  return { id, deliveryId };
}

const about = (make: () => Promise<string>, body?: unknown) => async (): Promise<Asked> => ({
  path: { id: await make() },
  body,
});

const many = (make: () => Promise<string>) => async (): Promise<Asked> => ({
  body: { filter: { ids: [await make(), await make()] } },
});

const lane = (verb: "pause" | "drain" | "resume") => async (): Promise<Asked> => {
  await call("POST", `/v1/lanes/long/${verb === "resume" ? "pause" : "resume"}`, undefined, env.API_KEY);
  return { path: { name: "long" } };
};

interface Change {
  action: AuditAction;
  ask: () => Promise<Asked>;
  /** It changes something again where it is asked again. */
  isRepeatable?: true;
}

/** What work is made of: it has no entry. */
const SUBMITS = ["submitTask", "submitBatch", "submitFlow"];

const CHANGES: Record<string, Change> = {
  cancelTask: { action: "task.cancel", ask: about(task, { reason: "no more" }) },
  retryTask: { action: "task.retry", ask: about(endedTask) },
  deleteTask: { action: "task.delete", ask: about(endedTask) },
  changeTask: { action: "task.change", ask: about(task, { tags: { a: "b" } }), isRepeatable: true },
  runTaskNow: { action: "task.run-now", ask: about(task) },
  pauseTask: { action: "task.pause", ask: about(task) },
  resumeTask: { action: "task.resume", ask: about(pausedTask) },
  sendSignal: {
    action: "task.signal",
    ask: async () => ({ path: { id: await task(), name: "go" }, body: 1 }),
    isRepeatable: true,
  },
  cancelTasks: { action: "tasks.cancel", ask: many(task) },
  retryTasks: { action: "tasks.retry", ask: many(endedTask) },
  deleteTasks: { action: "tasks.delete", ask: many(endedTask) },
  cancelFlow: { action: "flow.cancel", ask: about(flow) },
  retryFlow: { action: "flow.retry", ask: about(endedFlow) },
  deleteFlow: { action: "flow.delete", ask: about(endedFlow) },
  putSchedule: { action: "schedule.put", ask: async () => ({ path: { id: name() }, body: hourly }) },
  deleteSchedule: { action: "schedule.delete", ask: about(schedule) },
  pauseSchedule: { action: "schedule.pause", ask: about(schedule) },
  resumeSchedule: { action: "schedule.resume", ask: about(() => schedule(true)) },
  runSchedule: { action: "schedule.run", ask: about(schedule), isRepeatable: true },
  pauseLane: { action: "lane.pause", ask: lane("pause") },
  drainLane: { action: "lane.drain", ask: lane("drain") },
  resumeLane: { action: "lane.resume", ask: lane("resume") },
  resolveError: { action: "error.resolve", ask: about(errorGroup) },
  ignoreError: { action: "error.ignore", ask: about(errorGroup, { untilCount: 9 }) },
  putLimit: {
    action: "limit.put",
    ask: async () => ({ path: { id: `concurrency::${name()}` }, body: { limit: 3 } }),
  },
  deleteLimit: { action: "limit.delete", ask: about(limit) },
  createKey: {
    action: "key.create",
    ask: async () => ({ body: { name: "made", scopes: ["read"] } }),
    isRepeatable: true,
  },
  revokeKey: { action: "key.revoke", ask: about(key) },
  rotateLinkKey: { action: "link-key.rotate", ask: async () => ({ body: {} }), isRepeatable: true },
  createWebhook: {
    action: "webhook.create",
    ask: async () => ({ body: { url: "http://127.0.0.1:9/a-secret-path" } }),
    isRepeatable: true,
  },
  changeWebhook: { action: "webhook.change", ask: about(webhook, { paused: true, description: "x" }) },
  deleteWebhook: { action: "webhook.delete", ask: about(webhook) },
  rotateWebhookSecret: { action: "webhook.rotate", ask: about(webhook), isRepeatable: true },
  testWebhook: { action: "webhook.test", ask: about(webhook), isRepeatable: true },
  replayDelivery: { action: "webhook.replay", ask: async () => ({ path: { ...(await delivery()) } }) },
  replayDeliveries: {
    action: "webhook.replay",
    ask: async () => ({ path: { id: (await delivery()).id }, body: { since: "2026-01-01T00:00:00Z" } }),
  },
};

const changing = operations.filter(({ method }) => method !== "get");

/** What is the deployment's is changed with its key. */
const keyFor = (operation: Operation) => (operation.deployment ? env.API_KEY! : as["owner"]!);

async function askFor(operation: Operation, { path = {}, query = "", body }: Asked) {
  const address = operation.path.replaceAll(/\{(\w+)\}/g, (_, segment: string) => path[segment] ?? "nothing");
  return call(operation.method, address + query, body, keyFor(operation));
}

/** The entries that a call leaves. */
async function left<T>(act: () => Promise<T>): Promise<{ answer: T; fresh: AuditEntry[] }> {
  const known = new Set((await entries()).map(({ id }) => id));
  const answer = await act();
  return { answer, fresh: (await entries()).filter(({ id }) => !known.has(id)) };
}

beforeAll(async () => {
  for (const tenant of ["owner", "other"]) {
    const wanted = { name: tenant, tenant, scopes: ["admin", "submit", "cancel", "read"] };
    const { body } = await call("POST", "/v1/keys", wanted, env.API_KEY);
    as[tenant] = body["key"] as string;
    as[`${tenant}Id`] = body["id"] as string;
  }
});

describe("the audit log", () => {
  it("knows of every operation whether it changes something", () => {
    const known = [...Object.keys(CHANGES), ...SUBMITS].toSorted();
    expect(changing.map(({ id }) => id).toSorted()).toEqual(known);
    for (const { id, audits } of operations) expect([id, audits]).toEqual([id, CHANGES[id]?.action]);
  });

  it.each(Object.entries(CHANGES))(
    "has one entry for %s, and none for one that changes nothing",
    async (id, change) => {
      const operation = operations.find((each) => each.id === id)!;
      const asked = await change.ask();
      const { answer, fresh } = await left(() => askFor(operation, asked));
      expect(answer).toMatchObject({ status: expect.toSatisfy((status: number) => status < 300) as unknown });
      const actor = operation.deployment ? "deployment" : as["ownerId"];
      expect(fresh).toMatchObject([{ action: change.action, actor: { kind: "key", id: actor }, ip: "203.0.113.7" }]);
      const { target, detail } = fresh[0]!;
      const { path = {} } = asked;
      expect(target).toBe(path["id"] ?? path["name"] ?? answer.body?.["id"] ?? null);
      const counted = { changed: answer.body?.["changed"], filter: { ids: 2 } };
      expect(detail ?? {}).toMatchObject(id.endsWith("Tasks") ? counted : {});
      expect(JSON.stringify(detail)).not.toMatch(/a-secret-path|whsec_|lv_/);
      const again = await left(() => askFor(operation, asked));
      expect(again.fresh).toHaveLength(change.isRepeatable ? 1 : 0);
    },
  );

  it.each(Object.entries(CHANGES))("has one entry for %s whose answer from D1 was lost", async (id, change) => {
    const operation = operations.find((each) => each.id === id)!;
    const asked = await change.ask();
    let lost = 0;
    afterEntry = () => {
      if (lost++ === 0) throw new Error("D1_ERROR: Network connection lost.");
    };
    const { fresh } = await left(() => askFor(operation, asked));
    afterEntry = () => undefined;
    expect(lost).toBeGreaterThan(1);
    expect(fresh.map(({ action }) => action)).toEqual([change.action]);
    expect(fresh[0]!.detail ?? {}).toMatchObject(id.endsWith("Tasks") ? { changed: 2 } : {});
  });

  it("has none for reads, submits, refusals and dry runs", async () => {
    const id = await task();
    const ended = await endedTask();
    const body = { filter: { ids: [id] }, dryRun: true };
    const { fresh } = await left(async () => {
      for (const operation of operations.filter(({ method }) => method === "get")) {
        if (!operation.path.endsWith("/events")) await askFor(operation, { path: { id, name: "x", deliveryId: "x" } });
      }
      await call("POST", "/v1/tasks", { task: "test.noop" });
      await call("POST", "/v1/tasks/batch", { tasks: [{ task: "test.noop" }] });
      await call("POST", "/v1/flows", { chain: [{ task: "test.noop" }] });
      for (const verb of ["cancel", "retry", "delete"]) {
        expect((await call("POST", `/v1/tasks/${verb}`, body)).status).toBe(200);
        expect((await call("POST", `/v1/tasks/${verb}`, { ...body, dryRun: false }, as["other"])).status).toBe(200);
      }
      expect((await call("POST", `/v1/tasks/${id}/retry`)).status).toBe(409);
      expect((await call("DELETE", `/v1/tasks/${id}`)).status).toBe(409);
      expect((await call("POST", `/v1/tasks/${ended}/signals/go`)).status).toBe(409);
      expect((await call("POST", `/v1/tasks/${id}/cancel`, undefined, as["other"])).status).toBe(404);
      expect((await call("POST", `/v1/tasks/${id}/cancel`, undefined, "nobody's")).status).toBe(401);
      expect((await call("PUT", "/v1/schedules/wrong", { task: "test.noop" })).status).toBe(422);
    });
    expect(fresh).toEqual([]);
  });

  it("names the link with which a caller without a key has acted", async () => {
    const id = await task();
    const { body } = await call("GET", `/v1/tasks/${id}?links=signed`);
    const { cancel } = body["links"] as Record<string, string>;
    const { fresh } = await left(() => service.fetch(cancel!, { method: "POST", headers: { authorization: "" } }));
    expect(fresh).toMatchObject([{ action: "task.cancel", target: id, actor: { kind: "link" } }]);
  });

  it("names the system where the deployment declares a schedule", async () => {
    const id = name();
    const { fresh } = await left(() => declareSchedules(service.env, [{ id, ...hourly }], Date.now()));
    expect(fresh).toMatchObject([
      { action: "schedule.put", target: id, actor: { kind: "system", id: "deployment" }, ip: null },
    ]);
    expect((await left(() => declareSchedules(service.env, [{ id, ...hourly }], Date.now()))).fresh).toEqual([]);
    expect((await left(() => declareSchedules(service.env, [], Date.now()))).fresh).toMatchObject([
      { action: "schedule.delete", target: id },
    ]);
  });

  it("is read by the tenant's admin, in pages and by what was done, by whom, to what and when", async () => {
    const mine = async (query: string) => {
      const { status, body } = await call("GET", `/v1/audit?${query}`, undefined, as["other"]);
      expect([query, status]).toEqual([query, 200]);
      return body as { items: AuditEntry[]; nextCursor: string | null };
    };
    const ids: string[] = [];
    for (let i = 0; i < 3; i++) {
      ids.unshift((await call("POST", "/v1/tasks", later, as["other"])).body["id"] as string);
      await call("POST", `/v1/tasks/${ids[0]}/cancel`, undefined, as["other"]);
    }
    const all = (await mine("")).items;
    expect(all.map(({ target }) => target)).toEqual([...ids, as["otherId"]]);
    expect(new Set(all.map(({ tenant }) => tenant))).toEqual(new Set(["other"]));
    const paged: string[] = [];
    for (let cursor: string | null = ""; cursor !== null;) {
      const { items, nextCursor }: Awaited<ReturnType<typeof mine>> = await mine(`limit=2${cursor}`);
      paged.push(...items.map(({ id }) => id));
      cursor = nextCursor && `&cursor=${nextCursor}`;
    }
    expect(paged).toEqual(all.map(({ id }) => id));
    expect((await mine("action=key.create")).items).toEqual([all[3]]);
    expect((await mine("actor=deployment")).items).toEqual([all[3]]);
    expect((await mine(`target=${ids[1]}`)).items).toEqual([all[1]]);
    for (const entry of all) {
      expect((await mine(`since=${entry.at}&until=${entry.at}`)).items).toContainEqual(entry);
    }
    expect((await mine("since=2999-01-01T00:00:00Z")).items).toEqual([]);
    expect((await call("GET", "/v1/audit?tenant=owner", undefined, as["other"])).status).toBe(403);
    expect((await call("GET", "/v1/audit?action=nothing", undefined, as["other"])).status).toBe(400);
    expect((await call("GET", "/v1/audit?cursor=nothing", undefined, as["other"])).status).toBe(400);
    const known = await entries("&tenant=other");
    expect(known).toEqual(all);
  });

  it("has the time of each entry in its id, by which it is read", () => {
    const at = Date.parse("2026-01-02T03:04:05.678Z");
    const { id } = auditOf(systemActor("test"), "task.cancel", { tenant: "t", target: null }, at);
    expect(isAuditId(id)).toBe(true);
    expect(id >= firstIdAt("audit", at)).toBe(true);
    expect(id < firstIdAt("audit", at + 1)).toBe(true);
  });

  it("reads a bounded number of entries, and goes on where it was", async () => {
    const insert = env.DB.prepare(
      "INSERT INTO audit (id, tenant, at, actor_kind, action) SELECT 'audit_01k' || printf('%023d', value), 'large', 0, 'key', 'task.cancel' FROM json_each(?1)",
    );
    await insert.bind(JSON.stringify(Array.from({ length: 2_500 }, (_, i) => i))).run();
    let pages = 0;
    for (let cursor: string | null = ""; cursor !== null; pages++) {
      const path = `/v1/audit?tenant=large&action=key.create${cursor}`;
      const { body } = await call("GET", path, undefined, env.API_KEY);
      expect(body["items"]).toEqual([]);
      cursor = body["nextCursor"] === null ? null : `&cursor=${body["nextCursor"] as string}`;
    }
    expect(pages).toBe(3);
  });

  it("forgets what is past its retention, in pieces", async () => {
    const old = firstIdAt("audit", Date.now() - 91 * 86_400_000);
    const kept = firstIdAt("audit", Date.now() - 89 * 86_400_000);
    const insert = env.DB.prepare(
      "INSERT INTO audit (id, tenant, at, actor_kind, action) VALUES (?1, 'old', 0, 'key', 'task.cancel')",
    );
    await env.DB.batch([insert.bind(old), insert.bind(kept)]);
    await service.tick(Date.now());
    const { results } = await env.DB.prepare("SELECT id FROM audit WHERE tenant = 'old'").all();
    expect(results).toEqual([{ id: kept }]);
  });
});
