/** When tasks start, when they start no more, and when they are forgotten. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { TaskResource } from "../../src/contract/task.ts";
import { apiOf, poll, type Api } from "./api.ts";
import { startReceiver, type Receiver } from "./receiver.ts";
import { shareServer, type SharedServer } from "./shared-server.ts";

let server: SharedServer;
let api: Api;
let receiver: Receiver;

beforeAll(async () => {
  [server, receiver] = await Promise.all([shareServer(), startReceiver()]);
  api = apiOf(server);
});

afterAll(() => Promise.all([server?.stop(), receiver?.stop()]));

const ms = (instant: string | null) => Date.parse(instant ?? "");

describe("a start", () => {
  it("lies the delay ahead, and the task is scheduled until then", async () => {
    const task = await api.submit("test.noop", null, { delay: "2s" });
    expect(task.state).toBe("scheduled");
    expect(ms(task.runAt) - ms(task.createdAt)).toBe(2_000);
    const ended = await api.waitForEnd(task.id);
    expect(ended).toMatchObject({ state: "succeeded", attempt: 1, runAt: task.runAt });
    expect(ms(ended.startedAt)).toBeGreaterThanOrEqual(ms(task.runAt));
  });

  it("is at the instant named, in whatever time zone", async () => {
    const at = new Date(Date.now() + 3_000);
    const elsewhere = new Date(at.getTime() + 2 * 3_600_000).toISOString().replace("Z", "+02:00");
    const { id, runAt } = await api.submit("test.noop", null, { runAt: elsewhere });
    expect(runAt).toBe(at.toISOString());
    const ended = await api.waitForEnd(id);
    expect(ms(ended.startedAt)).toBeGreaterThanOrEqual(at.getTime());
  });

  it("that lies in the past is now", async () => {
    const task = await api.submit("test.noop", null, { runAt: "2020-01-01T00:00:00Z" });
    expect(task).toMatchObject({ state: "queued", runAt: task.createdAt });
    expect(await api.waitForEnd(task.id)).toMatchObject({ state: "succeeded" });
  });

  it("may be years ahead", async () => {
    const { id, state, runAt } = await api.submit("test.noop", null, { delay: "3650d" });
    expect(state).toBe("scheduled");
    expect(ms(runAt) - Date.now()).toBeGreaterThan(3_649 * 86_400_000);
    expect((await api.post(`/v1/tasks/${id}/cancel`)).status).toBe(200);
  });
});

describe("an expiry", () => {
  /** One holds the only place: whatever comes after it is not started. */
  const full = { concurrency: { key: "full", limit: 1 } } as const;
  let holder: string;

  beforeAll(async () => {
    holder = (await api.submit("test.sleep", { ms: 600_000 }, { ...full, timeout: "10m" })).id;
    await api.waitUntil(holder, (task) => task.state === "running");
  });

  it("ends a task that could not start in time", async () => {
    const { id, expiresAt, createdAt } = await api.submit("test.noop", null, { ...full, expiresIn: "1s" });
    expect(ms(expiresAt) - ms(createdAt)).toBe(1_000);
    const task = await api.waitForEnd(id);
    expect(task).toMatchObject({
      state: "expired",
      attempt: 0,
      startedAt: null,
      attempts: [],
      error: { type: "expired" },
    });
    expect(ms(task.finishedAt)).toBeGreaterThanOrEqual(ms(expiresAt));

    const cancelled = await api.post(`/v1/tasks/${id}/cancel`);
    expect(cancelled).toMatchObject({ status: 409, body: { type: "/problems/conflict" } });
    expect(await api.read(id)).toEqual(task);
  });

  it("that is named ends it, too, and a retry runs it after all", async () => {
    const expiresAt = new Date(Date.now() + 3_000).toISOString();
    const { id } = await api.submit("test.noop", null, { ...full, expiresAt });
    expect(await api.waitForEnd(id)).toMatchObject({ state: "expired", expiresAt });
    expect(await api.post<TaskResource>(`/v1/tasks/${id}/retry`)).toMatchObject({
      status: 202,
      body: { state: "queued", error: null },
    });
    await api.post(`/v1/tasks/${holder}/cancel`);
    expect(await api.waitForEnd(id)).toMatchObject({ state: "succeeded", attempt: 1 });
  });
});

describe("an expiry that the start precedes", () => {
  it("does not touch the task any more", async () => {
    const { promise: release, resolve: letGo } = Promise.withResolvers<void>();
    receiver.reply("/succeeds", () => release.then(() => 204));
    receiver.reply("/fails-first", (nth) => release.then(() => (nth === 1 ? 500 : 204)));
    const retry = { backoff: "fixed", base: "100ms", jitter: "none" } as const;
    const [running, retried] = await api.submitAll(
      ["/succeeds", "/fails-first"].map((path) => ({
        task: "test.hook",
        input: { url: receiver.origin + path },
        options: { expiresIn: "5s", retry },
      })),
    );
    const later = await api.submit("test.noop", null, { delay: "1s", expiresIn: "1h" });
    await Promise.all([receiver.next("/succeeds"), receiver.next("/fails-first")]);
    await poll(
      () => "their expiry does not come",
      () => Date.now() > ms(retried.expiresAt) || null,
    );
    letGo();
    expect(await api.waitForEnd(running.id)).toMatchObject({ state: "succeeded", attempt: 1 });
    expect(await api.waitForEnd(retried.id)).toMatchObject({ state: "succeeded", attempt: 2 });
    expect(await api.waitForEnd(later.id)).toMatchObject({ state: "succeeded", attempt: 1 });
  });
});

describe("a retention", () => {
  it("of a second is over within a minute of the end, for every kind of end", async () => {
    const options = { retention: "1s", tags: { plot: "short" } } as const;
    const tasks = await api.submitAll([
      { task: "test.noop", options },
      { task: "test.fail", input: { message: "no", retryable: false }, options },
      { task: "test.progress", input: { steps: 1, ms: 0 }, options },
      { task: "test.big", input: { bytes: 500_000 }, options },
      { task: "test.noop", options: { ...options, delay: "1h" } },
    ]);
    const kept = await api.submit("test.noop", null, { retention: "1h", tags: options.tags });
    await api.post("/v1/tasks/cancel", { filter: { tags: options.tags, state: ["scheduled"] } });
    await poll(
      () => "some task is still kept",
      async () => (await api.listAll("tag.plot=short")).length === 1 || null,
    );
    for (const { id } of tasks) expect([404, 410]).toContain((await api.get(`/v1/tasks/${id}`)).status);
    for (const { id } of tasks) expect([404, 410]).toContain((await api.get(`/v1/tasks/${id}/events`)).status);
    const task = await api.read(kept.id);
    expect(ms(task.retainUntil) - ms(task.finishedAt)).toBe(3_600_000);
  });
});
