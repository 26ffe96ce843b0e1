/** The verbs on tasks, against the service. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  ConflictError,
  InvalidInputError,
  type LovageProblem,
  NotFoundError,
  TaskCancelledError,
  TaskFailedError,
  UnauthorizedError,
  WaitTimeoutError,
  type Client,
} from "../../src/client/index.ts";
import { shareServer, type SharedServer } from "../http/shared-server.ts";
import { clientOf, collect, type TestTasks } from "./client-of.ts";

let server: SharedServer;
let client: Client<TestTasks>;

beforeAll(async () => {
  server = await shareServer();
  client = clientOf(server);
});

afterAll(async () => server?.stop());

describe("submit and wait", () => {
  it("gives the result of a task, by the task or by its id", async () => {
    const task = await client.submit("test.add", { x: 1, y: 2 });

    expect(task).toMatchObject({ task: "test.add", state: "queued", result: null });
    expect(await client.wait(task)).toBe(3);
    expect(await client.wait(task.id)).toBe(3);
  });

  it("needs no input where the task takes nothing", async () => {
    expect(await client.run("test.noop")).toBeNull();
  });

  it("sends the options of the submission and of the request, each to its place", async () => {
    const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    const task = await client.submit(
      "test.context",
      {},
      { tags: { customer: "42" }, lane: "bulk", maxAttempts: 1, traceparent, idempotencyKey: "one" },
    );
    const again = await client.submit(
      "test.context",
      {},
      { tags: { customer: "42" }, lane: "bulk", maxAttempts: 1, idempotencyKey: "one" },
    );

    expect(again.id).toBe(task.id);
    expect(task).toMatchObject({ tags: { customer: "42" }, lane: "bulk", maxAttempts: 1, traceparent });
    expect(await client.wait(task)).toMatchObject({ id: task.id, tags: { customer: "42" }, traceparent });
  });

  it("names every submission anew", async () => {
    const [one, two] = await Promise.all([client.submit("test.noop"), client.submit("test.noop")]);

    expect(one.id).not.toBe(two.id);
  });

  it("throws how a task ended if not well", async () => {
    const failed = await client.submit("test.fail", { message: "as asked", retryable: false });
    const cancelled = await client.submit("test.noop", null, { delay: "1h" });
    await client.cancel(cancelled, { reason: "not wanted" });

    const error = await client.wait(failed).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(TaskFailedError);
    expect((error as TaskFailedError).task.error).toMatchObject({ type: "NonRetryableError", message: "as asked" });
    expect((error as TaskFailedError).message).toContain("as asked");
    await expect(client.wait(cancelled)).rejects.toBeInstanceOf(TaskCancelledError);
  });

  it("stops waiting after the timeout, and the task goes on", async () => {
    const task = await client.submit("test.signal", { name: "go" });

    await expect(client.wait(task, { within: 300 })).rejects.toBeInstanceOf(WaitTimeoutError);
    await client.signal(task, "go", "gone");
    expect(await client.wait(task)).toBe("gone");
  });

  it("stops waiting for a signal", async () => {
    const task = await client.submit("test.signal", { name: "never" });
    const reason = new Error("enough");
    const abort = new AbortController();
    setTimeout(() => abort.abort(reason), 100);

    await expect(client.wait(task, { signal: abort.signal })).rejects.toBe(reason);
    await expect(client.submit("test.noop", null, { signal: abort.signal })).rejects.toBe(reason);
  });
});

describe("batch", () => {
  it("tells the fate of each item", async () => {
    const [good, bad, other] = await client.batch([
      { task: "test.add", input: { x: 1, y: 2 } },
      { task: "test.big", input: { bytes: -1 } },
      { task: "test.noop", options: { tags: { of: "batch" } } },
    ]);

    expect(good.ok && (await client.wait(good.task))).toBe(3);
    expect(bad.ok).toBe(false);
    expect(!bad.ok && bad.problem).toBeInstanceOf(InvalidInputError);
    expect(other.ok && other.task.tags).toEqual({ of: "batch" });
  });
});

describe("reading", () => {
  it("reads a task with its attempts", async () => {
    const { id } = await client.submit("test.failTimes", { times: 1 }, { retry: { base: 1 } });
    await client.wait(id);
    const task = await client.get(id);

    expect(task.attempts?.map((attempt) => attempt.outcome)).toEqual(["failed", "succeeded"]);
  });

  it("lists by a filter, over pages or all at once", async () => {
    const tags = { list: "of seven" };
    await client.batch(Array.from({ length: 7 }, () => ({ task: "test.noop", options: { tags } }) as const));
    const list = client.list({ task: "test.noop", tags }, { limit: 3 });

    const all = await collect(list);
    const first = await list.page();
    const second = await list.page(first.nextCursor);
    expect(all).toHaveLength(7);
    expect(new Set(all.map((task) => task.id)).size).toBe(7);
    expect([...first.items, ...second.items].map(({ id }) => id)).toEqual(all.slice(0, 6).map(({ id }) => id));
    await expect(collect(client.list({ state: ["expired"], tags }))).resolves.toEqual([]);
  });

  it("finds a task's children, sorts what has ended, and counts", async () => {
    const parent = await client.submit("test.spawn", { task: "test.sleep", input: { ms: 1 }, n: 3 });
    await client.wait(parent);
    const ids = async (...args: Parameters<typeof client.list>) =>
      (await collect(client.list(...args))).map(({ id }) => id);
    const children = await ids({ parentId: parent.id });

    expect(children).toHaveLength(3);
    expect(new Set(await ids({ rootId: parent.id }))).toEqual(new Set([parent.id, ...children]));
    const byEnd = await ids({ rootId: parent.id }, { sort: "finished", limit: 2 });
    expect(byEnd[0]).toBe(parent.id);
    expect(new Set(byEnd)).toEqual(new Set([parent.id, ...children]));
    expect(await client.count({ rootId: parent.id, state: "succeeded" })).toEqual({ estimate: 4, isExact: true });
    expect(await client.count({ parentId: parent.id, runLongerThan: "1h" })).toEqual({ estimate: 0, isExact: true });
    expect(await client.deleteAll({ rootId: parent.id }, { dryRun: true })).toEqual({ matched: 4, changed: 0 });
  });
});

describe("the feed", () => {
  it("tells counts at once, then what changes, until its signal aborts", async () => {
    const gone = new AbortController();
    const feed = client.feed({ signal: gone.signal });
    const first = await feed.next();
    const task = await client.submit("test.noop");
    const states = new Set<string>();
    for await (const { changed } of feed) {
      for (const each of changed) if (each.id === task.id) states.add(each.state);
      if (states.has("succeeded")) gone.abort(new Error("heard"));
      if (gone.signal.aborted) break;
    }

    expect(first.value).toMatchObject({ missed: false, counts: { capped: false } });
    expect(states).toContain("succeeded");
  });
});

describe("events", () => {
  it("follows a task to its end", async () => {
    const task = await client.submit("test.progress", { steps: 3, ms: 300 });
    const events = await collect(client.events(task));

    expect(events.at(-1)).toMatchObject({ type: "done", data: { id: task.id, result: 3 } });
    expect(events.flatMap((event) => (event.type === "progress" ? [event.data.done] : []))).toEqual([1, 2, 3]);
    const seqs = events.map((event) => event.seq);
    expect(seqs).toEqual([...new Set(seqs)].toSorted((a, b) => a - b));
  });

  it("leaves out what the caller has seen", async () => {
    const task = await client.submit("test.output", { chunks: 5 });
    const all = await collect(client.events(task));
    const rest = await collect(client.events(task.id, { after: all.at(3)!.seq }));

    expect(rest).toEqual(all.slice(4));
  });

  it("ends with what the task says when nothing of its events is left after the last seen", async () => {
    const task = await client.submit("test.noop");
    await client.wait(task);

    expect(await collect(client.events(task, { after: Number.MAX_SAFE_INTEGER }))).toMatchObject([
      { type: "done", data: { id: task.id } },
    ]);
  });

  it("ends for a signal, and when the caller has enough", async () => {
    const task = await client.submit("test.progress", { steps: 100, ms: 50 });
    const abort = new AbortController();
    const reason = new Error("enough");
    const following = (async () => {
      for await (const event of client.events(task, { signal: abort.signal })) {
        if (event.type === "progress") abort.abort(reason);
      }
    })();

    await expect(following).rejects.toBe(reason);
    for await (const event of client.events(task)) if (event.type === "progress") break;
    await client.cancel(task);
  });
});

describe("control", () => {
  it("cancels, runs again and removes", async () => {
    const task = await client.submit("test.add", { x: 1, y: 1 }, { delay: "1h" });
    await expect(client.delete(task)).rejects.toBeInstanceOf(ConflictError);
    await expect(client.retry(task)).rejects.toBeInstanceOf(ConflictError);

    expect((await client.cancel(task, { reason: "no need" })).state).toBe("cancelled");
    expect((await client.retry(task, { input: { x: 2, y: 2 } })).id).toBe(task.id);
    expect(await client.wait(task)).toBe(4);
    await client.delete(task);
    await expect(client.get(task)).rejects.toBeInstanceOf(NotFoundError);
  });

  it("cancels with undo", async () => {
    const task = await client.submit("test.undo", { steps: 1, napMs: 3_600_000 });
    await expect.poll(async () => (await client.get(task)).state).toBe("waiting");

    expect((await client.cancel(task, { undo: true })).state).toBe("queued");
    await expect(client.wait(task)).rejects.toBeInstanceOf(TaskCancelledError);
    expect((await client.get(task)).attempts?.at(-1)?.outcome).toBe("undone");
    expect(await client.cancelAll({ ids: [task.id] }, { undo: true })).toEqual({ matched: 0, changed: 0 });
  });

  it("sends signals", async () => {
    const task = await client.submit("test.signal", { name: "approved" });
    await client.signal(task, "approved", { by: "anna" });

    expect(await client.wait(task)).toEqual({ by: "anna" });
    await expect(client.signal(task, "approved")).rejects.toBeInstanceOf(ConflictError);
  });

  it("acts on all that a filter finds", async () => {
    const tags = { bulk: "yes" };
    await client.batch([
      { task: "test.noop", options: { tags, delay: "1h" } },
      { task: "test.noop", options: { tags, delay: "1h" } },
    ]);

    expect(await client.cancelAll({ tags }, { dryRun: true })).toEqual({ matched: 2, changed: 0 });
    expect(await client.cancelAll({ tags, task: "test.noop" })).toEqual({ matched: 2, changed: 2 });
    expect(await client.retryAll({ tags })).toEqual({ matched: 2, changed: 2 });
    for (const task of await collect(client.list({ tags }))) await client.wait(task);
    expect(await client.deleteAll({ tags })).toEqual({ matched: 2, changed: 2 });
    await expect(client.cancelAll({})).rejects.toBeInstanceOf(InvalidInputError);
  });
});

describe("problems", () => {
  it("says what was wrong, and where", async () => {
    const error = await client
      // @ts-expect-error A wrong input does not compile.
      .submit("test.add", { x: "1", y: 2 })
      .catch((thrown: unknown) => thrown);

    expect(error).toBeInstanceOf(InvalidInputError);
    expect(error).toMatchObject({ name: "invalid-input", status: 422, errors: [{ pointer: "/input/x" }] });
    expect((error as Error).message).toContain("/input/x");
    expect((error as LovageProblem).requestId).toMatch(/./);
  });

  it("tells an unknown task, an unknown id and a wrong key apart", async () => {
    // @ts-expect-error An unknown task does not compile.
    await expect(client.submit("test.nope", {})).rejects.toMatchObject({ name: "unknown-task", status: 404 });
    await expect(client.get("task_00000000000000000000000000")).rejects.toBeInstanceOf(NotFoundError);
    await expect(
      clientOf({ ...server, key: "wrong" })
        .list()
        .page(),
    ).rejects.toBeInstanceOf(UnauthorizedError);
    await expect(collect(client.events("nope"))).rejects.toBeInstanceOf(NotFoundError);
    await expect(client.wait("nope")).rejects.toBeInstanceOf(NotFoundError);
  });
});
