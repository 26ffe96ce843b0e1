/** Durable tasks: steps that are not run again, naps and children that hold no worker. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { TaskEvent } from "../../src/contract/event.ts";
import type { ProblemResource } from "../../src/contract/problem.ts";
import type { StepEventData, StepResource } from "../../src/contract/step.ts";
import type { TaskResource } from "../../src/contract/task.ts";
import { startHookReceiver, type HookReceiver } from "../faults/hook-receiver.ts";
import { apiOf, type Api } from "./api.ts";
import { shareServer, type SharedServer } from "./shared-server.ts";
import { listenSse } from "./streams.ts";

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

/** Fast, so that no test waits for a retry. */
const AT_ONCE = { backoff: "fixed", base: 50, jitter: "none" } as const;

const outcomesOf = (task: TaskResource) => task.attempts?.map((attempt) => attempt.outcome);

const stepsOf = (id: string) => hooks.of(id).map(({ step, attempt }) => `${step} in ${attempt}`);

const waitFor = (id: string, type: string) =>
  api.waitUntil(id, ({ state, waitingFor }) => {
    return state === "waiting" && (waitingFor as { type: string } | null)?.type === type;
  });

/** What the service shows of where a task is. */
async function explain(id: string) {
  const { body } = await api.get<{ summary: string; reasons: { code: string }[] }>(`/v1/tasks/${id}/explain`);
  return body;
}

async function running(lane: string): Promise<number | undefined> {
  const { body } = await api.get<{ items: { name: string; running: number }[] }>("/v1/lanes");
  return body.items.find((each) => each.name === lane)?.running;
}

async function expectNoWorker(id: string, lane: string): Promise<void> {
  expect(await running(lane)).toBe(0);
  const { reasons } = await explain(id);
  expect(reasons.map((reason) => reason.code)).not.toContain("running");
}

describe("steps", () => {
  it("run once over two attempts, also those before the failure", async () => {
    const { id } = await api.submit("test.steps", { steps: 4, failAfter: 2, url: hooks.url }, { retry: AT_ONCE });
    const task = await api.waitForEnd(id);
    expect(task).toMatchObject({ state: "succeeded", attempt: 2, result: ["s1", "s2", "s3", "s4"] });
    expect(outcomesOf(task)).toEqual(["failed", "succeeded"]);
    expect(stepsOf(id)).toEqual(["s1 in 1", "s2 in 1", "s3 in 2", "s4 in 2"]);

    const first = await api.get<{ items: StepResource[]; nextCursor: string }>(`/v1/tasks/${id}/steps?limit=3`);
    const rest = await api.get<{ items: StepResource[] }>(`/v1/tasks/${id}/steps?cursor=${first.body.nextCursor}`);
    const listed = [...first.body.items, ...rest.body.items].map(({ name, kind, attempt }) => [name, kind, attempt]);
    expect(listed).toEqual([
      ["s1", "step", 1],
      ["s2", "step", 1],
      ["s3", "step", 2],
      ["s4", "step", 2],
    ]);
    const { body } = await api.get<{ items: TaskEvent[] }>(`/v1/tasks/${id}/events`);
    const told = body.items.filter(({ type }) => type === "step").map(({ data }) => data as StepEventData);
    expect(told.map(({ name, phase }) => `${name} ${phase}`)).toEqual(
      ["s1", "s2", "s3", "s4"].flatMap((name) => [`${name} started`, `${name} finished`]),
    );
  });

  it("that fail are run again, and those before them are not", async () => {
    const refusing = await startHookReceiver((hook) => hook.step === "s3" && hook.attempt === 1);
    try {
      const { id } = await api.submit("test.steps", { steps: 4, url: refusing.url }, { retry: AT_ONCE });
      const task = await api.waitForEnd(id);
      expect(task).toMatchObject({ state: "succeeded", attempt: 2 });
      const steps = refusing.of(id).map(({ step, attempt }) => `${step} in ${attempt}`);
      expect(steps).toEqual(["s1 in 1", "s2 in 1", "s3 in 1", "s3 in 2", "s4 in 2"]);
    } finally {
      await refusing.close();
    }
  });

  it("are all run again by a manual retry, which begins with an empty journal", async () => {
    const refusing = await startHookReceiver((hook) => hook.step === "s2" && hook.attempt === 1);
    try {
      const { id } = await api.submit("test.steps", { steps: 3, url: refusing.url }, { maxAttempts: 1 });
      expect(await api.waitForEnd(id)).toMatchObject({ state: "failed", attempt: 1 });
      const unknown = await api.post<ProblemResource>(`/v1/tasks/${id}/retry`, { from: "s9" });
      expect([unknown.status, unknown.body.errors?.[0]?.pointer]).toEqual([422, "/from"]);
      expect((await api.post(`/v1/tasks/${id}/retry`)).status).toBe(202);
      expect(await api.waitForEnd(id)).toMatchObject({ state: "succeeded", attempt: 2, result: ["s1", "s2", "s3"] });
      expect(refusing.of(id).map((hook) => hook.step)).toEqual(["s1", "s2", "s1", "s2", "s3"]);
    } finally {
      await refusing.close();
    }
  });

  it("may be many", async () => {
    const { id } = await api.submit("test.steps", { steps: 300, failAfter: 299 }, { retry: AT_ONCE });
    const task = await api.waitForEnd(id);
    expect(task).toMatchObject({ state: "succeeded", attempt: 2 });
    expect(task.result).toEqual(Array.from({ length: 300 }, (_, n) => `s${n + 1}`));
  });

  it("go on in a new invocation when half of an attempt's time is over, as long as the task takes", async () => {
    const options = { timeout: "10s", maxAttempts: 1 } as const;
    const { id } = await api.submit("test.steps", { steps: 6, ms: 2_000, url: hooks.url }, options);
    const task = await api.waitForEnd(id);
    // More work than fits into one attempt.
    expect(task).toMatchObject({ state: "succeeded", result: ["s1", "s2", "s3", "s4", "s5", "s6"] });
    expect(hooks.of(id).map((hook) => hook.step)).toEqual(["s1", "s2", "s3", "s4", "s5", "s6"]);
    const outcomes = outcomesOf(task)!;
    expect(outcomes.length).toBeGreaterThanOrEqual(2);
    expect(outcomes).toEqual([...outcomes.slice(1).map(() => "suspended"), "succeeded"]);
  });
});

describe("a nap", () => {
  it("costs no attempt that counts, and says that it is one", async () => {
    const options = { maxAttempts: 1, lane: "high" } as const;
    const { id } = await api.submit("test.nap", { ms: 6_000, url: hooks.url }, options);
    const asleep = await waitFor(id, "sleep");
    const { until } = asleep.waitingFor as { until: string };
    expect(asleep).toMatchObject({ attempt: 1, waitingFor: { type: "sleep", signals: [], tasks: [] }, runAt: until });
    expect(asleep.attempts).toMatchObject([{ number: 1, outcome: "suspended", error: null }]);
    expect(Date.parse(until) - Date.parse(asleep.createdAt)).toBeGreaterThanOrEqual(6_000);
    await expectNoWorker(id, "high");
    expect(await explain(id)).toMatchObject({ state: "waiting", reasons: [{ code: "sleeping", until }] });

    const task = await api.waitForEnd(id);
    expect(task).toMatchObject({ state: "succeeded", attempt: 2, maxAttempts: 1, result: 2, waitingFor: null });
    expect(outcomesOf(task)).toEqual(["suspended", "succeeded"]);
    expect(Date.parse(task.startedAt!)).toBeGreaterThanOrEqual(Date.parse(until));
    expect(stepsOf(id)).toEqual(["before in 1", "after in 2"]);
  });

  it("may be of no length, and of a year", async () => {
    const [none, year] = await Promise.all([
      api.submit("test.nap", { ms: 0 }),
      api.submit("test.nap", { ms: 365 * 86_400_000 }),
    ]);
    expect(await api.waitForEnd(none.id)).toMatchObject({ state: "succeeded" });
    const { waitingFor } = await waitFor(year.id, "sleep");
    const ahead = Date.parse((waitingFor as { until: string }).until) - Date.now();
    expect(ahead / 86_400_000).toBeCloseTo(365, 1);
    expect(await api.post(`/v1/tasks/${year.id}/cancel`)).toMatchObject({ status: 200, body: { state: "cancelled" } });
  });

  it("is told to listeners, in order and with done last", async () => {
    const { id, links } = await api.submit("test.nap", { ms: 1_000 });
    const headers = { authorization: `Bearer ${server.key}` };
    const events = await listenSse(server.url + links.events, { headers });
    const numbers = events.map((event) => event.seq);
    expect(numbers).toEqual([...new Set(numbers)].toSorted((a, b) => a - b));
    expect(told(events)).toEqual([
      "state queued 0",
      "state running 1",
      "before started 1",
      "before finished 1",
      "sleep started 1",
      "state waiting 1",
      "state queued 1",
      "state running 2",
      "sleep finished 2",
      "after started 2",
      "after finished 2",
      "state succeeded 2",
      "done succeeded 2",
    ]);
    // The same from the beginning, afterwards.
    const { body } = await api.get<{ items: TaskEvent[] }>(links.events);
    expect(told(body.items)).toEqual(told(events));
    expect(body.items.at(-1)).toMatchObject({ type: "done", data: { id, result: 2 } });
  });
});

function told(events: TaskEvent[]): string[] {
  return events.map(({ type, data }) => {
    const { state, attempt, name, phase } = data as { state: string } & StepEventData;
    return type === "step" ? `${name} ${phase} ${attempt}` : `${type} ${state} ${attempt}`;
  });
}

describe("children", () => {
  const childrenOf = async (id: string) =>
    (await api.listAll()).filter((task) => task.parentId === id).toSorted((a, b) => a.id.localeCompare(b.id));

  it("give their results in the order in which they were asked for, and say whose they are", async () => {
    const spawn = { task: "test.identity", input: { value: "mine" }, n: 5 };
    const { id } = await api.submit("test.spawn", spawn);
    const task = await api.waitForEnd(id);
    expect(task).toMatchObject({ state: "succeeded", result: ["mine", "mine", "mine", "mine", "mine"] });
    expect(outcomesOf(task)).toEqual(["suspended", "succeeded"]);
    const children = await childrenOf(id);
    expect(children).toHaveLength(5);
    expect(new Set(children.map(({ rootId, state }) => `${rootId} ${state}`))).toEqual(new Set([`${id} succeeded`]));
  });

  it("of children know the root of them all", async () => {
    const inner = { task: "test.spawn", input: { task: "test.context", n: 1 }, n: 1 };
    const { id } = await api.submit("test.spawn", inner);
    const { result } = await api.waitForEnd(id);
    const [child] = await childrenOf(id);
    expect(result).toMatchObject([[{ parentId: child?.id, rootId: id }]]);
  });

  it("may be none, in which case nothing is waited for", async () => {
    const { id } = await api.submit("test.spawn", { task: "test.noop", n: 0 });
    expect(await api.waitForEnd(id)).toMatchObject({ state: "succeeded", attempt: 1, result: [] });
  });

  it("are waited for without a worker", async () => {
    const options = { lane: "bulk" } as const;
    const { id } = await api.submit("test.spawn", { task: "test.sleep", input: { ms: 8_000 }, n: 3 }, options);
    const waiting = await waitFor(id, "tasks");
    const children = (await childrenOf(id)).map((child) => child.id);
    const [team] = (waiting.waitingFor as { tasks: string[][] }).tasks;
    expect(team?.toSorted()).toEqual(children);
    await expectNoWorker(id, "bulk");
    expect(await explain(id)).toMatchObject({ reasons: [{ code: "waiting_tasks", taskIds: team, more: false }] });
    expect(await api.waitForEnd(id)).toMatchObject({ state: "succeeded", result: ["slept", "slept", "slept"] });
  });

  it("that fail are named in the error, at once: another attempt would ask the same child", async () => {
    const spawn = { task: "test.fail", input: { message: "as asked", retryable: false }, n: 2 };
    const { id } = await api.submit("test.spawn", spawn);
    const task = await api.waitForEnd(id);
    const [child] = await childrenOf(id);
    expect(task).toMatchObject({
      state: "failed",
      error: { type: "ChildFailedError", data: { state: "failed", error: { message: "as asked" } } },
    });
    expect(outcomesOf(task)).toEqual(["suspended", "failed"]);
    const { taskId } = task.error!.data as { taskId: string };
    expect((await childrenOf(id)).map((each) => each.id)).toContain(taskId);
    expect(child?.state).toBe("failed");
  });

  it("that are refused fail the parent with what is wrong", async () => {
    const unknown = await api.submit("test.spawn", { task: "no.such.task", n: 1 });
    const unfit = await api.submit("test.spawn", { task: "test.add", input: { x: 1 }, n: 1 });
    expect(await api.waitForEnd(unknown.id)).toMatchObject({
      state: "failed",
      attempt: 1,
      error: { type: "NonRetryableError", message: expect.stringContaining("no.such.task") as string },
    });
    expect(await api.waitForEnd(unfit.id)).toMatchObject({
      state: "failed",
      attempt: 1,
      error: { data: [{ pointer: "/input/y" }] },
    });
  });

  it("are cancelled with their parent: those that run, those that sleep and those of those", async () => {
    const napping = { task: "test.spawn", input: { task: "test.nap", input: { ms: 60_000 }, n: 2 }, n: 1 };
    const busy = { task: "test.sleep", input: { ms: 60_000 }, n: 2 };
    const parents = [await api.submit("test.spawn", napping), await api.submit("test.spawn", busy)];
    const [grandparent, parent] = parents as [TaskResource, TaskResource];
    await api.waitUntil(grandparent.id, (task) => task.state === "waiting");
    await api.waitUntil(parent.id, (task) => task.state === "waiting");
    const [middle] = await childrenOf(grandparent.id);
    await api.waitUntil(middle!.id, (task) => task.state === "waiting");
    const family = [middle!, ...(await childrenOf(middle!.id)), ...(await childrenOf(parent.id))];
    expect(family).toHaveLength(5);
    for (const { id, task } of family) {
      await api.waitUntil(id, ({ state }) => state === (task === "test.sleep" ? "running" : "waiting"));
    }
    for (const { id } of parents) expect((await api.post(`/v1/tasks/${id}/cancel`)).status).toBe(200);
    const ended = await Promise.all([...parents, ...family].map((task) => api.waitForEnd(task.id)));
    expect(ended.map((task) => task.state)).toEqual(ended.map(() => "cancelled"));
  });

  it("are kept as long as their parent may want to hear of them", async () => {
    const { id } = await api.submit("test.spawn", { task: "test.sleep", input: { ms: 60_000 }, n: 2 });
    await waitFor(id, "tasks");
    const [first, second] = (await childrenOf(id)) as [TaskResource, TaskResource];
    await api.post(`/v1/tasks/${first.id}/cancel`);
    await api.waitForEnd(first.id);
    const refused = await api.call("DELETE", `/v1/tasks/${first.id}`);
    expect(refused).toMatchObject({ status: 409, body: { detail: expect.stringContaining("parent") as string } });
    await api.post(`/v1/tasks/${second.id}/cancel`);
    expect(await api.waitForEnd(id)).toMatchObject({ state: "failed", error: { data: { state: "cancelled" } } });
    expect((await api.call("DELETE", `/v1/tasks/${first.id}`)).status).toBe(204);
  });
});
