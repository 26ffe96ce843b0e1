/** Cancelling, retrying and removing tasks, one or many. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { TaskResource } from "../../src/contract/task.ts";
import { apiOf, type Api, type Submission } from "./api.ts";
import { shareServer, type SharedServer } from "./shared-server.ts";

let server: SharedServer;
let api: Api;

beforeAll(async () => {
  server = await shareServer();
  api = apiOf(server);
});

afterAll(() => server?.stop());

const cancel = (id: string, body?: unknown) => api.post<TaskResource>(`/v1/tasks/${id}/cancel`, body);
const retry = (id: string, body?: unknown) => api.post<TaskResource>(`/v1/tasks/${id}/retry`, body);
const remove = (id: string) => api.call("DELETE", `/v1/tasks/${id}`);
const conflict = { status: 409, body: { type: "/problems/conflict" } };

async function running(): Promise<string> {
  const { id } = await api.submit("test.sleep", { ms: 60_000 });
  await api.waitUntil(id, (task) => task.state === "running");
  return id;
}

const scheduled = async () => (await api.submit("test.noop", null, { delay: "1h" })).id;

/** A task that waits for its second attempt. */
async function retrying(): Promise<string> {
  const policy = { backoff: "fixed", base: "1h", jitter: "none" } as const;
  const { id } = await api.submit("test.failTimes", { times: 1 }, { retry: policy });
  await api.waitUntil(id, (task) => task.state === "retrying");
  return id;
}

const succeeded = async () => (await api.waitForEnd((await api.submit("test.noop")).id)).id;

async function failed(): Promise<string> {
  const { id } = await api.submit("test.fail", { message: "no", retryable: false });
  return (await api.waitForEnd(id)).id;
}

async function cancelled(): Promise<string> {
  const id = await scheduled();
  await cancel(id);
  return id;
}

describe("cancelling", () => {
  it("asks a running task to stop, and as often as one likes", async () => {
    const id = await running();
    const first = await cancel(id, { reason: "changed my mind" });
    expect(first).toMatchObject({ status: 202, body: { state: "running", cancelRequestedAt: expect.any(String) } });
    expect(first.headers.get("location")).toBe(`/v1/tasks/${id}`);
    expect(first.headers.get("retry-after")).toMatch(/^[1-9]\d*$/);
    expect((await cancel(id)).body.cancelRequestedAt).toBe(first.body.cancelRequestedAt);
    const task = await api.waitForEnd(id);
    expect(task).toMatchObject({
      state: "cancelled",
      result: null,
      error: { type: "cancelled", message: "cancelled: changed my mind" },
      attempts: [{ number: 1, outcome: "cancelled" }],
    });
    expect(await cancel(id)).toMatchObject({ status: 200, body: { state: "cancelled", finishedAt: task.finishedAt } });
  });

  it.each([
    ["scheduled", scheduled],
    ["retrying", retrying],
  ])("ends a %s task at once", async (_, plant) => {
    const id = await plant();
    expect(await cancel(id)).toMatchObject({ status: 200, body: { state: "cancelled", error: { type: "cancelled" } } });
    expect(await cancel(id)).toMatchObject({ status: 200, body: { state: "cancelled" } });
  });

  it("ends a queued task at once, and it never runs", async () => {
    await apiOf(server.root).post("/v1/lanes/bulk/pause", {});
    const { id } = await api.submit("test.noop", null, { lane: "bulk" });
    expect(await cancel(id)).toMatchObject({
      status: 200,
      body: { state: "cancelled", attempt: 0, startedAt: null },
    });
    await apiOf(server.root).post("/v1/lanes/bulk/resume");
    // What comes after it runs.
    await api.waitForEnd((await api.submit("test.noop", null, { lane: "bulk" })).id);
    expect(await api.read(id)).toMatchObject({ state: "cancelled", attempt: 0 });
  });

  it.each([
    ["succeeded", succeeded],
    ["failed", failed],
  ])("a task that has %s is a 409 and changes nothing", async (_, plant) => {
    const before = await api.read(await plant());
    expect(await cancel(before.id)).toMatchObject(conflict);
    expect(await api.read(before.id)).toEqual(before);
  });
});

describe("retrying", () => {
  it("runs a failed task again and keeps its history", async () => {
    const id = await failed();
    const answer = await retry(id);
    expect(answer).toMatchObject({ status: 202, body: { id, error: null, finishedAt: null, retainUntil: null } });
    expect(answer.headers.get("location")).toBe(`/v1/tasks/${id}`);
    expect(await api.waitForEnd(id)).toMatchObject({
      state: "failed",
      attempt: 2,
      attempts: [
        { number: 1, outcome: "failed" },
        { number: 2, outcome: "failed" },
      ],
    });
  });

  it("may give it another input", async () => {
    const id = await failed();
    const input = { message: "still no", retryable: false };
    expect((await retry(id, { input })).body.input).toEqual(input);
    expect(await api.waitForEnd(id)).toMatchObject({ input, error: { message: "still no" } });
  });

  it("may give it a large input, and a small one after it", async () => {
    const id = await failed();
    for (const length of [100_000, 3, 200_000]) {
      const message = "x".repeat(length);
      await retry(id, { input: { message, retryable: false } });
      expect((await api.waitForEnd(id)).input).toEqual({ message, retryable: false });
    }
  });

  it("gives it all of its attempts again", async () => {
    const policy = { backoff: "fixed", base: 0, jitter: "none" } as const;
    const { id } = await api.submit("test.failTimes", { times: 3 }, { maxAttempts: 2, retry: policy });
    expect(await api.waitForEnd(id)).toMatchObject({ state: "failed", attempt: 2 });
    await retry(id);
    expect(await api.waitForEnd(id)).toMatchObject({ state: "succeeded", attempt: 4, maxAttempts: 2, result: 4 });
  });

  it("runs a cancelled task", async () => {
    const id = await cancelled();
    expect((await retry(id)).status).toBe(202);
    expect(await api.waitForEnd(id)).toMatchObject({ state: "succeeded", attempt: 1, cancelRequestedAt: null });
  });

  it("refuses an input that does not fit, and leaves the task as it was", async () => {
    const before = await api.read(await failed());
    expect(await retry(before.id, { input: { message: 7 } })).toMatchObject({
      status: 422,
      body: { type: "/problems/invalid-input", errors: [{ pointer: "/input/message" }] },
    });
    expect(await api.read(before.id)).toEqual(before);
  });

  it.each([
    ["succeeded", succeeded],
    ["scheduled", scheduled],
    ["retrying", retrying],
    ["running", running],
  ])("a %s task is a 409 and changes nothing", async (_, plant) => {
    const before = await api.read(await plant());
    expect(await retry(before.id)).toMatchObject(conflict);
    expect(await api.read(before.id)).toEqual(before);
  });

  it("by many at the same moment starts no more runs than were accepted", async () => {
    const id = await failed();
    const answers = await Promise.all(Array.from({ length: 20 }, () => retry(id)));
    const accepted = answers.filter((answer) => answer.status === 202).length;
    expect(accepted).toBeGreaterThan(0);
    expect(answers.filter((answer) => answer.status === 409)).toHaveLength(20 - accepted);
    const { attempt, attempts } = await api.waitForEnd(id);
    expect(attempt).toBeGreaterThan(1);
    expect(attempt).toBeLessThanOrEqual(1 + accepted);
    expect(attempts?.map(({ number }) => number)).toEqual(Array.from({ length: attempt }, (_, i) => i + 1));
  });
});

describe("removing", () => {
  it.each([
    ["succeeded", succeeded],
    ["failed", failed],
    ["cancelled", cancelled],
  ])("takes a %s task away with its events", async (_, plant) => {
    const id = await plant();
    expect(await remove(id)).toMatchObject({ status: 204, body: "" });
    const gone = [
      await api.get(`/v1/tasks/${id}`),
      await api.get(`/v1/tasks/${id}/events`),
      await remove(id),
      await retry(id),
    ];
    for (const { status } of gone) expect([404, 410]).toContain(status);
  });

  it.each([
    ["scheduled", scheduled],
    ["retrying", retrying],
    ["running", running],
  ])("a %s task is a 409 and changes nothing", async (_, plant) => {
    const before = await api.read(await plant());
    expect(await remove(before.id)).toMatchObject(conflict);
    expect(await api.read(before.id)).toEqual(before);
  });
});

describe("a bulk verb", () => {
  const bulk = async (name: string, body: unknown) => (await api.post(`/v1/tasks/${name}`, body)).body;

  const plant = (plot: string, count: number, rest: Omit<Submission, "options">, options: Submission["options"] = {}) =>
    api.submitAll(Array.from({ length: count }, () => ({ ...rest, options: { ...options, tags: { plot } } })));

  it("only counts in a dry run, then acts on all that it counted, once", async () => {
    await plant("many", 1_200, { task: "test.noop" }, { delay: "1h" });
    const filter = { tags: { plot: "many" } };
    expect(await bulk("cancel", { filter, dryRun: true })).toEqual({ matched: 1_200, changed: 0 });
    expect(await api.listAll("tag.plot=many&state=scheduled")).toHaveLength(1_200);
    expect(await bulk("cancel", { filter })).toEqual({ matched: 1_200, changed: 1_200 });
    expect(await api.listAll("tag.plot=many&state=cancelled")).toHaveLength(1_200);
    expect(await bulk("cancel", { filter })).toEqual({ matched: 0, changed: 0 });

    expect(await bulk("delete", { filter, dryRun: true })).toEqual({ matched: 1_200, changed: 0 });
    expect(await bulk("delete", { filter })).toEqual({ matched: 1_200, changed: 1_200 });
    expect(await api.listAll("tag.plot=many")).toEqual([]);
  });

  it("acts on those that its verb can act on, and leaves the others", async () => {
    await plant("mixed", 3, { task: "test.fail", input: { message: "no", retryable: false } });
    await plant("mixed", 2, { task: "test.noop" });
    await plant("mixed", 4, { task: "test.noop" }, { delay: "1h" });
    await api.waitUntilNoneIs(["queued", "running"], "tag.plot=mixed");
    const filter = { tags: { plot: "mixed" } };
    expect(await bulk("retry", { filter, dryRun: true })).toEqual({ matched: 3, changed: 0 });
    expect(await bulk("retry", { filter })).toEqual({ matched: 3, changed: 3 });
    await api.waitUntilNoneIs(["queued", "running"], "tag.plot=mixed");
    expect((await api.listAll("tag.plot=mixed&state=failed")).map((task) => task.attempt)).toEqual([2, 2, 2]);
    expect(await bulk("delete", { filter: { ...filter, state: ["failed", "scheduled"] } })).toEqual({
      matched: 3,
      changed: 3,
    });
    expect(await bulk("cancel", { filter: { ...filter, state: ["scheduled"] } })).toEqual({ matched: 4, changed: 4 });
    expect((await api.listAll("tag.plot=mixed")).map((task) => task.state).toSorted()).toEqual([
      ...Array.from({ length: 4 }, () => "cancelled"),
      ...Array.from({ length: 2 }, () => "succeeded"),
    ]);
  });

  it("stops running tasks, too", async () => {
    await plant("asleep", 30, { task: "test.sleep", input: { ms: 60_000 } });
    await api.waitUntilNoneIs(["queued"], "tag.plot=asleep");
    expect(await bulk("cancel", { filter: { tags: { plot: "asleep" } } })).toEqual({ matched: 30, changed: 30 });
    await api.waitUntilNoneIs(["running"], "tag.plot=asleep");
    expect(await api.listAll("tag.plot=asleep&state=cancelled")).toHaveLength(30);
  });

  it("finds by ids, by task and by time", async () => {
    const [first, second, third] = await plant("found", 3, { task: "test.identity" }, { delay: "1h" });
    const tags = { plot: "found" };
    const count = async (filter: object) => bulk("cancel", { filter: { tags, ...filter }, dryRun: true });
    expect(await count({ ids: [first?.id, third?.id, "task_01jzzzzzzzzzzzzzzzzzzzzzzz", "1"] })).toEqual({
      matched: 2,
      changed: 0,
    });
    expect(await count({ ids: [] })).toEqual({ matched: 0, changed: 0 });
    expect(await count({ task: "test.identity" })).toEqual({ matched: 3, changed: 0 });
    expect(await count({ task: "test.noop" })).toEqual({ matched: 0, changed: 0 });
    expect(await count({ lane: "high" })).toEqual({ matched: 0, changed: 0 });
    expect(await count({ createdBefore: second?.createdAt })).toEqual({ matched: 0, changed: 0 });
    expect(await count({ createdAfter: "2026-01-01T00:00:00Z" })).toEqual({ matched: 3, changed: 0 });
  });
});
