/** Submitting, reading and listing tasks over HTTP. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { TaskList, TaskResource } from "../../src/contract/task.ts";
import { apiOf, LIVE, type Answer, type Api } from "./api.ts";
import { shareServer, type SharedServer } from "./shared-server.ts";

const INSTANT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
const TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

let server: SharedServer;
let api: Api;

beforeAll(async () => {
  server = await shareServer();
  api = apiOf(server);
});

afterAll(() => server?.stop());

describe("a submission", () => {
  it("is answered at once with the task, its address and when to ask again", async () => {
    const body = { task: "test.sleep", input: { ms: 200 }, options: { tags: { customer: "42" } } };
    const { status, headers, body: task } = await api.post<TaskResource>("/v1/tasks", body);
    expect(status).toBe(202);
    expect(headers.get("location")).toBe(`/v1/tasks/${task.id}`);
    expect(headers.get("retry-after")).toMatch(/^[1-9]\d*$/);
    expect(task).toEqual({
      id: expect.stringMatching(/^task_/),
      task: "test.sleep",
      state: "queued",
      input: { ms: 200 },
      result: null,
      error: null,
      progress: null,
      attempt: 0,
      maxAttempts: 3,
      lane: "default",
      tags: { customer: "42" },
      parentId: null,
      rootId: task.id,
      flowId: null,
      createdAt: expect.stringMatching(INSTANT),
      runAt: task.createdAt,
      startedAt: null,
      finishedAt: null,
      expiresAt: null,
      retainUntil: null,
      cancelRequestedAt: null,
      waitingFor: null,
      traceparent: null,
      links: {
        self: `/v1/tasks/${task.id}`,
        events: `/v1/tasks/${task.id}/events`,
        cancel: `/v1/tasks/${task.id}/cancel`,
      },
    });
    const ended = await api.waitForEnd(task.id);
    expect(ended).toMatchObject({
      state: "succeeded",
      result: "slept",
      attempt: 1,
      startedAt: expect.stringMatching(INSTANT),
    });
    expect(Date.parse(ended.retainUntil!) - Date.parse(ended.finishedAt!)).toBe(7 * 86_400_000);
  });

  it("that would rather wait is answered with the ended task", async () => {
    const headers = { prefer: "wait=60" };
    const body = { task: "test.add", input: { x: 40, y: 2 } };
    const answer = await api.post<TaskResource>("/v1/tasks", body, headers);
    expect(answer).toMatchObject({
      status: 200,
      body: { state: "succeeded", result: 42, attempts: [{ outcome: "succeeded" }] },
    });
    expect(answer.headers.get("preference-applied")).toBe("wait=60");
    expect(answer.headers.get("retry-after")).toBeNull();
  });

  it("whose task does not end in the time to wait is accepted all the same", async () => {
    const body = { task: "test.sleep", input: { ms: 60_000 } };
    const answer = await api.post<TaskResource>("/v1/tasks", body, { prefer: "wait=1" });
    expect(answer.status).toBe(202);
    expect(answer.headers.get("preference-applied")).toBe("wait=1");
    expect(LIVE).toContain((await api.read(answer.body.id)).state);
    await api.post(`/v1/tasks/${answer.body.id}/cancel`);
  });

  it.each([
    ["wait=0", "wait=0"],
    ["wait=00", "wait=0"],
    ['wait="50"', "wait=50"],
    ["respond-async, wait=50", "wait=50"],
    ["WAIT = 50", "wait=50"],
    ["wait=61", "wait=60"],
    ["wait=99999999999999999999", "wait=60"],
    ["wait=1.5", null],
    ["wait=1e9", null],
    ["wait=-1", null],
    ["wait=1s", null],
    ['wait="1', null],
    ["wait=", null],
    ["wait", null],
    ["await=1", null],
    ["wait=soon, wait=1", null],
  ])("that prefers %j is told %j of it, and so is a read", async (prefer, applied) => {
    const { status, headers, body } = await api.post<TaskResource>("/v1/tasks", { task: "test.noop" }, { prefer });
    expect([applied === null || applied === "wait=0" ? 202 : 200, headers.get("preference-applied")]).toEqual([
      status,
      applied,
    ]);
    await api.waitForEnd(body.id);
    const read = await api.get(`/v1/tasks/${body.id}`, { prefer });
    expect([read.status, read.headers.get("preference-applied")]).toEqual([200, applied]);
  });

  it("may leave out an input that its task does not need", async () => {
    const { id } = await api.submit("test.noop");
    expect(await api.waitForEnd(id)).toMatchObject({ state: "succeeded", input: null, result: null });
  });

  it("has its trace carried to the attempt", async () => {
    const { body } = await api.post<TaskResource>("/v1/tasks", { task: "test.context" }, { traceparent: TRACE });
    expect(body.traceparent).toBe(TRACE);
    expect((await api.waitForEnd(body.id)).result).toMatchObject({
      id: body.id,
      attempt: 1,
      rootId: body.id,
      traceparent: TRACE,
    });
  });

  it("with a trace that is none runs without it", async () => {
    for (const traceparent of ["", "00-1-2-01", TRACE.replaceAll(/[1-9a-f]/g, "0")]) {
      const { status, body } = await api.post<TaskResource>("/v1/tasks", { task: "test.context" }, { traceparent });
      expect([status, body.traceparent]).toEqual([202, null]);
    }
  });

  it("in a batch keeps its place among a thousand", async () => {
    const submissions = Array.from({ length: 1_000 }, (_, i) => ({ task: "test.identity", input: { value: i } }));
    const tasks = await api.submitAll(submissions);
    expect(tasks.map((task) => task.input)).toEqual(submissions.map((each) => each.input));
    expect(tasks.map((task) => task.id)).toEqual(tasks.map((task) => task.id).toSorted());
    expect((await api.waitForEnd(tasks.at(-1)?.id ?? "")).result).toBe(999);
  });
});

describe("an input", () => {
  it.each([
    ["null", null],
    ["false", false],
    ["a number", -0.1],
    ["the largest whole number", Number.MAX_SAFE_INTEGER],
    ["an empty text", ""],
    ["a text of many kinds", "ü€😀\u0000\u2028\\\"'--/* %s ${x} \ud800"],
    ["an empty list", []],
    ["something nested", { a: [{ b: [[], {}, null] }], "": 0, "$.x": { "0": 1 } }],
    ["something 190 deep", JSON.parse(`${"[".repeat(190)}${"]".repeat(190)}`)],
    ["what looks like another member", { value: { state: "failed", task: "x" } }],
  ])("that is %s comes back from the task as it was", async (_, value) => {
    const { id, input } = await api.submit("test.identity", { value });
    expect(input).toEqual({ value });
    expect(await api.waitForEnd(id)).toMatchObject({ state: "succeeded", input: { value }, result: value });
  });
});

describe("a task that is read", () => {
  it("waits for its end if the caller prefers that", async () => {
    const { id } = await api.submit("test.sleep", { ms: 1_500 });
    const answer = await api.get<TaskResource>(`/v1/tasks/${id}`, { prefer: "wait=60" });
    expect(answer).toMatchObject({ status: 200, body: { state: "succeeded" } });
    expect(answer.headers.get("preference-applied")).toBe("wait=60");
  });

  it("says when to ask again until it has ended", async () => {
    const { id } = await api.submit("test.noop", null, { delay: "1h" });
    const seconds = Number((await api.get(`/v1/tasks/${id}`)).headers.get("retry-after"));
    expect(seconds).toBeGreaterThan(3_500);
    expect(seconds).toBeLessThanOrEqual(3_600);
    await api.post(`/v1/tasks/${id}/cancel`);
    expect((await api.get(`/v1/tasks/${id}`)).headers.get("retry-after")).toBeNull();
  });

  it("is a 304 to a caller that has it as it is, until it changes", async () => {
    const { id } = await api.submit("test.noop", null, { delay: "1h" });
    const path = `/v1/tasks/${id}`;
    const etag = (await api.get(path)).headers.get("etag")!;
    expect(etag).toMatch(/^(W\/)?"[^"]+"$/);
    for (const known of [etag, `W/${etag}`, `"other", ${etag}`, "*"]) {
      expect(await api.get(path, { "if-none-match": known })).toMatchObject({ status: 304, body: "" });
    }
    expect((await api.get(path, { "if-none-match": '"other"' })).status).toBe(200);

    await api.post(`${path}/cancel`);
    const changed = await api.get<TaskResource>(path, { "if-none-match": etag });
    expect(changed).toMatchObject({ status: 200, body: { state: "cancelled" } });
    expect(changed.headers.get("etag")).not.toBe(etag);
    expect((await api.get(path, { "if-none-match": changed.headers.get("etag") })).status).toBe(304);
  });

  it("shows its latest progress while it runs, and keeps the last", async () => {
    const { id } = await api.submit("test.progress", { steps: 8, ms: 600 });
    const seen = new Set<number>();
    await api.waitUntil(id, (task) => {
      if (task.progress !== null && task.state === "running") seen.add(task.progress.done);
      return task.state === "succeeded";
    });
    expect(seen.size).toBeGreaterThanOrEqual(2);
    expect([...seen]).toEqual([...seen].toSorted((a, b) => a - b));
    expect((await api.read(id)).progress).toEqual({
      done: 8,
      total: 8,
      percent: 100,
      message: null,
      data: null,
      at: expect.stringMatching(INSTANT),
    });
  });

  it("tells the history of its attempts", async () => {
    const retry = { backoff: "fixed", base: 50, jitter: "none" } as const;
    const { id } = await api.submit("test.failTimes", { times: 2 }, { maxAttempts: 5, retry });
    const task = await api.waitForEnd(id);
    expect(task).toMatchObject({ state: "succeeded", result: 3, attempt: 3, error: null });
    expect(task.attempts).toMatchObject([
      { number: 1, outcome: "failed", error: { type: "Error", message: "attempt 1 fails as asked" } },
      { number: 2, outcome: "failed", error: { type: "Error", message: "attempt 2 fails as asked" } },
      { number: 3, outcome: "succeeded", error: null },
    ]);
    const instants = task.attempts!.flatMap((attempt) => [attempt.startedAt, attempt.finishedAt]);
    expect(instants).toEqual(instants.toSorted());
    expect(task.startedAt).toBe(task.attempts?.[2]?.startedAt);
  });

  it("that failed says why, once for each attempt it had", async () => {
    const retry = { backoff: "fixed", base: 0, jitter: "none" } as const;
    const { id } = await api.submit("test.fail", { message: "no luck" }, { maxAttempts: 2, retry });
    const task = await api.waitForEnd(id);
    expect(task).toMatchObject({
      state: "failed",
      result: null,
      attempt: 2,
      error: { type: "Error", message: "no luck" },
    });
    expect(task.attempts?.map((attempt) => attempt.outcome)).toEqual(["failed", "failed"]);
    expect(task.error?.stack).toContain("no luck");
  });

  it("is not tried again after an error that forbids it, or a result that does not fit", async () => {
    const forbidden = await api.submit("test.fail", { message: "never", retryable: false });
    const unfit = await api.submit("test.badOutput");
    expect(await api.waitForEnd(forbidden.id)).toMatchObject({
      state: "failed",
      attempt: 1,
      error: { type: "NonRetryableError" },
    });
    expect(await api.waitForEnd(unfit.id)).toMatchObject({
      state: "failed",
      attempt: 1,
      error: { type: "invalid_output" },
    });
  });

  it("that belongs to the public demo does not exist for a key of another tenant", async () => {
    const { body } = await api.post<{ id: string }>("/item", { name: "herb" }, { authorization: null });
    const path = `/v1/tasks/${body.id}`;
    const answers = [
      await api.get(path),
      await api.get(`${path}/events`),
      await api.post(`${path}/cancel`),
      await api.post(`${path}/retry`),
      await api.call("DELETE", path),
    ];
    expect(answers.map((answer) => answer.status)).toEqual([404, 404, 404, 404, 404]);
    expect(await api.listAll("task=process_item")).toEqual([]);
    const bulk = await api.post("/v1/tasks/cancel", { filter: { ids: [body.id] } });
    expect(bulk.body).toEqual({ matched: 0, changed: 0 });
  });
});

describe("the list", () => {
  /** Tasks that no other test has, told apart by their tag. */
  async function plant(plot: string) {
    const tags = { plot };
    const tasks = await api.submitAll([
      { task: "test.noop", options: { tags: { ...tags, kind: "herb" } } },
      { task: "test.noop", options: { tags: { ...tags, kind: "herb" }, lane: "bulk" } },
      { task: "test.fail", input: { message: "frost", retryable: false }, options: { tags } },
      { task: "test.sleep", input: { ms: 0 }, options: { tags, delay: "1h" } },
    ]);
    await api.waitUntilNoneIs(["queued", "running"], `tag.plot=${plot}`);
    return tasks.map((task) => task.id);
  }

  it("is newest first, and finds what its filters say", async () => {
    const [plain, bulk, failed, scheduled] = await plant("filters");
    const found = async (query: string) => (await api.listAll(`tag.plot=filters&${query}`)).map((task) => task.id);
    expect(await found("")).toEqual([scheduled, failed, bulk, plain]);
    expect(await found("state=failed")).toEqual([failed]);
    expect(await found("state=failed&state=scheduled")).toEqual([scheduled, failed]);
    expect(await found("task=test.noop")).toEqual([bulk, plain]);
    expect(await found("lane=bulk")).toEqual([bulk]);
    expect(await found("lane=default&state=succeeded")).toEqual([plain]);
    expect(await found("tag.kind=herb")).toEqual([bulk, plain]);
    expect(await found("tag.kind=her")).toEqual([]);
    expect(await found("tag.kind=herb&lane=bulk")).toEqual([bulk]);
    expect(await found("tag.none=")).toEqual([]);
    expect(await found("task=no.such.task")).toEqual([]);
    expect(await found("flowId=none")).toEqual([]);
  });

  it("takes its bounds of time as exclusive", async () => {
    const tags = { plot: "times" };
    const times: string[] = [];
    while (times.length < 3) {
      const { createdAt } = await api.submit("test.noop", null, { tags });
      // The same millisecond would be the same bound.
      if (createdAt !== times.at(-1)) times.push(createdAt);
    }
    const [first, second = "", third] = times;
    const found = async (query: string) => [
      ...new Set((await api.listAll(`tag.plot=times&${query}`)).map((task) => task.createdAt)),
    ];
    expect(await found(`createdAfter=${first}`)).toEqual([third, second]);
    expect(await found(`createdBefore=${third}`)).toEqual([second, first]);
    expect(await found(`createdAfter=${first}&createdBefore=${third}`)).toEqual([second]);
    expect(await found(`createdAfter=${encodeURIComponent(second.replace("Z", "+00:00"))}`)).toEqual([third]);
  });

  it("leaves out the attempts, and nothing else", async () => {
    const [, , failed] = await plant("whole");
    const { attempts, ...rest } = await api.read(failed ?? "");
    expect(attempts).toHaveLength(1);
    expect(await api.listAll("tag.plot=whole&state=failed")).toEqual([rest]);
  });

  it("goes from page to page by its links, meeting every task once while new ones come in", async () => {
    const submissions = Array.from({ length: 25 }, () => ({ task: "test.noop", options: { tags: { plot: "pages" } } }));
    const planted = await api.submitAll(submissions);
    const met: string[] = [];
    const sizes: number[] = [];
    let path: string | null = "/v1/tasks?limit=10&tag.plot=pages";
    while (path !== null) {
      const { headers, body }: Answer<TaskList> = await api.get(path);
      met.push(...body.items.map((task) => task.id));
      sizes.push(body.items.length);
      const link: string | null = headers.get("link");
      expect(link === null).toBe(body.nextCursor === null);
      path = /^<([^>]+)>; rel="next"$/.exec(link ?? "")?.[1] ?? null;
      await api.submitAll(submissions.slice(0, 3));
    }
    expect(sizes).toEqual([10, 10, 5]);
    expect(met).toEqual(planted.map((task) => task.id).toReversed());
  });

  it("has fifty on a page unless another number is given", async () => {
    const submissions = Array.from({ length: 51 }, () => ({ task: "test.noop", options: { tags: { plot: "fifty" } } }));
    await api.submitAll(submissions);
    const { body } = await api.get<TaskList>("/v1/tasks?tag.plot=fifty");
    expect(body.items).toHaveLength(50);
    expect((await api.get<TaskList>(`/v1/tasks?tag.plot=fifty&cursor=${body.nextCursor}`)).body).toMatchObject({
      items: [{ task: "test.noop" }],
      nextCursor: null,
    });
  });

  it("says that there is no further page where the last one is full", async () => {
    await api.submitAll(Array.from({ length: 4 }, () => ({ task: "test.noop", options: { tags: { plot: "full" } } })));
    const { headers, body } = await api.get<TaskList>("/v1/tasks?tag.plot=full&limit=4");
    expect([body.items.length, body.nextCursor, headers.get("link")]).toEqual([4, null, null]);
  });
});
