/** The feed of a tenant's changes: what it tells, what it costs, and what it does where D1 or a listener goes away. */

import { createExecutionContext, waitOnExecutionContext } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { expect, it, vi } from "vitest";
import { feedFrameSchema, type FeedFrame } from "../../src/contract/feed.ts";
import { commit } from "../../src/engine/commit.ts";
import { FeedHub } from "../../src/engine/feed/hub.ts";
import { followFeed } from "../../src/engine/feed/follow.ts";
import { feedName } from "../../src/progress/feed-room.ts";
import { createApp } from "../../src/web/app.ts";
import { insertTasks } from "../../src/results/submit-tasks.ts";
import { countRows } from "./count-rows.ts";
import { mortal } from "./mortal-db.ts";
import { claimOne, endOf, newTask, newTenant, quietEnv } from "./webhook-tasks.ts";

/** A feed whose alarm rings when the test says so. */
function feedOf(tenant: string, db: D1Database = env.DB) {
  const frames: FeedFrame[] = [];
  const sockets = new Set<object>();
  let alarm: number | null = null;
  const ctx = {
    id: { name: feedName(tenant) },
    storage: { getAlarm: async () => alarm, setAlarm: async (at: number) => void (alarm = at) },
    acceptWebSocket: (socket: WebSocket) => {
      socket.accept();
      sockets.add({ send: (text: string) => frames.push(JSON.parse(text) as FeedFrame) });
    },
    getWebSockets: () => [...sockets],
  } as unknown as DurableObjectState;
  const hub = new FeedHub(ctx, { ...env, DB: db });
  return {
    listen: () => hub.listen(),
    leave: () => sockets.clear(),
    /** The next second; answers the frame that it sent, if any. */
    look: async () => {
      frames.length = 0;
      alarm = null;
      await hub.alarm();
      return frames[0] ?? null;
    },
    willLook: () => alarm !== null,
  };
}

const noted = (tenant: string) =>
  env.DB.prepare(
    "SELECT (SELECT COUNT(*) FROM feeds WHERE tenant = ?1) AS open, (SELECT COUNT(*) FROM feed_changes WHERE tenant = ?1) AS changes",
  )
    .bind(tenant)
    .first();

/** Stores, claims and commits one task; answers its id, and the rows that it cost. */
async function runOne(tenant: string): Promise<{ id: string; rows: number }> {
  const { db, written } = countRows(env.DB);
  const task = newTask(tenant);
  await insertTasks(db, [task]);
  const claimed = await claimOne(db, task.id);
  await commit(quietEnv(db), [endOf(claimed)]);
  return { id: task.id, rows: written() };
}

it("tells each task once, as it is, with the counts, and only its tenant's", async () => {
  const [tenant, other] = [newTenant(), newTenant()];
  const feed = feedOf(tenant);
  await feed.listen();
  expect(await feed.look()).toBeNull();

  const [waits, runs] = [newTask(tenant, { lane: "bulk" }), newTask(tenant)];
  await insertTasks(env.DB, [waits, runs, newTask(other)]);
  await claimOne(env.DB, runs.id);
  const { id } = await runOne(tenant);
  const frame = await feed.look();

  const as = (each: string, lane: string, state: string) => ({ id: each, task: "test.noop", lane, state });
  expect(frame).toMatchObject({ more: 0, missed: false });
  expect(frame!.changed.toSorted((a, b) => (a.id < b.id ? -1 : 1))).toEqual([
    as(waits.id, "bulk", "queued"),
    as(runs.id, "default", "running"),
    as(id, "default", "succeeded"),
  ]);
  const count = (lane: string, state: string) => ({ task: "test.noop", lane, state, count: 1 });
  expect(frame!.counts.capped).toBe(false);
  expect(new Set(frame!.counts.live)).toEqual(new Set([count("bulk", "queued"), count("default", "running")]));
  expect(await feed.look()).toBeNull();
});

it("costs nothing without a listener, and with one two rows for a task that runs between two looks", async () => {
  const tenant = newTenant();
  const plain = (await runOne(tenant)).rows;
  const feed = feedOf(tenant);
  await feed.listen();
  expect((await runOne(tenant)).rows).toBe(plain + 1);
  await feed.look();
  feed.leave();
  await feed.look();

  expect(feed.willLook()).toBe(false);
  expect(await noted(tenant)).toEqual({ open: 0, changes: 0 });
  expect((await runOne(tenant)).rows).toBe(plain);
  expect(await noted(tenant)).toEqual({ open: 0, changes: 0 });
});

it("tells a thousand changes in one frame, and of more than it may hold how many follow", async () => {
  const tenant = newTenant();
  const feed = feedOf(tenant);
  await feed.listen();
  const tasks = Array.from({ length: 3_000 }, () => newTask(tenant, { delay: "1h" }));
  await insertTasks(env.DB, tasks.slice(0, 1_000));
  const first = await feed.look();
  await insertTasks(env.DB, tasks.slice(1_000));
  await env.DB.prepare("UPDATE tasks SET state = 'queued' WHERE tenant = ?1").bind(tenant).run();
  const [second, third] = [await feed.look(), await feed.look()];

  expect([first!.changed.length, first!.more]).toEqual([1_000, 0]);
  expect([second!.changed.length, second!.more, third!.changed.length, third!.more]).toEqual([2_000, 1_000, 1_000, 0]);
  expect(new Set([...second!.changed, ...third!.changed].map(({ id }) => id)).size).toBe(3_000);
  await env.DB.prepare("DELETE FROM tasks WHERE tenant = ?1").bind(tenant).run();
});

it("says that it may have missed changes where D1's answer was lost", async () => {
  const tenant = newTenant();
  for (const atCall of [1, 2, 3, 4]) {
    const feed = feedOf(tenant);
    await feed.listen();
    const lost = feedOf(tenant, mortal(env.DB, { atCall, when: "after" }).db);
    // It is the same object, after a restart.
    await lost.listen().catch(() => {});
    await insertTasks(env.DB, [newTask(tenant)]);
    const frame = await lost.look();
    expect(frame === null || frame.changed.length > 0 || frame.missed).toBe(true);
    expect(lost.willLook()).toBe(true);
  }
  let isDead = true;
  const dying = new Proxy(env.DB, {
    get: (db, name) => {
      if (name === "batch" && isDead) return () => Promise.reject(new Error("D1_ERROR: SQLITE_ERROR"));
      const value = Reflect.get(db, name) as unknown;
      return typeof value === "function" ? value.bind(db) : value;
    },
  });
  const shaky = feedOf(tenant, dying);
  await shaky.listen();
  expect(await shaky.look()).toBeNull();
  isDead = false;
  expect(await shaky.look()).toMatchObject({ missed: true });
  expect(await shaky.look()).toBeNull();
});

it("serves a listener that comes while it closes", async () => {
  const tenant = newTenant();
  let whileClosing = async () => {};
  const slow = new Proxy(env.DB, {
    get: (db, name) => {
      const value = Reflect.get(db, name) as unknown;
      if (name !== "batch") return typeof value === "function" ? value.bind(db) : value;
      return async (statements: D1PreparedStatement[]) => {
        await whileClosing();
        return db.batch(statements);
      };
    },
  });
  const feed = feedOf(tenant, slow);
  await feed.listen();
  await feed.look();
  feed.leave();
  whileClosing = async () => {
    whileClosing = async () => {};
    await feed.listen();
  };
  await feed.look();
  expect(feed.willLook()).toBe(true);
  expect(await feed.look()).toMatchObject({ missed: true });
  const { id } = await runOne(tenant);
  expect((await feed.look())?.changed.map((each) => each.id)).toEqual([id]);
});

it("reaches a listener through the real object, and ends with it", async () => {
  const tenant = newTenant();
  const gone = new AbortController();
  const feed = followFeed(env, tenant, gone.signal);
  const first = (await feed.next()).value as FeedFrame;
  expect(first).toMatchObject({ changed: [], missed: false, counts: { live: [], capped: false } });
  const { id } = await runOne(tenant);
  const seen = (await feed.next()).value as FeedFrame;
  expect(seen.changed).toEqual([{ id, task: "test.noop", lane: "default", state: "succeeded" }]);
  gone.abort();
  expect((await feed.next()).done).toBe(true);
  await expect.poll(() => noted(tenant)).toEqual({ open: 0, changes: 0 });
});

it("is sent as WebSocket frames, too", async () => {
  const context = createExecutionContext();
  const headers = { authorization: `Bearer ${env.API_KEY}`, upgrade: "websocket" };
  const { status, webSocket } = await createApp().fetch(
    new Request("http://localhost/v1/feed", { headers }),
    env,
    context,
  );
  expect(status).toBe(101);
  const frame = new Promise<FeedFrame>((resolve) =>
    webSocket!.addEventListener("message", ({ data }) => resolve(JSON.parse(data as string) as FeedFrame)),
  );
  webSocket!.accept();
  expect(feedFrameSchema.parse(await frame)).toMatchObject({ changed: [], more: 0, missed: false });
  webSocket!.close(1000);
  await waitOnExecutionContext(context);
  await expect.poll(() => noted("default")).toEqual({ open: 0, changes: 0 });
});

it("is cut once its key is revoked, and tells nothing more", async () => {
  const root = { authorization: `Bearer ${env.API_KEY}`, "content-type": "application/json" };
  const ask = (path: string, init: RequestInit) => {
    const context = createExecutionContext();
    return createApp().fetch(new Request(`http://localhost${path}`, init), env, context);
  };
  const tenant = newTenant();
  const body = JSON.stringify({ name: "listener", scopes: ["read"], tenant });
  const { id, key } = await (
    await ask("/v1/keys", { method: "POST", headers: root, body })
  ).json<{
    id: string;
    key: string;
  }>();
  // Whether the key still holds is asked only now and then.
  const past = vi.spyOn(Date, "now").mockImplementation(() => performance.timeOrigin + performance.now() - 60_000);
  const { webSocket } = await ask("/v1/feed", { headers: { authorization: `Bearer ${key}`, upgrade: "websocket" } });
  const frames: FeedFrame[] = [];
  webSocket!.addEventListener("message", ({ data }) => frames.push(JSON.parse(data as string) as FeedFrame));
  const closed = new Promise<CloseEvent>((resolve) => webSocket!.addEventListener("close", resolve));
  webSocket!.accept();
  await expect.poll(() => frames.length).toBe(1);
  past.mockRestore();
  expect((await ask(`/v1/keys/${id}`, { method: "DELETE", headers: root })).status).toBe(204);
  await runOne(tenant);
  expect((await closed).code).toBeGreaterThanOrEqual(1_000);
  expect(frames).toHaveLength(1);
  await expect.poll(() => noted(tenant)).toEqual({ open: 0, changes: 0 });
});
