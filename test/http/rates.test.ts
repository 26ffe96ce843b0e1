/** A rate-limited definition for real: starts are apart by the service's own record, whichever caller submits and whatever else holds them back. */
import { afterAll, beforeAll, expect, it } from "vitest";
import type { TaskResource } from "../../src/contract/task.ts";
import { apiOf, LIVE, poll, type Api } from "./api.ts";
import { shareServer, type SharedServer } from "./shared-server.ts";

/** Ten a second, and what the clock of the record may lack. */
const MIN_GAP_MS = 95;

let server: SharedServer;
let api: Api;

beforeAll(async () => {
  server = await shareServer();
  api = apiOf(server);
});

afterAll(() => server?.stop());

async function endedInOrderOfStart(plot: string): Promise<TaskResource[]> {
  await api.waitUntilNoneIs(LIVE);
  const all = await api.listAll(`tag.plot=${plot}`);
  return all.toSorted((a, b) => ms(a.startedAt) - ms(b.startedAt));
}

const ms = (instant: string | null) => Date.parse(instant ?? "");

function gapsOf(tasks: Pick<TaskResource, "startedAt">[]): number[] {
  return tasks.slice(1).map((task, i) => ms(task.startedAt) - ms(tasks[i].startedAt));
}

it("starts fifty tasks of five submitters at least 95 ms apart", async () => {
  const options = { tags: { plot: "fifty" } };
  await Promise.all(
    Array.from({ length: 5 }, async (_, n) => {
      if (n === 0) await api.submitAll(Array.from({ length: 10 }, () => ({ task: "test.rated", options })));
      else for (let i = 0; i < 10; i++) await api.submit("test.rated", undefined, options);
    }),
  );
  const tasks = await endedInOrderOfStart("fifty");
  const gaps = gapsOf(tasks);
  console.log(`50 starts at least ${Math.min(...gaps)} ms apart, ${Math.max(...gaps)} at most`);
  expect(tasks.map((task) => task.state)).toEqual(Array.from({ length: 50 }, () => "succeeded"));
  expect(Math.min(...gaps)).toBeGreaterThanOrEqual(MIN_GAP_MS);
});

it("holds everything of a rate back when an upstream has said so, and uses up no attempt", async () => {
  // The others wait in a lane that is opened once the word of it is known.
  expect((await apiOf(server.root).post("/v1/lanes/bulk/pause", {})).status).toBe(200);
  const options = { tags: { plot: "upset" } };
  const others = Array.from({ length: 12 }, () => ({
    task: "test.rated",
    options: { ...options, lane: "bulk" as const },
  }));
  await api.submitAll(others);
  const upset = await api.submit("test.rated", { holdBackMs: 5_000 }, { ...options, maxAttempts: 1 });
  await api.waitUntil(upset.id, (task) => task.attempts?.[0]?.outcome === "snoozed");
  const { body: limit } = await api.get<{ heldUntil: string | null }>("/v1/limits/rate:test.rated");
  await apiOf(server.root).post("/v1/lanes/bulk/resume");
  const tasks = await endedInOrderOfStart("upset");
  expect(tasks.map((task) => task.state)).toEqual(Array.from({ length: 13 }, () => "succeeded"));
  expect(ms(tasks[0].startedAt)).toBeGreaterThanOrEqual(ms(limit.heldUntil));
  const { attempts } = await api.read(upset.id);
  expect(ms(tasks[0].startedAt)).toBeGreaterThanOrEqual(ms(attempts![0].startedAt) + 5_000);
  expect(Math.min(...gapsOf(tasks))).toBeGreaterThanOrEqual(MIN_GAP_MS);
  expect(await api.read(upset.id)).toMatchObject({
    result: 2,
    attempts: [{ outcome: "snoozed" }, { outcome: "succeeded" }],
  });
});

it("drops what is over the limit of a definition that says so", async () => {
  const tasks = await api.submitAll(Array.from({ length: 20 }, () => ({ task: "test.dropped" })));
  const ended = await Promise.all(tasks.map((task) => api.waitForEnd(task.id)));
  const states = Object.groupBy(ended, (task) => task.state);
  expect(states.succeeded!.length).toBeGreaterThanOrEqual(2);
  expect(states.cancelled!.length).toBe(20 - states.succeeded!.length);
  expect(states.cancelled![0]!.error!.message).toContain("over the rate limit");
  expect(states.cancelled![0]!.attempt).toBe(0);
});

it("stays right together with a concurrency limit and a lane that is paused on the way", async () => {
  const concurrency = { key: "k", limit: 2 };
  await api.submitAll(
    Array.from({ length: 30 }, () => ({
      task: "test.rated",
      input: { ms: 250 },
      options: { lane: "bulk", concurrency, tags: { plot: "paused" } },
    })),
  );
  const ended = async () => (await api.listAll("tag.plot=paused&state=succeeded")).length;
  await poll(
    () => "hardly any of them ran",
    async () => ((await ended()) >= 5 ? true : null),
  );
  expect((await apiOf(server.root).post("/v1/lanes/bulk/pause", {})).status).toBe(200);
  // What was claimed at that moment goes on.
  await poll(
    () => "some of them go on in a paused lane",
    async () => ((await api.listAll("state=running")).length === 0 ? true : null),
  );
  const before = await ended();
  const pausedAt = Date.now();
  await new Promise((done) => setTimeout(done, 1_500));
  expect(await ended()).toBe(before);
  const resumedAt = Date.now();
  await apiOf(server.root).post("/v1/lanes/bulk/resume");

  const tasks = await endedInOrderOfStart("paused");
  const gaps = gapsOf(tasks);
  expect(tasks.filter((task) => task.state === "succeeded")).toHaveLength(30);
  expect(Math.min(...gaps)).toBeGreaterThanOrEqual(MIN_GAP_MS);
  expect(tasks.filter((task) => ms(task.startedAt) > pausedAt && ms(task.startedAt) < resumedAt)).toEqual([]);
  const running = (at: number) => tasks.filter((task) => ms(task.startedAt) <= at && ms(task.finishedAt) > at).length;
  expect(Math.max(...tasks.map((task) => running(ms(task.startedAt))))).toBeLessThanOrEqual(2);
});
