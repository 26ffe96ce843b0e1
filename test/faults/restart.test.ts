/** The whole service is killed with -9 in the middle of its work, and started again on the same directory. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { apiOf, LIVE, poll, type Api } from "../http/api.ts";
import { shareServer, type SharedServer } from "../http/shared-server.ts";
import { breachesOf, cutOffs } from "./breaches.ts";
import { startHookReceiver, type HookReceiver } from "./hook-receiver.ts";

let server: SharedServer;
let api: Api;
let hooks: HookReceiver;
/** Whether attempts run until they are killed. */
let isHeld: boolean;

beforeAll(async () => {
  server = await shareServer();
  api = apiOf(server);
});

beforeEach(async () => {
  isHeld = false;
  hooks = await startHookReceiver(() => (isHeld ? new Promise<boolean>(() => {}) : false));
});

afterEach(() => hooks?.close());

afterAll(() => server?.stop());

/** Answers when it was dead, in ms since the epoch; it is started again in the same moment, and attempts end from then on unless they are held further. */
async function killAndRestart(holdsOn = false) {
  await server.kill9();
  isHeld = holdsOn;
  const killedAt = Date.now();
  await server.restart();
  return killedAt;
}

const readAll = (ids: string[]) => Promise.all(ids.map((id) => api.read(id)));

const hook = () => ({ task: "test.hook", input: { url: hooks.url } });

const neverOnPurpose = () => false;

describe("a service that was killed", () => {
  it("ends all of the 500 tasks that were queued or running, none of them twice", async () => {
    isHeld = true;
    await apiOf(server.root).post("/v1/lanes/bulk/pause", {});
    const submitted = await api.submitAll(
      Array.from({ length: 500 }, (_, i) => ({ ...hook(), options: { lane: i < 400 ? "default" : "bulk" } })),
    );
    const ids = submitted.map((task) => task.id);
    await poll(
      () => "hardly anything runs",
      () => hooks.hooks.length >= 20 || null,
    );
    const before = Object.groupBy(await api.listAll(), (task) => task.state);
    const killedAt = await killAndRestart();
    await apiOf(server.root).post("/v1/lanes/bulk/resume");
    await api.waitUntilNoneIs(LIVE);
    const tasks = await readAll(ids);
    const counts = {
      queued: before.queued?.length ?? 0,
      running: before.running?.length ?? 0,
      succeeded: tasks.filter((task) => task.state === "succeeded").length,
      cutOff: cutOffs(tasks),
      ranBefore: hooks.hooks.filter((hook) => hook.at <= killedAt).length,
      ran: hooks.hooks.length,
    };
    console.log("killed with 500 tasks queued or running:", counts);
    expect(breachesOf(tasks, { hooks: hooks.hooks, kills: [killedAt], mayFail: neverOnPurpose })).toEqual([]);
    expect(counts.succeeded).toBe(500);
    expect(counts.queued).toBeGreaterThanOrEqual(100);
    expect(counts.running).toBeGreaterThan(0);
    expect(counts.cutOff).toBeGreaterThan(0);
    expect(counts.ran).toBeLessThanOrEqual(500 + counts.cutOff);
  });

  it("ends what was in flight in its second attempt, starts what was scheduled at its time, and obeys its last cancel", async () => {
    isHeld = true;
    const flying = await api.submitAll(Array.from({ length: 50 }, hook));
    await poll(
      () => "not all of them run",
      () => hooks.hooks.length === 50 || null,
    );
    const stubborn = await api.submit("test.stubborn", { ms: 60_000 });
    await api.waitUntil(stubborn.id, (task) => task.state === "running");
    const [due, later, retried] = await api.submitAll([
      { ...hook(), options: { delay: "10s" } },
      { ...hook(), options: { delay: "20s" } },
      {
        task: "test.failTimes",
        input: { times: 1 },
        options: { retry: { backoff: "fixed", base: "10s", jitter: "none" } },
      },
    ]);
    await api.waitUntil(retried?.id ?? "", (task) => task.state === "retrying");
    expect((await api.post(`/v1/tasks/${stubborn.id}/cancel`)).status).toBe(202);
    const killedAt = Date.now();
    await server.kill9();
    isHeld = false;
    await poll(
      () => "the time did not come",
      () => Date.now() > Date.parse(due?.runAt ?? "") || null,
    );
    await server.restart();
    const flown = await Promise.all(flying.map((task) => api.waitForEnd(task.id)));
    const started = await Promise.all([due, later, retried].map((task) => api.waitForEnd(task?.id ?? "")));
    const mayFail = (task: { task: string }) => task.task === "test.failTimes";
    expect(breachesOf([...flown, ...started], { hooks: hooks.hooks, kills: [killedAt], mayFail })).toEqual([]);
    expect(flown.map((task) => [task.state, task.attempt])).toEqual(flown.map(() => ["succeeded", 2]));
    expect(cutOffs(flown)).toBe(50);
    expect(hooks.hooks).toHaveLength(102);
    expect(started.map((task) => [task.state, task.attempt])).toEqual([
      ["succeeded", 1],
      ["succeeded", 1],
      ["succeeded", 2],
    ]);
    const startOf = (task?: { startedAt: string | null }) => Date.parse(task?.startedAt ?? "");
    expect(startOf(started[0])).toBeGreaterThanOrEqual(Date.parse(due?.runAt ?? ""));
    expect(startOf(started[1])).toBeGreaterThanOrEqual(Date.parse(later?.runAt ?? ""));
    expect(await api.waitForEnd(stubborn.id)).toMatchObject({
      state: "cancelled",
      attempt: 1,
      attempts: [{ number: 1 }],
    });
  });

  it("gives up on a task that was cut off three times", async () => {
    isHeld = true;
    const { task: name, input } = hook();
    const { id } = await api.submit(name, input);
    const kills: number[] = [];
    while (kills.length < 3) {
      await poll(
        () => "the next attempt does not run",
        () => hooks.of(id).length > kills.length || null,
      );
      kills.push(await killAndRestart(true));
    }
    const task = await api.waitForEnd(id);
    expect(task).toMatchObject({ state: "failed", attempt: 3, error: { type: "worker_lost" } });
    expect(task.attempts?.map((attempt) => attempt.outcome)).toEqual(["crashed", "crashed", "crashed"]);
    expect(breachesOf([task], { hooks: hooks.hooks, kills, mayFail: neverOnPurpose })).toEqual([]);
  });
});
