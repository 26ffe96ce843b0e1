/** Undo handlers: what a task has done is undone, the last step first, when it finally fails or is cancelled so. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Explanation } from "../../src/contract/explanation.ts";
import type { TaskResource } from "../../src/contract/task.ts";
import { apiOf, poll, type Api } from "./api.ts";
import { startReceiver, type Received, type Receiver } from "./receiver.ts";
import { shareServer, type SharedServer } from "./shared-server.ts";

let server: SharedServer;
let api: Api;
let receiver: Receiver;
let paths = 0;

beforeAll(async () => {
  [server, receiver] = await Promise.all([shareServer(), startReceiver()]);
  api = apiOf(server);
});

afterAll(() => Promise.all([server?.stop(), receiver?.stop()]));

/** What was told: `s1`, and `-s1` for its undoing. */
const wordsOf = (received: readonly Received[]) =>
  received.map(({ body }) => {
    const { step, undo } = JSON.parse(body) as { step?: string; undo?: string };
    return step ?? `-${undo}`;
  });

/** A task of its own address, and what it has told there. */
async function submit(input: object, options?: Parameters<Api["submit"]>[2]) {
  const path = `/${++paths}`;
  const { id } = await api.submit("test.undo", { steps: 3, url: receiver.origin + path, ...input }, options);
  const told = () => wordsOf(receiver.at(path));
  const until = (last: string) =>
    poll(
      () => `${id} told ${told().join(" ")}`,
      () => told().includes(last) || null,
    );
  return { id, told, until };
}

/** Where the next task that is submitted will tell of its steps. */
const nextPath = () => `/${paths + 1}`;

const outcomes = (task: TaskResource) => task.attempts?.map((attempt) => attempt.outcome);

const cancel = (id: string, body?: object) => api.post<TaskResource>(`/v1/tasks/${id}/cancel`, body);

const DONE = ["s1", "s2", "s3"];
const UNDONE = ["-s3", "-s2", "-s1"];

describe("a task that finally fails", () => {
  it("undoes its steps in reverse, each once, and ends with its own error", async () => {
    const { id, told } = await submit({ failAfter: 3 });
    const task = await api.waitForEnd(id);
    expect(task).toMatchObject({ state: "failed", error: { type: "NonRetryableError" }, attempt: 2 });
    expect(task.error?.message).toBe("failed after s3, as asked");
    expect(task.error?.data).toBeUndefined();
    expect(told()).toEqual([...DONE, ...UNDONE]);
    expect(outcomes(task)).toEqual(["failed", "undone"]);
  });

  it("undoes what earlier attempts have done, and nothing while attempts are left", async () => {
    const { id, told } = await submit(
      { failAfter: 2, failTimes: 2 },
      { maxAttempts: 2, retry: { backoff: "fixed", base: "200ms", jitter: "none" } },
    );
    const task = await api.waitForEnd(id);
    expect(outcomes(task)).toEqual(["failed", "failed", "undone"]);
    expect(told()).toEqual(["s1", "s2", "-s2", "-s1"]);
  });

  it("undoes nothing where a later attempt succeeds", async () => {
    const { id, told } = await submit(
      { failAfter: 2, failTimes: 1 },
      { retry: { backoff: "fixed", base: "100ms", jitter: "none" } },
    );
    expect(await api.waitForEnd(id)).toMatchObject({ state: "succeeded", attempt: 2 });
    expect(told()).toEqual(DONE);
  });

  it("undoes its steps when its last attempt is out of time", async () => {
    const { id, told } = await submit({ holdMs: 60_000 }, { maxAttempts: 1, timeout: "5s" });
    const task = await api.waitForEnd(id);
    expect(task).toMatchObject({ state: "failed", error: { type: "timeout" } });
    expect(task.error?.data).toBeUndefined();
    expect(outcomes(task)).toEqual(["timeout", "undone"]);
    expect(told()).toEqual([...DONE, ...UNDONE]);
  });

  it("tells what could not be undone, and undoes the rest", async () => {
    const { id, told } = await submit({ failAfter: 3, failUndo: 2 });
    const task = await api.waitForEnd(id);
    expect(task).toMatchObject({ state: "failed", error: { message: "failed after s3, as asked" } });
    expect(task.error?.data).toEqual({
      undo: [{ step: "s2", error: { type: "Error", message: "s2 is not undone, as asked" } }],
    });
    expect(told()).toEqual([...DONE, ...UNDONE]);
  });

  it("ends as it was to when undoing takes longer than its timeout, and tells what is left", async () => {
    // No answer comes to the undoing of the first step.
    receiver.reply(nextPath(), (nth) => (nth < 4 ? 204 : null));
    const { id } = await submit({ steps: 2, failAfter: 2 }, { timeout: "5s", maxAttempts: 1 });
    const task = await api.waitForEnd(id);
    expect(task).toMatchObject({ state: "failed", error: { message: "failed after s2, as asked" } });
    expect(task.error?.data).toMatchObject({ undo: [{ step: "s1", error: { type: "timeout" } }] });
  });

  it("begins anew when it is run again: what is undone is done again", async () => {
    const { id, told } = await submit({ failAfter: 3 });
    await api.waitForEnd(id);
    await api.post(`/v1/tasks/${id}/retry`);
    expect(await api.waitForEnd(id)).toMatchObject({ state: "failed", attempt: 4 });
    expect(told()).toEqual([...DONE, ...UNDONE, ...DONE, ...UNDONE]);
  });

  it("ends at once where it has completed no step", async () => {
    receiver.reply(nextPath(), () => 500);
    const { id } = await submit({ steps: 1 }, { maxAttempts: 1 });
    expect(outcomes(await api.waitForEnd(id))).toEqual(["failed"]);
  });
});

describe("a cancel with undo", () => {
  it("undoes what a running task has done", async () => {
    const { id, told, until } = await submit({ holdMs: 60_000 });
    await until("s3");
    expect((await cancel(id, { undo: true, reason: "withdrawn" })).status).toBe(202);
    const task = await api.waitForEnd(id);
    expect(task).toMatchObject({ state: "cancelled", error: { type: "cancelled", message: "cancelled: withdrawn" } });
    expect(outcomes(task)).toEqual(["cancelled", "undone"]);
    expect(told()).toEqual([...DONE, ...UNDONE]);
  });

  it("undoes what a sleeping task has done, and says so until it has ended", async () => {
    const { id, told } = await submit({ napMs: 3_600_000, undoMs: 2_000 });
    await api.waitUntil(id, (task) => task.state === "waiting");
    const answer = await cancel(id, { undo: true });
    expect(answer).toMatchObject({ status: 202, body: { state: "queued", cancelRequestedAt: expect.any(String) } });
    const { body } = await api.get<Explanation>(`/v1/tasks/${id}/explain`);
    expect(body.summary).toMatch(/undoe?(s|ing) its steps/);
    // It goes on, whatever is asked of it now, and for longer than a cancel takes to be heard of.
    expect((await cancel(id, { undo: true })).status).toBe(202);
    expect((await cancel(id)).status).toBe(202);
    const ended = await api.waitForEnd(id);
    expect(ended).toMatchObject({ state: "cancelled" });
    expect(outcomes(ended)).toEqual(["suspended", "undone"]);
    expect(told()).toEqual([...DONE, ...UNDONE]);
    expect((await cancel(id)).status).toBe(200);
  });

  it("has nothing to undo in a task that has not started", async () => {
    const { id, told } = await submit({}, { delay: "1h" });
    expect(await cancel(id, { undo: true })).toMatchObject({ status: 200, body: { state: "cancelled" } });
    expect(told()).toEqual([]);
  });

  it("can be asked of many at once", async () => {
    const tasks = await Promise.all([submit({ napMs: 3_600_000 }), submit({ napMs: 3_600_000 })]);
    const ids = tasks.map((task) => task.id);
    for (const id of ids) await api.waitUntil(id, (task) => task.state === "waiting");
    const answer = await api.post("/v1/tasks/cancel", { filter: { ids }, undo: true });
    expect(answer).toMatchObject({ status: 200, body: { matched: 2, changed: 2 } });
    for (const { id, told } of tasks) {
      expect(await api.waitForEnd(id)).toMatchObject({ state: "cancelled" });
      expect(told()).toEqual([...DONE, ...UNDONE]);
    }
  });

  it("reaches the children of a task, and the members of a flow", async () => {
    const input = (path: string) => ({ steps: 3, url: receiver.origin + path, napMs: 3_600_000 });
    const parent = await api.submit("test.spawn", { task: "test.undo", n: 1, input: input("/child") });
    const flow = await api.post<{ id: string }>("/v1/flows", {
      chain: [{ task: "test.undo", input: input("/member") }, { task: "test.noop" }],
    });
    await receiver.next("/child", 3);
    await receiver.next("/member", 3);
    await cancel(parent.id, { undo: true });
    expect((await api.post(`/v1/flows/${flow.body.id}/cancel`, { undo: true })).status).toBe(202);
    expect(wordsOf(await receiver.next("/child", 6))).toEqual([...DONE, ...UNDONE]);
    expect(wordsOf(await receiver.next("/member", 6))).toEqual([...DONE, ...UNDONE]);
    expect(await api.waitForFlow(flow.body.id)).toMatchObject({ state: "cancelled", counts: { cancelled: 2 } });
  });

  it("is refused where the task undoes its steps because it has failed", async () => {
    const { id } = await submit({ failAfter: 3, undoMs: 400 });
    await api.waitUntil(id, (task) => task.attempts?.[0]?.outcome === "failed");
    expect(await cancel(id, { undo: true })).toMatchObject({ status: 409, body: { type: "/problems/conflict" } });
    expect(await api.waitForEnd(id)).toMatchObject({ state: "failed", cancelRequestedAt: null });
  });
});

describe("a plain cancel", () => {
  it("undoes nothing", async () => {
    const running = await submit({ holdMs: 60_000 });
    const asleep = await submit({ napMs: 3_600_000 });
    await running.until("s3");
    await api.waitUntil(asleep.id, (task) => task.state === "waiting");
    expect([(await cancel(running.id)).status, (await cancel(asleep.id)).status]).toEqual([202, 200]);
    for (const { id, told } of [running, asleep]) {
      expect(await api.waitForEnd(id)).toMatchObject({ state: "cancelled", attempt: 1 });
      expect(told()).toEqual(DONE);
    }
  });
});
