/** Submissions that share a task: debounce, throttle, and the cache of a definition. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { FlowResource } from "../../src/contract/flow.ts";
import type { ProblemResource } from "../../src/contract/problem.ts";
import type { TaskResource } from "../../src/contract/task.ts";
import { apiOf, type Api } from "./api.ts";
import { shareServer, type SharedServer } from "./shared-server.ts";

let server: SharedServer;
let api: Api;
let keys = 0;

beforeAll(async () => {
  server = await shareServer();
  api = apiOf(server);
});

afterAll(() => server?.stop());

const newKey = () => `key-${++keys}`;

const pause = (ms: number) => new Promise((done) => setTimeout(done, ms));

const ms = (instant: string | null) => Date.parse(instant ?? "");

/** Every id once, and how many tasks of the tag exist at all. */
async function tasksOf(key: string): Promise<TaskResource[]> {
  return api.listAll(`tag.key=${key}`);
}

describe("debounce", () => {
  const debounced = (key: string, value: unknown, times: { wait: string | number; maxWait?: string | number }) =>
    api.submit("test.identity", { value }, { debounce: { key, ...times }, tags: { key } });

  it("runs once for ten submits, with the tenth input", async () => {
    const key = newKey();
    const ids: string[] = [];
    let lastAt = 0;
    for (let n = 1; n <= 10; n++) {
      lastAt = Date.now();
      ids.push((await debounced(key, n, { wait: "3s" })).id);
    }
    expect(new Set(ids).size).toBe(1);
    const ended = await api.waitForEnd(ids[0]);
    expect(ended).toMatchObject({ state: "succeeded", result: 10, attempt: 1 });
    expect(ms(ended.startedAt)).toBeGreaterThanOrEqual(lastAt + 3_000);
    expect(await tasksOf(key)).toHaveLength(1);
  });

  it("makes one task of fifty submits at once, and one that comes after its run makes another", async () => {
    const key = newKey();
    const tasks = await Promise.all(Array.from({ length: 50 }, (_, n) => debounced(key, n, { wait: "3s" })));
    expect(new Set(tasks.map((task) => task.id)).size).toBe(1);
    await api.waitForEnd(tasks[0].id);
    const next = await debounced(key, "next", { wait: "100ms" });
    expect(next.id).not.toBe(tasks[0].id);
    expect((await api.waitForEnd(next.id)).result).toBe("next");
    expect(await tasksOf(key)).toHaveLength(2);
  });

  it("waits no longer than maxWait after the first submit, however many come", async () => {
    const key = newKey();
    const times = { wait: "4s", maxWait: "6s" };
    const first = await debounced(key, 0, times);
    let last = first;
    let n = 0;
    while (Date.now() < ms(first.createdAt) + 3_000) {
      last = await debounced(key, ++n, times);
      await pause(200);
    }
    expect(last.id).toBe(first.id);
    expect(last.runAt).toBe(new Date(ms(first.createdAt) + 6_000).toISOString());
    const ended = await api.waitForEnd(first.id);
    expect(ended.result).toBe(n);
    expect(ms(ended.startedAt)).toBeGreaterThanOrEqual(ms(first.createdAt) + 6_000);
  });

  it("keeps other keys, tasks and tenants out of it", async () => {
    const key = newKey();
    const options = { debounce: { key, wait: "300ms" } };
    const { body } = await apiOf(server.root).post<{ key: string }>("/v1/keys", {
      name: "other",
      scopes: ["submit"],
      tenant: "windows-other",
    });
    const other = apiOf({ url: server.url, key: body.key });
    const tasks = [
      await api.submit("test.identity", 1, options),
      await api.submit("test.noop", 1, options),
      await api.submit("test.identity", 1, { debounce: { key: newKey(), wait: "300ms" } }),
      await other.submit("test.identity", 1, options),
    ];
    expect(new Set(tasks.map((task) => task.id)).size).toBe(4);
  });

  it("takes large inputs and small ones in any order", async () => {
    const large = (letter: string) => letter.repeat(300_000);
    const [up, down] = [newKey(), newKey()];
    await debounced(up, "small", { wait: "3s" });
    await debounced(up, large("a"), { wait: "3s" });
    const upwards = await debounced(up, large("b"), { wait: "3s" });
    await debounced(down, large("c"), { wait: "3s" });
    const downwards = await debounced(down, "small", { wait: "3s" });
    expect((await api.waitForEnd(upwards.id)).result).toBe(large("b"));
    expect((await api.waitForEnd(downwards.id)).result).toBe("small");
  });
});

describe("an idempotency key", () => {
  it("gives the task of the first request also when its window is over, and refuses another body", async () => {
    const key = newKey();
    const body = { task: "test.identity", input: 1, options: { debounce: { key, wait: "100ms" }, tags: { key } } };
    const headers = { "idempotency-key": key };
    const first = await api.post<TaskResource>("/v1/tasks", body, headers);
    expect(first.status).toBe(202);
    expect(first.headers.get("idempotency-replayed")).toBeNull();
    await api.waitForEnd(first.body.id);
    const again = await api.post<TaskResource>("/v1/tasks", body, headers);
    expect(again.body).toMatchObject({ id: first.body.id, state: "succeeded" });
    expect(again.headers.get("idempotency-replayed")).toBe("true");
    expect((await api.post("/v1/tasks", { ...body, input: 2 }, headers)).status).toBe(422);
    expect(await tasksOf(key)).toHaveLength(1);
  });

  it("makes the plain items of a batch once, too, beside those that share a task", async () => {
    const key = newKey();
    const tags = { key };
    const tasks = [
      { task: "test.cached", input: { value: key }, options: { tags } },
      { task: "test.noop", options: { tags } },
      { task: "test.add", input: { x: "no" } },
    ];
    const post = () =>
      api.post<{ items: { status: number; task?: TaskResource }[] }>(
        "/v1/tasks/batch",
        { tasks },
        { "idempotency-key": key },
      );
    const answers = await Promise.all(Array.from({ length: 10 }, post));
    const made = answers.map(({ body }) => body.items.map((item) => item.task?.id ?? item.status));
    expect(new Set(made.map((each) => each.join())).size).toBe(1);
    expect(made[0][2]).toBe(422);
    expect(await tasksOf(key)).toHaveLength(2);
  });
});

describe("throttle", () => {
  const throttled = (key: string, value: unknown, per: string) =>
    api.submit("test.identity", { value }, { throttle: { key, per }, tags: { key } });

  it("runs the first at once, and the rest of its time are the same task", async () => {
    const key = newKey();
    const tasks = await Promise.all(Array.from({ length: 20 }, (_, n) => throttled(key, n, "1m")));
    const ids = new Set(tasks.map((task) => task.id));
    expect(ids.size).toBe(1);
    const [id] = [...ids];
    const ended = await api.waitForEnd(id);
    expect((await throttled(key, "late", "1m")).id).toBe(id);
    expect((await api.read(id)).result).toBe(ended.result);
    expect(await tasksOf(key)).toHaveLength(1);
  });

  it("runs again when its time is over", async () => {
    const key = newKey();
    const first = await throttled(key, 1, "700ms");
    await pause(Math.max(0, ms(first.createdAt) + 750 - Date.now()));
    const second = await throttled(key, 2, "700ms");
    expect(second.id).not.toBe(first.id);
    expect((await api.waitForEnd(second.id)).result).toBe(2);
  });
});

describe("a cache", () => {
  it("answers fifty equal submits with one run", async () => {
    const input = { value: newKey(), ms: 5_000 };
    const tasks = await Promise.all(Array.from({ length: 50 }, () => api.submit("test.cached", input)));
    const results = await Promise.all(tasks.map((task) => api.waitForEnd(task.id)));
    expect(results.map((task) => task.result)).toEqual(
      Array.from({ length: 50 }, () => ({ value: input.value, ranAs: tasks[0].id })),
    );
    const runs = (await api.listAll("task=test.cached")).filter(
      (task) => (task.input as typeof input).value === input.value,
    );
    expect(runs.map((task) => task.attempt)).toEqual([1]);
  });

  it("answers equal items of one batch alike, and other inputs by themselves", async () => {
    const value = newKey();
    const of = (each: unknown) => ({ task: "test.cached", input: { value: each } });
    const tasks = await api.submitAll([of(value), of("other"), of(value), { task: "test.noop" }]);
    expect(tasks[2].id).toBe(tasks[0].id);
    expect(new Set(tasks.map((task) => task.id)).size).toBe(3);
  });

  it("serves a result for its time, and then runs anew", async () => {
    const input = { value: newKey() };
    const first = await api.waitForEnd((await api.submit("test.cached", input)).id);
    const soon = await api.submit("test.cached", input);
    expect(soon.id === first.id || ms(soon.createdAt) >= ms(first.finishedAt) + 2_000).toBe(true);
    await pause(Math.max(0, ms(first.finishedAt) + 2_100 - Date.now()));
    const again = await api.waitForEnd((await api.submit("test.cached", input)).id);
    expect(again.id).not.toBe(first.id);
  });

  it("keeps no failure: what was cancelled runs anew", async () => {
    const input = { value: newKey(), ms: 5_000 };
    const first = await api.submit("test.cached", input);
    await api.post(`/v1/tasks/${first.id}/cancel`);
    expect((await api.waitForEnd(first.id)).state).toBe("cancelled");
    expect((await api.submit("test.cached", input)).id).not.toBe(first.id);
  });

  it("gives the same answer to the same request again, by its own id", async () => {
    const body = { task: "test.cached", input: { value: newKey() } };
    const [first, second] = await Promise.all(
      [1, 2].map(() => api.post<TaskResource>("/v1/tasks", body, { "idempotency-key": body.input.value })),
    );
    expect([first.status, second.status]).toEqual([202, 202]);
    expect(second.body.id).toBe(first.body.id);
  });
});

describe("members of flows, children and ticks", () => {
  const ranAs = (result: unknown) => (result as { ranAs: string }[]).map((each) => each.ranAs);

  it("are runs of their own, though their task has a cache", async () => {
    const node = { task: "test.cached", input: { value: newKey() } };
    const { id } = await api.submit(node.task, node.input);
    await api.waitForEnd(id);
    const flow = await api.post<FlowResource>("/v1/flows", { group: [node, node] });
    const { result, nodes } = await api.waitForFlow(flow.body.id);
    expect(ranAs(result)).toEqual(nodes.map((each) => each.task.id));
    const parent = await api.submit("test.spawn", { ...node, n: 2 });
    expect(new Set([...ranAs((await api.waitForEnd(parent.id)).result), id]).size).toBe(3);
    expect((await api.call("PUT", "/v1/schedules/cached", { body: { every: "1h", ...node } })).status).toBe(201);
    const { body: tick } = await api.post<TaskResource>("/v1/schedules/cached/run");
    expect(ranAs([(await api.waitForEnd(tick.id)).result])).toEqual([tick.id]);
  });

  it("take no debounce and no throttle", async () => {
    const node = (options: object) => ({ task: "test.noop", options });
    const debounce = { debounce: { key: "k", wait: "1s" } };
    const throttle = { throttle: { key: "k", per: "1s" } };
    const flow = { chain: [node(debounce), node({})], onError: node(throttle) };
    const refused = await api.post<ProblemResource>("/v1/flows", flow);
    expect(refused.status).toBe(422);
    expect(refused.body.errors?.map((each) => each.pointer)).toEqual([
      "/chain/0/options/debounce",
      "/onError/options/throttle",
    ]);
    const schedule = await api.call("PUT", "/v1/schedules/shared", { body: { every: "1h", ...node(debounce) } });
    expect(schedule.status).toBe(422);
  });
});
