/** The Idempotency-Key: whatever is repeated, in turn or at once, is done once. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { TaskResource } from "../../src/contract/task.ts";
import { startHookReceiver, type HookReceiver } from "../faults/hook-receiver.ts";
import { apiOf, type Api, type BatchItem } from "./api.ts";
import { shareServer, type SharedServer } from "./shared-server.ts";

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

const post = (key: string, body: unknown) => api.post<TaskResource>("/v1/tasks", body, { "idempotency-key": key });
const postBatch = (key: string, tasks: unknown[]) =>
  api.post<{ items: BatchItem[] }>("/v1/tasks/batch", { tasks }, { "idempotency-key": key });
const isReplayed = (answer: { headers: Headers }) => answer.headers.get("idempotency-replayed");

describe("a submission with a key", () => {
  it("that is posted 50 times at once makes one task that runs once", async () => {
    const body = { task: "test.hook", input: { url: hooks.url, body: "once" }, options: { tags: { plot: "fifty" } } };
    const answers = await Promise.all(Array.from({ length: 50 }, () => post("fifty", body)));
    expect(new Set(answers.map((answer) => answer.status))).toEqual(new Set([202]));
    const [id = "", ...others] = new Set(answers.map((answer) => answer.body.id));
    expect(others).toEqual([]);
    expect(answers.filter((answer) => isReplayed(answer) === "true")).toHaveLength(49);
    expect(await api.waitForEnd(id)).toMatchObject({ state: "succeeded", attempt: 1 });
    expect(hooks.of(id).map((hook) => hook.attempt)).toEqual([1]);
    expect(await api.listAll("tag.plot=fifty")).toHaveLength(1);
    expect(hooks.hooks.filter((hook) => hook.body === "once")).toHaveLength(1);
  });

  it("is answered with the task as it is by then", async () => {
    const body = { task: "test.add", input: { x: 1, y: 2 } };
    const first = await post("again", body);
    expect(isReplayed(first)).toBeNull();
    const ended = await api.waitForEnd(first.body.id);
    const second = await post("again", body);
    expect(isReplayed(second)).toBe("true");
    expect(second).toMatchObject({
      status: 202,
      body: { id: first.body.id, state: "succeeded", result: 3, finishedAt: ended.finishedAt },
    });
    expect(second.headers.get("location")).toBe(`/v1/tasks/${first.body.id}`);
  });

  it("may wait for the end of the first", async () => {
    const body = { task: "test.sleep", input: { ms: 800 } };
    const headers = { "idempotency-key": "waits", prefer: "wait=60" };
    const answers = await Promise.all([1, 2, 3].map(() => api.post<TaskResource>("/v1/tasks", body, headers)));
    expect(answers.map((answer) => [answer.status, answer.body.state])).toEqual(answers.map(() => [200, "succeeded"]));
    expect(new Set(answers.map((answer) => answer.body.id)).size).toBe(1);
  });

  it("and another body is a 422, and makes nothing", async () => {
    const tags = { plot: "reused" };
    const { body } = await post("reused", { task: "test.identity", input: { value: 1 }, options: { tags } });
    const others = [
      { task: "test.identity", input: { value: 2 }, options: { tags } },
      { task: "test.noop", input: { value: 1 }, options: { tags } },
      { task: "test.identity", input: { value: 1 }, options: { tags, lane: "high" } },
    ];
    for (const other of others) {
      expect(await post("reused", other)).toMatchObject({
        status: 422,
        body: { type: "/problems/idempotency-key-reused" },
      });
    }
    expect(await postBatch("reused", [others[0]])).toMatchObject({
      status: 422,
      body: { type: "/problems/idempotency-key-reused" },
    });
    expect((await api.listAll("tag.plot=reused")).map((task) => task.id)).toEqual([body.id]);
  });

  it("is the same one in whatever order its members come", async () => {
    const first = await post("ordered", { task: "test.identity", input: { value: [{ a: 1, b: 2 }], kind: "x" } });
    const second = await post("ordered", { input: { kind: "x", value: [{ b: 2, a: 1 }] }, task: "test.identity" });
    expect([second.status, isReplayed(second), second.body.id]).toEqual([202, "true", first.body.id]);
    const other = await post("ordered", { task: "test.identity", input: { value: [{ a: 2, b: 1 }], kind: "x" } });
    expect(other).toMatchObject({ status: 422, body: { type: "/problems/idempotency-key-reused" } });
  });

  it("may have the key in quotes, and of 255 characters", async () => {
    const body = { task: "test.noop" };
    const [bare, quoted] = [await post("quoted", body), await post('"quoted"', body)];
    expect(quoted.body.id).toBe(bare.body.id);
    const key = "!~".repeat(127) + "x";
    const [one, two] = [await post(key, body), await post(key, body)];
    expect([one.status, two.body.id]).toEqual([202, one.body.id]);
  });

  it("is another one with another key", async () => {
    const body = { task: "test.noop" };
    const answers = [await post("key-a", body), await post("key-b", body), await post("KEY-A", body)];
    expect(new Set(answers.map((answer) => answer.body.id)).size).toBe(3);
  });

  it("does not make again what was removed since", async () => {
    const body = { task: "test.noop", options: { tags: { plot: "removed" } } };
    const { id } = (await post("removed", body)).body;
    await api.waitForEnd(id);
    await api.call("DELETE", `/v1/tasks/${id}`);
    expect((await post("removed", body)).status).toBe(410);
    expect(await api.listAll("tag.plot=removed")).toEqual([]);
  });
});

describe("a batch with a key", () => {
  const bad = { task: "no.such.task" };
  const good = (plot: string) => ({ task: "test.hook", input: { url: hooks.url }, options: { tags: { plot } } });

  it("that is posted many times at once makes its tasks once, in order", async () => {
    const tasks = [good("batch"), bad, ...Array.from({ length: 28 }, () => good("batch"))];
    const answers = await Promise.all(Array.from({ length: 12 }, () => postBatch("batch", tasks)));
    expect(answers.filter((answer) => isReplayed(answer) === "true")).toHaveLength(11);
    const [first, ...others] = answers.map((answer) => answer.body.items.map((item) => item.task?.id ?? item.status));
    expect(first?.[1]).toBe(404);
    for (const other of others) expect(other).toEqual(first);
    await api.waitUntilNoneIs(["queued", "running"], "tag.plot=batch");
    const made = await api.listAll("tag.plot=batch");
    expect(made).toHaveLength(29);
    expect(made.map((task) => hooks.of(task.id).length)).toEqual(made.map(() => 1));
  });

  it("and another body is a 422, and makes nothing", async () => {
    await postBatch("batch-reused", [good("other")]);
    const answer = await postBatch("batch-reused", [good("other"), good("other")]);
    expect(answer).toMatchObject({ status: 422, body: { type: "/problems/idempotency-key-reused" } });
    expect(await api.listAll("tag.plot=other")).toHaveLength(1);
  });
});

describe("a request that came too late if it were new", () => {
  const LATER_MS = 4_000;
  const noop = { task: "test.noop" };
  type Made = Partial<TaskResource> & { items?: BatchItem[] };

  const requests = (at: string): [what: string, path: string, body: unknown][] => [
    ["a task with an expiry", "/v1/tasks", { ...noop, options: { expiresAt: at } }],
    ["a batch", "/v1/tasks/batch", { tasks: [{ ...noop, options: { expiresAt: at } }] }],
    ["a batch of which one can wait", "/v1/tasks/batch", { tasks: [noop, { ...noop, options: { expiresAt: at } }] }],
    ["a flow of tasks with an expiry", "/v1/flows", { chain: [{ ...noop, options: { expiresAt: at } }] }],
    ["a flow with a deadline", "/v1/flows", { chain: [noop], deadline: at }],
  ];

  const send = (key: string, path: string, body: unknown) => api.post<Made>(path, body, { "idempotency-key": key });
  const idsIn = ({ id, items }: Made) => items?.map((item) => item.task?.id) ?? [id];

  it("is answered as the first was, and refused with a new key", async () => {
    const at = new Date(Date.now() + LATER_MS);
    const kept = requests(at.toISOString());
    const firsts = await Promise.all(kept.map(([, path, body], i) => send(`late-${i}`, path, body)));
    await new Promise((done) => setTimeout(done, at.getTime() - Date.now() + 50));
    for (const [i, [what, path, body]] of kept.entries()) {
      const first = firsts[i];
      const again = await send(`late-${i}`, path, body);
      expect([what, again.status, isReplayed(again)]).toEqual([what, first.status, "true"]);
      expect(idsIn(again.body)).toEqual(idsIn(first.body));
      const fresh = await send(`new-${i}`, path, body);
      const status = fresh.body.items?.at(-1)!.status ?? fresh.status;
      expect([what, isReplayed(fresh), status]).toEqual([what, null, 422]);
    }
  });
});
