/** Durable tasks go on where they were when everything was killed with -9: what they have done is not done again. */
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { TaskResource } from "../../src/contract/task.ts";
import { apiOf, LIVE, poll, type Api } from "../http/api.ts";
import { shareServer, type SharedServer } from "../http/shared-server.ts";
import { startHookReceiver, type Hook, type HookReceiver } from "./hook-receiver.ts";

let server: SharedServer;
let api: Api;
let hooks: HookReceiver;

beforeAll(async () => {
  [server, hooks] = await Promise.all([shareServer(), startHookReceiver(holds)]);
  api = apiOf(server);
});

afterAll(async () => {
  await Promise.all([server?.stop(), hooks?.close()]);
});

/** A step that is never answered. */
let held: Partial<Hook> = {};

const holds = ({ id, step, attempt }: Hook): boolean | Promise<boolean> =>
  id === held.id && step === held.step && attempt === held.attempt ? new Promise(() => {}) : false;

const outcomesOf = (task: TaskResource) => task.attempts?.map((attempt) => attempt.outcome);

const told = (id: string, step: string) =>
  poll(
    () => `${id} has not come to ${step}`,
    () => hooks.of(id).some((hook) => hook.step === step) || null,
  );

const isWaiting = ({ state }: TaskResource) => state === "waiting";

it("wakes what waits for a time, for children and for signals once, and runs no step again but what was cut off", async () => {
  const stepping = await api.submit("test.steps", { steps: 5, url: hooks.url });
  held = { id: stepping.id, step: "s4", attempt: 1 };
  // What came before it is kept by then.
  await told(stepping.id, "s4");
  const short = await api.submit("test.nap", { ms: 8_000, url: hooks.url }, { maxAttempts: 1 });
  const long = await api.submit("test.nap", { ms: 12_000, url: hooks.url }, { maxAttempts: 1 });
  const parent = await api.submit("test.spawn", { task: "test.sleep", input: { ms: 8_000 }, n: 20 });
  const patient = await api.submit("test.signals", { name: "n", waits: Array.from({ length: 6 }, () => null) });
  const [asleep] = await Promise.all([short, long, parent, patient].map((task) => api.waitUntil(task.id, isWaiting)));
  const send = async (n: number) => {
    expect((await api.post(`/v1/tasks/${patient.id}/signals/n`, n)).status).toBe(202);
  };
  for (const n of [1, 2, 3]) await send(n);

  // At once: the bell for the last signal is in a queue that dies here.
  await server.kill9();
  await poll(
    () => "the time of the short nap does not come",
    () => Date.now() > Date.parse(asleep.runAt) || null,
  );
  const until = Date.now();
  await server.restart();
  for (const n of [4, 5, 6]) await send(n);

  const [woken, overslept, joined, heard] = await Promise.all(
    [short, long, parent, patient].map((task) => api.waitForEnd(task.id)),
  );
  for (const nap of [woken, overslept]) {
    expect(nap).toMatchObject({ state: "succeeded", attempt: 2, result: 2 });
    expect(outcomesOf(nap)).toEqual(["suspended", "succeeded"]);
    expect(hooks.of(nap.id).map(({ step, attempt }) => `${step} in ${attempt}`)).toEqual(["before in 1", "after in 2"]);
  }
  expect(Date.parse(overslept.startedAt!) - Date.parse(long.createdAt)).toBeGreaterThanOrEqual(12_000);
  // Its time came while no service ran.
  expect(Date.parse(woken.startedAt!)).toBeGreaterThanOrEqual(until);

  expect(joined).toMatchObject({ state: "succeeded", result: Array.from({ length: 20 }, () => "slept") });
  const children = (await api.listAll("task=test.sleep")).filter((task) => task.parentId === parent.id);
  expect(children.map((child) => child.state)).toEqual(Array.from({ length: 20 }, () => "succeeded"));

  expect(heard).toMatchObject({ state: "succeeded", result: [1, 2, 3, 4, 5, 6] });

  const stepped = await api.waitForEnd(stepping.id);
  expect(stepped).toMatchObject({ state: "succeeded", attempt: 2, result: ["s1", "s2", "s3", "s4", "s5"] });
  expect(outcomesOf(stepped)).toEqual(["crashed", "succeeded"]);
  const steps = hooks.of(stepping.id).map(({ step, attempt }) => `${step} in ${attempt}`);
  expect(steps).toEqual(["s1 in 1", "s2 in 1", "s3 in 1", "s4 in 1", "s4 in 2", "s5 in 2"]);
});

it("never goes back behind a step whose successor has begun, killed at any moment", async () => {
  // One more in a row, and a task might be taken for one that brings its worker down.
  const KILLS = 2;
  const STEPS = 6;
  const retry = { backoff: "fixed", base: 50, jitter: "none" } as const;
  const submitted = await api.submitAll(
    Array.from({ length: 30 }, (_, n) => ({
      task: "test.steps",
      input: { steps: STEPS, url: hooks.url, ms: 500 + 20 * n, ...(n % 3 === 0 ? { failAfter: 3 } : {}) },
      options: { retry },
    })),
  );
  const ids = new Set(submitted.map((task) => task.id));
  const came = () => hooks.hooks.filter((hook) => ids.has(hook.id)).length;
  const progress: number[] = [];
  for (let n = 1; n <= KILLS; n++) {
    const before = came();
    await poll(
      () => "hardly anything runs",
      () => came() > before + 20 || null,
    );
    await pause(n * 87);
    await server.kill9();
    progress.push(came());
    await server.restart();
  }
  await api.waitUntilNoneIs(LIVE, "task=test.steps");
  const tasks = await Promise.all(submitted.map((task) => api.read(task.id)));
  const crashes = tasks.map((task) => outcomesOf(task)!.filter((outcome) => outcome === "crashed").length);
  console.log("steps told at each kill:", progress, "in all:", came(), "cut off:", crashes);
  for (const [i, task] of tasks.entries()) {
    const steps = hooks.of(task.id).map((hook) => Number(hook.step!.slice(1)));
    expect(steps).toEqual(steps.toSorted((a, b) => a - b));
    expect(new Set(steps).size).toBe(STEPS);
    // A step is told of again only where an attempt was cut off while it ran.
    expect(steps.length - STEPS).toBeLessThanOrEqual(crashes[i]);
    expect(task).toMatchObject({ state: "succeeded" });
  }
  expect(crashes.reduce((sum, count) => sum + count)).toBeGreaterThan(0);
});
