/** The verbs on keys, webhooks, schedules and lanes, against the service. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  ConflictError,
  createClient,
  NotFoundError,
  TaskExpiredError,
  UnauthorizedError,
  type Client,
} from "../../src/client/index.ts";
import { startReceiver } from "../http/receiver.ts";
import { shareServer, type SharedServer } from "../http/shared-server.ts";
import { clientOf, collect, type TestTasks } from "./client-of.ts";

let server: SharedServer;
let client: Client<TestTasks>;

beforeAll(async () => {
  server = await shareServer();
  client = clientOf(server);
});

afterAll(async () => server?.stop());

describe("keys that sign links", () => {
  it("are listed, and replaced by new ones", async () => {
    const { linkKeys } = clientOf(server.root);
    const before = await linkKeys.list();
    const after = await linkKeys.rotate({ overlap: "1h" });
    expect(after).toHaveLength(before.length + 1);
    expect(await linkKeys.list()).toEqual(after);
    await expect(client.linkKeys.list()).rejects.toMatchObject({ status: 403 });
  });
});

describe("a stream whose key has ended", () => {
  it("ends with the error of the key, and is not asked for again and again", async () => {
    const asked: string[] = [];
    const answers = [
      new Response('id: 3\ndata: {"seq":3,"type":"log","at":"","data":{}}\n\n: the key has ended\n\n'),
      Response.json({ type: "/problems/unauthorized", title: "x", status: 401, detail: "revoked" }, { status: 401 }),
    ];
    const cut = createClient({
      baseUrl: "http://cut.example",
      fetch: async (url) => {
        asked.push(url);
        return answers.shift()!;
      },
    });
    const seen: number[] = [];
    const follow = async () => {
      for await (const { seq } of cut.events("task_1")) seen.push(seq);
    };
    await expect(follow()).rejects.toBeInstanceOf(UnauthorizedError);
    expect([seen, asked.length]).toEqual([[3], 2]);
  });
});

describe("what operators read", () => {
  it("is the groups of errors, the figures over time and how the work stands", async () => {
    await expect(client.run("test.fail", { message: "nobody has this 17", retryable: false })).rejects.toThrow(
      "nobody has this 17",
    );
    const groups = (await collect(client.errors.list({ task: "test.fail" }))).filter(
      ({ message }) => message === "nobody has this #",
    );
    expect(groups).toMatchObject([{ count: 1, state: "open" }]);
    expect(await client.errors.ignore(groups[0].id, { untilCount: 2 })).toMatchObject({
      state: "ignored",
      untilCount: 2,
    });
    expect(await client.errors.resolve(groups[0].id)).toMatchObject({ state: "resolved", untilCount: null });
    const { items } = await client.series({ span: "30d", by: "task", metric: "errors" });
    expect(items).toHaveLength(720);
    expect(items.at(-1)).toMatchObject({ errors: expect.objectContaining({ NonRetryableError: 1 }) as unknown });
    expect(await client.report()).toMatchObject({
      verdict: "ok",
      ruledOut: expect.arrayContaining(["storage"]) as unknown,
    });
  });
});

describe("keys", () => {
  it("are made, listed, read and revoked", async () => {
    const { id, key, ...shown } = await client.keys.create({ name: "reader", scopes: ["read"] });
    const reader = clientOf({ ...server, key });

    await expect(reader.list().page()).resolves.toHaveProperty("items");
    await expect(reader.submit("test.noop")).rejects.toMatchObject({ name: "forbidden", status: 403 });
    expect(await client.keys.get(id)).toEqual({ id, ...shown });
    const { tenant, scopes, expiresAt } = shown;
    expect(await reader.keys.self()).toEqual({ id, tenant, scopes, expiresAt });
    expect((await collect(client.keys.list({ limit: 1 }))).map((each) => each.id)).toContain(id);
    await client.keys.revoke(id);
    await expect
      .poll(async () =>
        reader
          .list()
          .page()
          .catch((error: unknown) => error),
      )
      .toBeInstanceOf(UnauthorizedError);
  });
});

describe("the audit log", () => {
  it("tells who made and revoked a key", async () => {
    const since = new Date(Date.now() - 60_000);
    const { id } = await client.keys.create({ name: "audited", scopes: ["read"] });
    await client.keys.revoke(id);
    const entries = await collect(client.audit.list({ target: id, since }));
    expect(entries.map(({ action, actor }) => [action, actor])).toEqual([
      ["key.revoke", { kind: "key", id: server.keyId }],
      ["key.create", { kind: "key", id: server.keyId }],
    ]);
    expect(await collect(client.audit.list({ target: id, action: "key.create" }))).toEqual([entries[1]]);
  });
});

describe("webhooks", () => {
  it("are made, changed, tested, replayed and removed", async () => {
    const receiver = await startReceiver();
    const ids = () => receiver.at("/").map((request) => request.id);
    const { webhooks } = client;

    const { id, secret } = await webhooks.create({ url: `${receiver.origin}/`, events: ["task.failed"] });
    expect(secret).toMatch(/^whsec_/);
    expect((await webhooks.rotate(id)).secret).not.toBe(secret);
    expect((await webhooks.getDefault()).secret).toMatch(/^whsec_/);
    expect(await webhooks.update(id, { description: "on call" })).toMatchObject({ description: "on call" });
    expect((await webhooks.get(id)).events).toEqual(["task.failed"]);
    expect((await collect(webhooks.list())).map((each) => each.id)).toEqual([id]);

    const test = await webhooks.test(id);
    await expect.poll(ids).toEqual([test.id]);
    await expect
      .poll(async () => (await collect(webhooks.deliveries(id))).map(({ state }) => state))
      .toEqual(["succeeded"]);
    await webhooks.replayDelivery(id, test.id);
    await expect.poll(ids).toEqual([test.id, test.id]);
    expect((await webhooks.replay(id, { since: "2100-01-01T00:00:00Z", until: "2100-01-02T00:00:00Z" })).matched).toBe(
      0,
    );

    await webhooks.update(id, { paused: true });
    await expect(webhooks.replay(id, { since: "2100-01-01T00:00:00Z" })).rejects.toMatchObject({
      status: expect.any(Number) as number,
    });
    await webhooks.delete(id);
    await expect(webhooks.get(id)).rejects.toBeInstanceOf(NotFoundError);
    await receiver.stop();
  });
});

describe("schedules", () => {
  it("are put, paused, run and removed", async () => {
    const { schedules } = client;
    const daily = { cron: "0 3 * * *", task: "test.add", input: { x: 1, y: 2 }, timezone: "Europe/Berlin" } as const;

    expect(await schedules.put("daily", daily)).toMatchObject({ id: "daily", paused: false, source: "api" });
    expect((await schedules.get("daily")).nextRuns).toHaveLength(10);
    expect((await collect(schedules.list())).map(({ id }) => id)).toEqual(["daily"]);
    expect((await schedules.pause("daily")).paused).toBe(true);
    expect((await schedules.resume("daily")).paused).toBe(false);
    const task = await schedules.run("daily");
    expect(task.tags).toMatchObject({ schedule: "daily" });
    expect(await client.wait(task)).toBe(3);
    await schedules.delete("daily");
    await expect(schedules.get("daily")).rejects.toBeInstanceOf(NotFoundError);
  });

  it("do not compile for an unknown task or a wrong input", async () => {
    // @ts-expect-error The input is missing.
    await expect(client.schedules.put("bad", { every: "1h", task: "test.add" })).rejects.toHaveProperty("status", 422);
    // @ts-expect-error An unknown task.
    await expect(client.schedules.put("bad", { every: "1h", task: "test.nope" })).rejects.toHaveProperty("status");
  });
});

describe("lanes", () => {
  it("are listed, paused and resumed", async () => {
    const client = clientOf(server.root);
    const paused = await client.lanes.pause("bulk", { reason: "the upstream is down" });
    const task = await client.submit("test.noop", null, { lane: "bulk", expiresIn: "1s" });

    expect(paused).toMatchObject({ name: "bulk", paused: true, reason: "the upstream is down" });
    expect((await client.lanes.list()).map(({ name }) => name)).toEqual(["high", "default", "bulk", "long"]);
    await expect(client.wait(task)).rejects.toBeInstanceOf(TaskExpiredError);
    expect((await client.lanes.resume("bulk")).paused).toBe(false);
    expect(await client.lanes.drain("long", { reason: "it moves" })).toMatchObject({
      draining: true,
      reason: "it moves",
    });
    expect((await client.lanes.resume("long")).draining).toBe(false);
  });
});

describe("limits", () => {
  it("are changed, listed and given back", async () => {
    const id = "concurrency::customer/42";
    expect(await client.limits.put(id, { limit: 5 })).toMatchObject({ id, limit: 5, source: "api" });
    expect(await client.limits.get(id)).toMatchObject({ key: "customer/42", used: 0 });
    expect((await collect(client.limits.list({ limit: 1 }))).map((each) => each.id)).toContain(id);
    await client.limits.delete(id);
    await expect(client.limits.get(id)).rejects.toBeInstanceOf(NotFoundError);
  });
});

describe("stats", () => {
  it("count tasks", async () => {
    const stats = await client.stats();

    expect(stats.lanes.map(({ lane }) => lane)).toContain("default");
    expect(stats.states).toHaveProperty("succeeded");
  });
});

describe("explain", () => {
  it("says why a task is where it is", async () => {
    const task = await client.submit("test.noop", null, { delay: "1h" });

    expect(await client.explain(task)).toMatchObject({ state: "scheduled", reasons: [{ code: "scheduled" }] });
    await client.cancel(task);
    await expect(
      client.cancel(await client.submit("test.noop").then(async (each) => (await client.wait(each), each))),
    ).rejects.toBeInstanceOf(ConflictError);
  });
});
