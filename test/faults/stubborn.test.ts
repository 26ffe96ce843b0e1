/** Handlers that do not listen, do not yield, or fail: they harm no other task, and what they do late changes nothing. */
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import type { TaskEvent } from "../../src/contract/event.ts";
import { apiOf, poll, type Api } from "../http/api.ts";
import { shareServer, type SharedServer } from "../http/shared-server.ts";
import { startHookReceiver, type HookReceiver } from "./hook-receiver.ts";

let server: SharedServer;
let api: Api;
let hooks: HookReceiver;

beforeAll(async () => {
  [server, hooks] = await Promise.all([shareServer(), startHookReceiver()]);
  api = apiOf(server);
});

afterAll(async () => {
  await Promise.all([server?.stop(), hooks?.close()]);
});

const ms = (instant: string | null | undefined) => Date.parse(instant ?? "");

async function running(task: string, input: unknown, options = {}): Promise<string> {
  const { id } = await api.submit(task, input, options);
  await api.waitUntil(id, ({ state }) => state === "running");
  return id;
}

describe("a cancelled handler", () => {
  it("that ignores its signal is stopped after its grace, and its late end changes nothing", async () => {
    // Its end comes some time after the grace is over.
    const id = await running("test.stubborn", { ms: 12_000 });
    await poll(
      () => "a second did not pass",
      async () => Date.now() > ms((await api.read(id)).startedAt) + 1_000 || null,
    );
    expect((await api.post(`/v1/tasks/${id}/cancel`)).status).toBe(202);

    const ended = await api.waitForEnd(id);
    expect(ended).toMatchObject({
      state: "cancelled",
      attempt: 1,
      result: null,
      error: { type: "cancelled" },
      attempts: [{ number: 1, outcome: "cancelled" }],
    });
    const sinceCancel = ms(ended.finishedAt) - ms(ended.cancelRequestedAt);
    console.log(`a deaf handler was stopped ${sinceCancel} ms after its cancel`);
    expect(sinceCancel).toBeGreaterThanOrEqual(5_000);

    const late = await api.waitUntil(id, (task) => task.attempts?.[0]?.late !== undefined);
    expect(late.attempts).toMatchObject([{ number: 1, outcome: "cancelled", late: { outcome: "succeeded" } }]);
    expect(ms(late.attempts?.[0]?.late?.at)).toBeGreaterThan(ms(ended.finishedAt));
    expect({ ...late, attempts: null }).toEqual({ ...ended, attempts: null });
  });

  it("of an hour is stopped, long before it would end", async () => {
    const id = await running("test.stubborn", { ms: 3_600_000 });
    await api.post(`/v1/tasks/${id}/cancel`);
    expect(await api.waitForEnd(id)).toMatchObject({ state: "cancelled", attempt: 1, error: { type: "cancelled" } });
  });

  it("that listens stops before one that is deaf, whether it reports something or not", async () => {
    const ids = [
      await running("test.sleep", { ms: 60_000 }),
      await running("test.progress", { steps: 600, ms: 100 }),
      await running("test.hook", { url: hooks.url, ms: 60_000 }),
    ];
    // The deaf one is asked first, and has its grace after that.
    const deaf = await running("test.stubborn", { ms: 60_000 });
    for (const id of [deaf, ...ids]) expect((await api.post(`/v1/tasks/${id}/cancel`)).status).toBe(202);
    const ended = await Promise.all(ids.map((id) => api.waitForEnd(id)));
    expect(ended.map((task) => task.state)).toEqual(["cancelled", "cancelled", "cancelled"]);
    const stopped = ms((await api.waitForEnd(deaf)).finishedAt);
    for (const task of ended) expect(ms(task.finishedAt)).toBeLessThan(stopped);
  });

  it("shows in its events that the cancel was requested, acknowledged and done, in this order", async () => {
    const id = await running("test.progress", { steps: 600, ms: 100 });
    await api.waitUntil(id, (task) => task.progress !== null);
    await api.post(`/v1/tasks/${id}/cancel`);
    await api.waitForEnd(id);
    const { body } = await api.get<{ items: TaskEvent[] }>(`/v1/tasks/${id}/events`);
    const told = body.items
      .filter((event) => event.type === "state")
      .map((event) => event.data as { [name: string]: unknown });
    expect(told.slice(-3)).toMatchObject([
      { state: "running", cancelRequestedAt: expect.any(String) },
      { state: "running", cancel: "acknowledged" },
      { state: "cancelled" },
    ]);
    expect(body.items.at(-1)).toMatchObject({ type: "done", data: { state: "cancelled" } });
  });
});

describe("a handler that computes without yielding", () => {
  it("longer than its timeout ends so, and its neighbours run once each", async () => {
    const neighbours = await api.submitAll(
      Array.from({ length: 30 }, () => ({ task: "test.hook", input: { url: hooks.url, ms: 2_000 } })),
    );
    await poll(
      () => "the neighbours do not run",
      () => hooks.hooks.length >= 30 || null,
    );
    const { id } = await api.submit("test.spin", { ms: 5_000 }, { timeout: "1s", maxAttempts: 1 });
    const after = await api.submitAll(
      Array.from({ length: 30 }, () => ({ task: "test.hook", input: { url: hooks.url } })),
    );

    const task = await api.waitForEnd(id);
    expect(task.state).toBe("failed");
    expect(["timeout", "worker_lost"]).toContain(task.error?.type);
    for (const { id: neighbour } of [...neighbours, ...after]) {
      expect(await api.waitForEnd(neighbour)).toMatchObject({ state: "succeeded", attempt: 1 });
      expect(hooks.of(neighbour).map((hook) => hook.attempt)).toEqual([1]);
    }
  });

  // It takes the processor for all of that time.
  it.runIf(inject("isFull"))("longer than its lease is no reason to run anything twice", async () => {
    const neighbours = await api.submitAll(
      Array.from({ length: 10 }, () => ({ task: "test.hook", input: { url: hooks.url, ms: 3_000 } })),
    );
    await poll(
      () => "the neighbours do not run",
      () => neighbours.every(({ id }) => hooks.of(id).length > 0) || null,
    );
    const { id } = await api.submit("test.spin", { ms: 18_000 }, { timeout: "2s", maxAttempts: 1 });
    const task = await api.waitForEnd(id);
    expect(task.state).toBe("failed");
    expect(["timeout", "worker_lost"]).toContain(task.error?.type);
    for (const neighbour of neighbours) {
      expect(await api.waitForEnd(neighbour.id)).toMatchObject({ state: "succeeded", attempt: 1 });
      expect(hooks.of(neighbour.id)).toHaveLength(1);
    }
  });
});

describe("a handler that fails", () => {
  it("is tried as often as it may, at the distances that its policy says", async () => {
    const retry = { backoff: "exponential", base: "1s", jitter: "none" } as const;
    const { id } = await api.submit("test.failTimes", { times: 9 }, { maxAttempts: 3, retry });
    const task = await api.waitForEnd(id);
    expect(task).toMatchObject({ state: "failed", attempt: 3, error: { message: "attempt 3 fails as asked" } });
    const gaps = gapsOf(task.attempts);
    console.log(`gaps of 1 s and 2 s were ${gaps.join(" and ")} ms`);
    expect(gaps.map((gap, i) => gap >= 1_000 * (i + 1))).toEqual([true, true]);
  });

  it("succeeds in the attempt that no longer does", async () => {
    const retry = { backoff: "exponential", base: "1s", jitter: "none" } as const;
    const { id } = await api.submit("test.failTimes", { times: 2 }, { maxAttempts: 3, retry });
    const task = await api.waitForEnd(id);
    expect(task).toMatchObject({ state: "succeeded", attempt: 3, result: 3 });
    expect(task.attempts?.map((attempt) => attempt.outcome)).toEqual(["failed", "failed", "succeeded"]);
  });

  it.each([
    ["linear", { backoff: "linear", base: 300, jitter: "none" }, [300, 600, 900]],
    ["fixed", { backoff: "fixed", base: 300, jitter: "none" }, [300, 300, 300]],
    ["capped", { backoff: "exponential", base: 200, factor: 3, cap: 500, jitter: "none" }, [200, 500, 500]],
  ] as const)("is tried again at %s distances, none too soon", async (_, retry, expected) => {
    const { id } = await api.submit("test.failTimes", { times: 3 }, { maxAttempts: 4, retry });
    const task = await api.waitForEnd(id);
    expect(task.state).toBe("succeeded");
    const gaps = gapsOf(task.attempts);
    expect(gaps.map((gap, i) => gap >= (expected[i] ?? 0))).toEqual([true, true, true]);
  });
});

describe("a timeout", () => {
  it("ends an attempt that goes on, and the next one may succeed", async () => {
    const retry = { backoff: "fixed", base: 0, jitter: "none" } as const;
    const { id } = await api.submit("test.sleep", { ms: 60_000 }, { timeout: "500ms", maxAttempts: 2, retry });
    const task = await api.waitForEnd(id);
    expect(task).toMatchObject({ state: "failed", attempt: 2, error: { type: "timeout" } });
    expect(task.attempts?.map((attempt) => attempt.outcome)).toEqual(["timeout", "timeout"]);
  });

  it("holds for a deaf handler, too, whose late end changes nothing", async () => {
    const { id } = await api.submit("test.stubborn", { ms: 3_000 }, { timeout: "1s", maxAttempts: 1 });
    const ended = await api.waitForEnd(id);
    expect(ended).toMatchObject({ state: "failed", error: { type: "timeout" }, result: null });
    const late = await api.waitUntil(id, (task) => task.attempts?.[0]?.late !== undefined);
    expect(late).toMatchObject({
      state: "failed",
      result: null,
      attempts: [{ outcome: "timeout", late: { outcome: "succeeded" } }],
    });
  });

  it("that is soft aborts the signal, and leaves the hard one to the deaf", async () => {
    const listening = await api.submit(
      "test.sleep",
      { ms: 60_000 },
      { softTimeout: "500ms", timeout: "30s", maxAttempts: 1 },
    );
    const deaf = await api.submit(
      "test.stubborn",
      { ms: 2_000 },
      { softTimeout: "500ms", timeout: "30s", maxAttempts: 1 },
    );
    expect(await api.waitForEnd(listening.id)).toMatchObject({ state: "failed", attempt: 1 });
    expect(await api.waitForEnd(deaf.id)).toMatchObject({ state: "succeeded", result: "slept" });
  });
});

/** From the end of an attempt to the start of the next one. */
function gapsOf(attempts: { startedAt: string; finishedAt: string }[] = []): number[] {
  return attempts.slice(1).map((attempt, i) => ms(attempt.startedAt) - ms(attempts[i]?.finishedAt));
}
