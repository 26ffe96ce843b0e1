/** Flows through HTTP: what is passed to which node, what becomes of failures, and the verbs on a flow. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { FlowResource } from "../../src/contract/flow.ts";
import type { ProblemResource } from "../../src/contract/problem.ts";
import type { TaskList, TaskResource } from "../../src/contract/task.ts";
import { startHookReceiver, type HookReceiver } from "../faults/hook-receiver.ts";
import { apiOf, LIVE, poll, type Answer, type Api } from "./api.ts";
import { shareServer, type SharedServer } from "./shared-server.ts";

let server: SharedServer;
let api: Api;
let hooks: HookReceiver;
/** Hooks whose body is one of these are refused, so that their task fails. */
const refused = new Set<unknown>();

beforeAll(async () => {
  [server, hooks] = await Promise.all([shareServer(), startHookReceiver(({ body }) => refused.has(body))]);
  api = apiOf(server);
});

beforeEach(() => refused.clear());

afterAll(() => Promise.all([server?.stop(), hooks?.close()]));

type Node = Record<string, unknown>;

const previous = { $from: "previous" };
const value = (of: unknown): Node => ({ task: "test.identity", input: { value: of } });
const add = (x: unknown, y: unknown): Node => ({ task: "test.add", input: { x, y } });
const identity: Node = { task: "test.identity" };
const fail = (message = "no"): Node => ({ task: "test.fail", input: { message, retryable: false } });
/** Tells the receiver `body`, sleeps and results in `body`; fails while the receiver refuses it. */
const hook = (body: unknown, ms = 0): Node => ({
  task: "test.hook",
  input: { url: hooks.url, body, ms },
  options: { maxAttempts: 1 },
});

async function submit(body: Node, headers: Record<string, string> = {}): Promise<FlowResource> {
  const answer = await api.post<FlowResource>("/v1/flows", body, headers);
  if (answer.status !== 202) throw new Error(`the flow was not accepted: ${answer.status} ${JSON.stringify(answer)}`);
  expect(answer.headers.get("location")).toBe(`/v1/flows/${answer.body.id}`);
  return answer.body;
}

async function read(id: string): Promise<FlowResource> {
  const { status, body } = await api.get<FlowResource>(`/v1/flows/${id}`);
  expect(status).toBe(200);
  return body;
}

const waitForEnd = (id: string) => api.waitForFlow(id);

const run = async (body: Node) => waitForEnd((await submit(body)).id);

const refuse = (body: unknown) => api.post<ProblemResource>("/v1/flows", body);

function taskAt(flow: FlowResource, key: string): TaskResource {
  const node = flow.nodes.find((each) => each.key === key);
  if (!node) throw new Error(`the flow has no ${key}: ${flow.nodes.map((each) => each.key).join()}`);
  return node.task;
}

const idAt = (flow: FlowResource, key: string) => taskAt(flow, key).id;

const statesOf = (flow: FlowResource) => Object.fromEntries(flow.nodes.map(({ key, task }) => [key, task.state]));

/** How often the receiver heard of each body. */
const heard = (...bodies: unknown[]) => bodies.map((body) => hooks.hooks.filter((each) => each.body === body).length);

const cancel = (id: string, body?: unknown) => api.post<FlowResource>(`/v1/flows/${id}/cancel`, body);
const retry = (id: string, body?: unknown) => api.post<FlowResource>(`/v1/flows/${id}/retry`, body);

async function until(id: string, isEnough: (flow: FlowResource) => boolean): Promise<FlowResource> {
  let last: unknown;
  return poll(
    () => `the flow stands at ${JSON.stringify(last)}`,
    async () => {
      const flow = await read(id);
      last = flow.counts;
      return isEnough(flow) ? flow : null;
    },
  );
}

/** What a task that never ran because of others looks like. */
const abandoned = (...taskIds: string[]) => ({
  state: "failed",
  attempt: 0,
  startedAt: null,
  result: null,
  waitingFor: null,
  error: { type: "dependency_failed", data: { taskIds } },
});

describe("a chain", () => {
  it("passes each result on, and links its tasks", async () => {
    const submitted = await submit({ chain: [add(4, 4), add(previous, 8), add(previous, 16)] });
    expect(submitted).toMatchObject({ state: "running", result: null, error: null, finishedAt: null });
    const flow = await waitForEnd(submitted.id);
    expect(flow).toMatchObject({
      state: "succeeded",
      result: 32,
      error: null,
      counts: { succeeded: 3 },
      finishedAt: expect.any(String),
      links: { self: `/v1/flows/${flow.id}`, cancel: `/v1/flows/${flow.id}/cancel` },
    });
    const [first, second, third] = flow.nodes.map(({ task }) => task);
    expect(flow.nodes.map(({ key, needs, task }) => [key, needs, task.result])).toEqual([
      ["0", [], 8],
      ["1", ["0"], 16],
      ["2", ["1"], 32],
    ]);
    expect(flow.nodes.map(({ task }) => [task.rootId, task.parentId, task.flowId])).toEqual([
      [first?.id, null, flow.id],
      [first?.id, first?.id, flow.id],
      [first?.id, second?.id, flow.id],
    ]);
    expect(await api.read(third?.id ?? "")).toMatchObject({
      flowId: flow.id,
      parentId: second?.id,
      state: "succeeded",
    });
  });

  it("tells the handlers the same links", async () => {
    const flow = await run({ chain: [value(1), { task: "test.context", input: null }] });
    expect(flow.result).toMatchObject({
      id: idAt(flow, "1"),
      parentId: idAt(flow, "0"),
      rootId: idAt(flow, "0"),
      flowId: flow.id,
    });
  });

  it("whose second of three fails never runs the third, nor leaves it waiting", async () => {
    const flow = await run({ chain: [value(1), fail("the second"), hook("third")] });
    expect(flow).toMatchObject({
      state: "failed",
      result: null,
      counts: { succeeded: 1, failed: 2 },
      error: {
        data: {
          taskIds: [idAt(flow, "1")],
          failed: [{ key: "1", taskId: idAt(flow, "1"), error: { type: "NonRetryableError", message: "the second" } }],
        },
      },
    });
    expect(taskAt(flow, "2")).toMatchObject(abandoned(idAt(flow, "1")));
    expect(heard("third")).toEqual([0]);
  });

  it("whose task fails at first and then succeeds goes on", async () => {
    const flaky = { task: "test.failTimes", input: { times: 1 }, options: { retry: { base: 0, jitter: "none" } } };
    expect(await run({ chain: [flaky, add(previous, 1)] })).toMatchObject({ state: "succeeded", result: 3 });
  });

  it("waits for what comes first, and says so", async () => {
    const flow = await submit({ chain: [{ task: "test.sleep", input: { ms: 60_000 } }, hook("after")] });
    await until(flow.id, ({ counts }) => counts.running === 1);
    expect(await api.read(idAt(flow, "1"))).toMatchObject({
      state: "waiting",
      waitingFor: { type: "needs", count: 1 },
      attempt: 0,
    });
    await cancel(flow.id);
  });
});

describe("a chord", () => {
  it("of ten that take their time passes their results in the order of submission", async () => {
    const bodies = Array.from({ length: 10 }, (_, i) => `ten ${i}`);
    const header = bodies.map((body) => hook(body, Math.floor(Math.random() * 600)));
    const flow = await run({ chord: { header, body: identity } });
    expect(flow).toMatchObject({ state: "succeeded", result: bodies });
    const last = flow.nodes.slice(0, 10).toSorted((a, b) => (a.task.finishedAt! < b.task.finishedAt! ? 1 : -1));
    const lastAt = last[0]?.task.finishedAt;
    const lastIds = last.filter(({ task }) => task.finishedAt === lastAt).map(({ task }) => task.id);
    expect(lastIds).toContain(taskAt(flow, "body").parentId);
  });

  it.each([
    ["an empty header runs its body with []", [], []],
    ["a single header runs its body with the one result", [7], [7]],
  ])("with %s", async (_, header, result) => {
    const flow = await run({ chord: { header: header.map(value), body: identity } });
    expect(flow).toMatchObject({ state: "succeeded", result });
  });

  it("of chords", async () => {
    const sum = { task: "test.sum" };
    const inner = (...numbers: number[]) => ({ chord: { header: numbers.map(value), body: sum } });
    const flow = await run({ chord: { header: [inner(1, 2), inner(), inner(3), value(10)], body: sum } });
    expect(flow).toMatchObject({ state: "succeeded", result: 16 });
    expect(taskAt(flow, "header.0.body").result).toBe(3);
  });

  it("of 1,000 adds them up, and runs its body once", async () => {
    const header = Array.from({ length: 1_000 }, (_, i) => value(i));
    const body = { task: "test.hook", input: { url: hooks.url, body: previous } };
    const flow = await submit({ chain: [{ chord: { header, body } }, { task: "test.sum" }] });
    const ended = await waitForEnd(flow.id);
    expect(ended).toMatchObject({ state: "succeeded", result: 499_500, counts: { succeeded: 1_002 } });
    expect(ended.nextCursor).toBe(null);
    expect(ended.nodes.slice(-2).map(({ key, task }) => [key, task.state, task.attempt])).toEqual([
      ["0.body", "succeeded", 1],
      ["1", "succeeded", 1],
    ]);
    expect(hooks.of(idAt(ended, "0.body"))).toMatchObject([
      { attempt: 1, body: Array.from({ length: 1_000 }, (_, i) => i) },
    ]);
  });
});

describe("a group", () => {
  it.each([
    ["of none succeeds at once with []", { group: [] }],
    ["of no inputs succeeds at once with []", { map: { task: "test.add", inputs: [] } }],
  ])("%s", async (_, body) => {
    expect(await submit(body)).toMatchObject({ state: "succeeded", result: [], counts: {}, nodes: [] });
  });

  it("over inputs gives one result for each", async () => {
    const inputs = [
      { x: 1, y: 2 },
      { x: 3, y: 4 },
    ];
    expect(await run({ map: { task: "test.add", inputs } })).toMatchObject({ state: "succeeded", result: [3, 7] });
  });

  it("of 24 good and 42 failing tasks keeps the 24 results, and runs onError once", async () => {
    const members = Array.from({ length: 66 }, (_, i) => (i % 66 < 24 ? value(i) : fail(`member ${i}`)));
    const onError = { task: "test.hook", input: { url: hooks.url, body: previous } };
    const flow = await run({ group: members, onError });
    expect(flow).toMatchObject({ state: "failed", counts: { succeeded: 25, failed: 42 } });
    const results = flow.nodes.filter(({ key, task }) => key !== "onError" && task.state === "succeeded");
    expect(results.map(({ task }) => task.result)).toEqual(Array.from({ length: 24 }, (_, i) => i));
    const failed = flow.nodes.slice(24, 66).map(({ key, task }, i) => ({
      key,
      taskId: task.id,
      error: { type: "NonRetryableError", message: `member ${24 + i}` },
    }));
    expect(hooks.of(idAt(flow, "onError"))).toMatchObject([{ attempt: 1, body: { flowId: flow.id, failed } }]);
    expect(taskAt(flow, "onError")).toMatchObject({ state: "succeeded", flowId: flow.id });
  });
});

describe("a failing task", () => {
  it.each<[string, () => Node, string]>([
    ["in a header", () => fail(), "header.0"],
    ["in a chain of a header", () => ({ chain: [value(1), fail(), value(2)] }), "header.0.1"],
    ["in a group of a header", () => ({ group: [value(1), fail()] }), "header.0.1"],
    [
      "in a dag of a header, needed by no node whose failure counts",
      () => ({ dag: { a: { node: fail() }, b: { node: value(1), needs: ["a"], onFailure: "ignore" } } }),
      "header.0.a",
    ],
    ["in a chord of a header", () => ({ chord: { header: [fail()], body: value(1) } }), "header.0.header.0"],
  ])("%s: the body does not run, the others finish, and it is named", async (where, member, key) => {
    const sibling = `sibling of one ${where}`;
    const body = `body of one ${where}`;
    const flow = await run({ chord: { header: [member(), hook(sibling, 300), value(3)], body: hook(body) } });
    expect(flow.state).toBe("failed");
    expect(taskAt(flow, "header.1")).toMatchObject({ state: "succeeded", result: sibling });
    expect(taskAt(flow, "header.2")).toMatchObject({ state: "succeeded", result: 3 });
    expect(taskAt(flow, "body")).toMatchObject(abandoned(idAt(flow, key)));
    expect(heard(sibling, body)).toEqual([1, 0]);
    expect(flow.error?.data).toMatchObject({ taskIds: [idAt(flow, key)], failed: [{ key }] });
    for (const state of Object.values(statesOf(flow))) expect(LIVE).not.toContain(state);
  });

  it("reaches everything after it through any nesting", async () => {
    const deep = { group: [{ chain: [{ chord: { header: [{ group: [fail()] }], body: value(1) } }, value(2)] }] };
    const flow = await run({
      chain: [{ dag: { a: { node: deep }, b: { node: identity, needs: ["a"] } } }, hook("deep end")],
    });
    const culprit = idAt(flow, "0.a.0.0.header.0.0");
    for (const key of ["0.a.0.0.body", "0.a.0.1", "0.b", "1"])
      expect(taskAt(flow, key)).toMatchObject(abandoned(culprit));
    expect(flow.state).toBe("failed");
    expect(heard("deep end")).toEqual([0]);
  });

  it("whose input does not fit what it is passed fails for that", async () => {
    const flow = await run({ chain: [value("text"), add(previous, 1)] });
    expect(taskAt(flow, "1")).toMatchObject({ state: "failed", attempt: 1, error: { type: "InvalidInputError" } });
  });

  it("whose reference leads nowhere fails for that", async () => {
    const flow = await run({ chain: [value({ a: 1 }), add({ $from: "previous", path: "/b" }, 1)] });
    expect(taskAt(flow, "1")).toMatchObject({ state: "failed", attempt: 1, error: { type: "DanglingReferenceError" } });
  });
});

describe("what runs on failure", () => {
  it("does not run where nothing fails", async () => {
    const flow = await run({ ...value(1), onError: hook("needless") });
    expect(flow).toMatchObject({ state: "succeeded", counts: { succeeded: 1 } });
    expect(heard("needless")).toEqual([0]);
  });

  it("may be a graph of its own, whose own failure changes nothing", async () => {
    const flow = await run({ ...fail("first"), onError: { chain: [hook("told"), fail("second"), hook("not told")] } });
    expect(flow).toMatchObject({ state: "failed", error: { data: { failed: [{ key: "0" }] } } });
    expect(statesOf(flow)).toEqual({
      "0": "failed",
      "onError.0": "succeeded",
      "onError.1": "failed",
      "onError.2": "failed",
    });
    expect(heard("told", "not told")).toEqual([1, 0]);
  });

  it("may be delayed", async () => {
    const onError = { ...hook("delayed"), options: { delay: "1s" } };
    const flow = await run({ ...fail(), onError });
    expect(flow.state).toBe("failed");
    const apart = Date.parse(taskAt(flow, "onError").startedAt!) - Date.parse(taskAt(flow, "0").finishedAt!);
    expect(apart).toBeGreaterThanOrEqual(1_000);
    expect(heard("delayed")).toEqual([1]);
  });
});

describe("a dag", () => {
  it("runs a diamond with one failure that is ignored", async () => {
    const dag = {
      top: { node: value(1) },
      left: { node: add({ $from: "top" }, 10), needs: ["top"] },
      right: { node: fail("ignored"), needs: ["top"], onFailure: "ignore" },
      merge: { node: identity, needs: ["left", "right"] },
    };
    const flow = await run({ dag });
    expect(flow).toMatchObject({ state: "succeeded", result: { merge: { left: 11, right: null } }, error: null });
    expect(statesOf(flow)).toEqual({ top: "succeeded", left: "succeeded", right: "failed", merge: "succeeded" });
    expect(flow.nodes.find(({ key }) => key === "merge")?.needs.toSorted()).toEqual(["left", "right"]);
  });

  it("does not ignore what failed before what is ignored", async () => {
    const optional = { dag: { a: { node: identity, onFailure: "ignore" } } };
    const flow = await run({ chain: [fail("before"), optional, hook("after the optional")] });
    expect(taskAt(flow, "1.a")).toMatchObject(abandoned(idAt(flow, "0")));
    expect(taskAt(flow, "2")).toMatchObject(abandoned(idAt(flow, "0")));
    expect(flow.state).toBe("failed");
    expect(heard("after the optional")).toEqual([0]);
  });

  it("results in the nodes that no other needs, and takes parts of what is passed", async () => {
    const dag = {
      a: { node: value({ list: [1, { "x/y": 5 }] }) },
      b: { node: add({ $from: "a", path: "/list/0" }, { $from: "a", path: "/list/1/x~1y" }), needs: ["a"] },
      c: { node: fail(), onFailure: "ignore" },
    };
    expect(await run({ dag })).toMatchObject({ state: "succeeded", result: { b: 6, c: null } });
  });

  it("ends what needs a failure that is not ignored, and names both of two", async () => {
    const dag = {
      a: { node: fail("a") },
      b: { node: { chain: [{ task: "test.sleep", input: { ms: 300 } }, fail("b")] } },
      c: { node: hook("c"), needs: ["a", "b"] },
      d: { node: value(1) },
    };
    const flow = await run({ dag });
    expect(flow).toMatchObject({ state: "failed", error: { data: { failed: [{ key: "a" }, { key: "b.1" }] } } });
    // It was lost with the first of them, and names the second, too.
    expect(taskAt(flow, "c")).toMatchObject(abandoned(idAt(flow, "a"), idAt(flow, "b.1")));
    expect(taskAt(flow, "d").state).toBe("succeeded");
  });
});

describe("cancelling", () => {
  it("half-way ends all that has not ended", async () => {
    const flow = await submit({
      chain: [
        { group: [hook("done"), { task: "test.sleep", input: { ms: 60_000 } }] },
        { group: [hook("never"), hook("never")] },
      ],
      onError: hook("no error"),
    });
    await until(flow.id, ({ counts }) => counts.succeeded === 1 && counts.running === 1);
    const answer = await cancel(flow.id, { reason: "enough" });
    expect(answer).toMatchObject({ status: 202, body: { cancelRequestedAt: expect.any(String) } });
    const ended = await waitForEnd(flow.id);
    expect(ended).toMatchObject({
      state: "cancelled",
      error: { type: "cancelled" },
      counts: { succeeded: 1, cancelled: 3 },
    });
    expect(taskAt(ended, "0.1")).toMatchObject({ error: { type: "cancelled", message: "cancelled: enough" } });
    expect(heard("never", "no error")).toEqual([0, 0]);
    expect(await cancel(flow.id)).toMatchObject({ status: 200, body: { state: "cancelled" } });
  });

  it("what has ended is a 409", async () => {
    const { id } = await run(value(1));
    expect(await cancel(id)).toMatchObject({ status: 409, body: { type: "/problems/conflict" } });
  });

  it("a member by hand makes the flow cancelled, and ends what needs it", async () => {
    const flow = await submit({
      chord: { header: [{ task: "test.sleep", input: { ms: 60_000 } }, value(1)], body: hook("body") },
    });
    await until(flow.id, ({ counts }) => counts.running === 1 && counts.succeeded === 1);
    await api.post(`/v1/tasks/${idAt(flow, "header.0")}/cancel`);
    const ended = await waitForEnd(flow.id);
    expect(ended).toMatchObject({ state: "cancelled", counts: { cancelled: 2, succeeded: 1 } });
    expect(taskAt(ended, "body")).toMatchObject({
      state: "cancelled",
      error: { type: "dependency_failed", data: { taskIds: [idAt(flow, "header.0")] } },
    });
    expect(heard("body")).toEqual([0]);
  });

  it("a member whose failure is ignored lets the others go on", async () => {
    const dag = {
      a: { node: { task: "test.sleep", input: { ms: 60_000 } }, onFailure: "ignore" },
      b: { node: identity, needs: ["a"] },
    };
    const flow = await submit({ dag });
    await until(flow.id, ({ counts }) => counts.running === 1);
    await api.post(`/v1/tasks/${idAt(flow, "a")}/cancel`);
    expect(await waitForEnd(flow.id)).toMatchObject({ state: "succeeded", result: { b: { a: null } } });
  });
});

describe("retrying", () => {
  it("runs only what failed, and what depends on it", async () => {
    const name = (part: string) => `retry ${part}`;
    refused.add(name("left"));
    const dag = {
      top: { node: hook(name("top")) },
      left: { node: hook(name("left")), needs: ["top"] },
      right: { node: hook(name("right")), needs: ["top"] },
      merge: { node: { chain: [identity, hook(name("merge"))] }, needs: ["left", "right"] },
      apart: { node: hook(name("apart")) },
    };
    const parts = ["top", "left", "right", "merge", "apart"].map(name);
    const failed = await run({ dag, onError: hook(name("error")) });
    expect(failed.state).toBe("failed");
    expect(heard(...parts, name("error"))).toEqual([1, 1, 1, 0, 1, 1]);
    refused.clear();
    const answer = await retry(failed.id);
    expect(answer).toMatchObject({ status: 202, body: { state: "running", finishedAt: null, error: null } });
    const ended = await waitForEnd(failed.id);
    expect(ended).toMatchObject({ state: "succeeded", result: { merge: name("merge"), apart: name("apart") } });
    expect(heard(...parts, name("error"))).toEqual([1, 2, 1, 1, 1, 1]);
    expect(taskAt(ended, "merge.0").result).toEqual({ left: name("left"), right: name("right") });
    expect(await retry(failed.id)).toMatchObject({ status: 409 });
  });

  it("may fail again, and runs onError again for it", async () => {
    refused.add("stubborn");
    const flow = await run({ ...hook("stubborn"), onError: hook("stubborn's error") });
    await retry(flow.id);
    expect(await waitForEnd(flow.id)).toMatchObject({ state: "failed" });
    expect(heard("stubborn", "stubborn's error")).toEqual([2, 2]);
  });

  it("succeeds although what ran on the first failure had failed, too", async () => {
    refused.add("mended").add("mended's error");
    const flow = await run({ ...hook("mended"), onError: hook("mended's error") });
    expect(flow.state).toBe("failed");
    refused.clear();
    expect((await retry(flow.id)).status).toBe(202);
    expect(await waitForEnd(flow.id)).toMatchObject({ state: "succeeded", result: "mended" });
    expect(heard("mended's error")).toEqual([1]);
  });

  it("what was cancelled goes on from there, in its order", async () => {
    const flow = await submit({ chain: [hook("once", 0), hook("again", 1_500), add(1, 2), identity, hook("at last")] });
    await until(flow.id, () => heard("again")[0] === 1);
    await cancel(flow.id);
    expect((await waitForEnd(flow.id)).state).toBe("cancelled");
    expect((await retry(flow.id)).body.counts).toMatchObject({ succeeded: 1, waiting: 3 });
    const ended = await waitForEnd(flow.id);
    expect(ended).toMatchObject({ state: "succeeded", result: "at last", counts: { succeeded: 5 } });
    expect(taskAt(ended, "3").result).toBe(3);
    expect(heard("once", "again", "at last")).toEqual([1, 2, 1]);
  });

  it("from a node runs that and what depends on it, even where nothing failed", async () => {
    const name = (part: number) => `from ${part}`;
    const flow = await run({ chain: [hook(name(0)), { group: [hook(name(1)), hook(name(2))] }, hook(name(3))] });
    expect(flow.state).toBe("succeeded");
    expect((await retry(flow.id, { from: "1.0" })).status).toBe(202);
    expect(await waitForEnd(flow.id)).toMatchObject({ state: "succeeded", result: name(3) });
    expect(heard(name(0), name(1), name(2), name(3))).toEqual([1, 2, 1, 2]);
  });

  it("from a node whose need has not succeeded is a 409, and changes nothing", async () => {
    const flow = await run({ chain: [fail(), hook("unready")] });
    expect(await retry(flow.id, { from: "1" })).toMatchObject({ status: 409 });
    expect(await read(flow.id)).toEqual(flow);
    expect(heard("unready")).toEqual([0]);
  });

  it("from a node leaves a failure elsewhere, and what needs that", async () => {
    const dag = {
      a: { node: hook("beside") },
      b: { node: fail() },
      c: { node: identity, needs: ["a", "b"] },
      d: { node: hook("beyond"), needs: ["a"] },
      e: { node: identity, needs: ["c", "d"] },
    };
    const flow = await run({ dag });
    expect((await retry(flow.id, { from: "a" })).status).toBe(202);
    const ended = await waitForEnd(flow.id);
    expect(ended.state).toBe("failed");
    expect(heard("beside", "beyond")).toEqual([2, 2]);
    for (const key of ["c", "e"]) expect(taskAt(ended, key)).toMatchObject(abandoned(idAt(flow, "b")));
  });

  it("runs again what failed and was ignored, too, and gives others its result", async () => {
    refused.add("may fail").add("must not");
    const dag = {
      may: { node: hook("may fail"), onFailure: "ignore" },
      must: { node: hook("must not"), needs: ["may"] },
      other: { node: { chain: [identity, hook("other")] }, needs: ["may"] },
    };
    const flow = await run({ dag });
    expect(taskAt(flow, "other.0").result).toEqual({ may: null });
    refused.clear();
    await retry(flow.id);
    const ended = await waitForEnd(flow.id);
    expect(ended).toMatchObject({ state: "succeeded", counts: { succeeded: 4 } });
    expect(taskAt(ended, "other.0").result).toEqual({ may: "may fail" });
    expect(heard("may fail", "must not", "other")).toEqual([2, 2, 2]);
  });

  it("from a node that is not there is a 404; nothing to retry is a 409; and neither changes anything", async () => {
    const flow = await run(value(1));
    expect(await retry(flow.id, { from: "7" })).toMatchObject({ status: 404 });
    expect(await retry(flow.id)).toMatchObject({ status: 409 });
    expect(await read(flow.id)).toEqual(flow);
  });

  it("a member by itself opens the flow again, there", async () => {
    refused.add("by itself");
    const flow = await run({ group: [{ chain: [hook("by itself"), identity] }, hook("beside it")] });
    expect(flow).toMatchObject({ state: "failed", counts: { failed: 2, succeeded: 1 } });
    refused.clear();
    const again = await api.post<TaskResource>(`/v1/tasks/${idAt(flow, "0.0")}/retry`);
    expect(again).toMatchObject({ status: 202, body: { state: "queued" } });
    expect(await waitForEnd(flow.id)).toMatchObject({ state: "succeeded", result: ["by itself", "beside it"] });
    expect(heard("by itself", "beside it")).toEqual([2, 1]);
    expect(await retry(flow.id)).toMatchObject({ status: 409 });
  });

  it("a member with another input passes on what comes of that, and may fail again", async () => {
    const flow = await run({ chain: [fail("first"), identity], onError: hook("an input's error") });
    const task = `/v1/tasks/${idAt(flow, "0")}`;
    expect(await api.post(`${task}/retry`, { input: { message: "second", retryable: false } })).toMatchObject({
      status: 202,
    });
    const again = await waitForEnd(flow.id);
    expect(again.error?.data).toMatchObject({ failed: [{ key: "0", error: { message: "second" } }] });
    expect(taskAt(again, "1")).toMatchObject(abandoned(idAt(flow, "0")));
    expect(heard("an input's error")).toEqual([2]);
  });

  it("a task of onError runs that alone, and the flow has failed as before", async () => {
    refused.add("retried error");
    const flow = await run({ chain: [fail()], onError: hook("retried error") });
    refused.clear();
    expect((await api.post(`/v1/tasks/${idAt(flow, "onError")}/retry`)).status).toBe(202);
    const again = await waitForEnd(flow.id);
    expect(again).toMatchObject({ state: "failed", counts: { failed: 1, succeeded: 1 } });
    expect(heard("retried error")).toEqual([2]);
  });

  it("many members by a filter opens each of their flows, where each begins once", async () => {
    refused.add("bulk 0").add("bulk 1");
    const flows = await Promise.all([0, 1].map((n) => run({ chain: [hook(`bulk ${n}`), identity, identity] })));
    refused.clear();
    const ids = flows.flatMap((flow) => flow.nodes.map(({ task }) => task.id));
    const { body } = await api.post("/v1/tasks/retry", { filter: { ids } });
    expect(body).toEqual({ matched: 6, changed: 6 });
    for (const [n, { id }] of flows.entries()) {
      expect(await waitForEnd(id)).toMatchObject({ state: "succeeded", result: `bulk ${n}` });
    }
    expect(heard("bulk 0", "bulk 1")).toEqual([2, 2]);
  });

  it("a member whose flow still runs lets what depends on it wait for it", async () => {
    refused.add("early");
    const signal = { task: "test.signal", input: { name: "go" } };
    const { id } = await submit({ group: [{ chain: [hook("early"), identity] }, signal] });
    const failed = await until(id, (flow) => flow.counts.failed === 2);
    refused.clear();
    expect((await api.post(`/v1/tasks/${idAt(failed, "0.0")}/retry`)).status).toBe(202);
    await api.post(`/v1/tasks/${idAt(failed, "1")}/signals/go`, JSON.stringify("gone"));
    expect(await waitForEnd(id)).toMatchObject({ state: "succeeded", result: ["early", "gone"] });
    expect(heard("early")).toEqual([2]);
  });

  it("a member that needs a failure, or whose dependants are at work, is a 409 that says what to do", async () => {
    const ended = await run({ chain: [fail(), hook("too early")] });
    const after = { node: { task: "test.sleep", input: { ms: 60_000 } }, needs: ["a"] };
    const { id } = await submit({ dag: { a: { node: fail(), onFailure: "ignore" }, after } });
    const used = await until(id, (flow) => taskAt(flow, "after").state === "running");
    for (const [flow, key] of [
      [ended, "1"],
      [used, "a"],
    ] as const) {
      const answer = await api.post<ProblemResource>(`/v1/tasks/${idAt(flow, key)}/retry`);
      const detail = expect.stringContaining(`/v1/flows/${flow.id}/retry`) as unknown;
      expect(answer).toMatchObject({ status: 409, body: { detail } });
      expect(taskAt(await read(flow.id), key)).toEqual(taskAt(flow, key));
    }
    await cancel(id);
  });

  it("a node of a dag whose name begins with onError", async () => {
    refused.add("handler");
    const flow = await run({ dag: { onErrorHandler: { node: hook("handler") } } });
    refused.clear();
    expect((await retry(flow.id)).status).toBe(202);
    expect(await waitForEnd(flow.id)).toMatchObject({ state: "succeeded" });
  });

  it("a flow that runs is a 409", async () => {
    const { id } = await submit({ task: "test.sleep", input: { ms: 60_000 } });
    expect(await retry(id)).toMatchObject({ status: 409 });
    await cancel(id);
  });
});

describe("the options of a node", () => {
  it("hold for it alone", async () => {
    const first = { ...value(1), options: { lane: "high", tags: { who: "first" }, maxAttempts: 7 } };
    const second = { ...identity, options: { lane: "bulk", retention: "1d" } };
    const flow = await run({ chain: [first, second] });
    expect(taskAt(flow, "0")).toMatchObject({ lane: "high", tags: { who: "first" }, maxAttempts: 7 });
    expect(taskAt(flow, "1")).toMatchObject({ lane: "bulk", tags: {}, maxAttempts: 3, state: "succeeded" });
  });

  it("may be shared by all of a map", async () => {
    const flow = await run({ map: { task: "test.identity", inputs: [1, 2], options: { lane: "bulk" } } });
    expect(flow.nodes.map(({ task }) => task.lane)).toEqual(["bulk", "bulk"]);
  });

  it("delay it from its release, not from the submission", async () => {
    const flow = await run({
      chain: [
        { task: "test.sleep", input: { ms: 1_500 } },
        { ...identity, options: { delay: "1s" } },
      ],
    });
    const { finishedAt } = taskAt(flow, "0");
    const apart = Date.parse(taskAt(flow, "1").startedAt!) - Date.parse(finishedAt!);
    expect(flow.state).toBe("succeeded");
    expect(apart).toBeGreaterThanOrEqual(1_000);
  });

  it("hold it until a time, and no longer than that where the release comes later", async () => {
    const runAt = new Date(Date.now() + 8_000).toISOString();
    const past = new Date(Date.now() + 500).toISOString();
    const flow = await run({
      chain: [
        { task: "test.sleep", input: { ms: 1_500 } },
        {
          group: [
            { ...identity, options: { runAt } },
            { ...identity, options: { runAt: past } },
          ],
        },
      ],
    });
    const released = Date.parse(taskAt(flow, "0").finishedAt!);
    const held = Date.parse(taskAt(flow, "1.0").startedAt!);
    const late = Date.parse(taskAt(flow, "1.1").startedAt!);
    expect(held).toBeGreaterThanOrEqual(Date.parse(runAt));
    expect(late).toBeGreaterThanOrEqual(released);
    expect(late).toBeLessThanOrEqual(held);
  });

  it("end one that has waited for too long, and what needs it", async () => {
    const flow = await run({
      chain: [
        { task: "test.sleep", input: { ms: 10_000 } },
        { ...hook("expired"), options: { expiresIn: "1s" } },
        hook("after the expired"),
      ],
    });
    expect(flow).toMatchObject({ state: "failed", counts: { succeeded: 1, expired: 1, failed: 1 } });
    expect(taskAt(flow, "1")).toMatchObject({ state: "expired", attempt: 0, error: { type: "expired" } });
    expect(taskAt(flow, "2")).toMatchObject(abandoned(idAt(flow, "1")));
    expect(heard("expired", "after the expired")).toEqual([0, 0]);
    // On time, and not when what it waits for has ended.
    expect(Date.parse(taskAt(flow, "1").finishedAt!)).toBeLessThan(Date.parse(taskAt(flow, "0").finishedAt!));
  });
});

describe("what a node is given", () => {
  it("is its own input alone where that refers to nothing", async () => {
    expect(await run({ chain: [value(1), add(2, 3)] })).toMatchObject({ result: 5 });
  });

  it("may be large", async () => {
    const flow = await run({ chain: [{ task: "test.big", input: { bytes: 300_000 } }, identity] });
    expect(String(flow.result)).toHaveLength(300_000);
  });
});

describe("a graph with faults", () => {
  const storedBy = async (work: () => Promise<unknown>) => {
    const newest = async () => (await api.get<TaskList>("/v1/tasks?limit=1")).body.items[0]?.id;
    const before = await newest();
    await work();
    expect(await newest()).toBe(before);
  };

  it.each<[string, Node, object[]]>([
    [
      "an unknown task",
      { chain: [value(1), { task: "no.such" }] },
      [{ pointer: "/chain/1/task", detail: "unknown task" }],
    ],
    ["an input that does not fit", { group: [value(1), add("x", 1)] }, [{ pointer: "/group/1/input/x" }]],
    [
      "an input of a map that does not fit",
      { map: { task: "test.add", inputs: [{ x: 1, y: 1 }, { x: 1 }] } },
      [{ pointer: "/map/inputs/1/y" }],
    ],
    [
      "an input that is missing",
      { chord: { header: [{ task: "test.add" }], body: identity } },
      [{ pointer: "/chord/header/0/input" }],
    ],
    [
      "an option that does not fit",
      { chain: [{ ...value(1), options: { lane: "slow" } }] },
      [{ pointer: "/chain/0/options/lane" }],
    ],
    ["an option that is not known", { ...value(1), options: { dealy: 1 } }, [{ pointer: "/options/dealy" }]],
    [
      "an expiry before its start",
      { ...value(1), options: { delay: "2s", expiresIn: "1s" } },
      [{ pointer: "/options/expiresIn" }],
    ],
    ["an unknown need", { dag: { a: { node: value(1), needs: ["b"] } } }, [{ pointer: "/dag/a/needs/0" }]],
    [
      "a circle",
      { dag: { a: { node: value(1), needs: ["b"] }, b: { node: value(1), needs: ["a"] } } },
      [{ pointer: "/dag/a/needs" }, { pointer: "/dag/b/needs" }],
    ],
    ["a reference to nothing", { chain: [add(previous, 1)] }, [{ pointer: "/chain/0/input/x/$from" }]],
    ["a part that cannot fit", { chain: [value(1), add(previous, "y")] }, [{ pointer: "/chain/1/input/y" }]],
    [
      "a path that is no pointer",
      { chain: [value(1), add({ ...previous, path: "/a~2" }, 1)] },
      [{ pointer: "/chain/1/input/x/path" }],
    ],
    ["a node that is called previous", { dag: { previous: { node: value(1) } } }, [{ pointer: "/dag/previous" }]],
    ["two kinds of node", { group: [], chain: [] }, [{ pointer: "" }]],
    [
      "an onError that does not fit",
      { ...value(1), onError: { task: "test.add", input: {} } },
      [{ pointer: "/onError/input/x" }, { pointer: "/onError/input/y" }],
    ],
  ])("such as %s is refused, and nothing is stored", async (_, body, errors) => {
    await storedBy(async () => {
      const answer = await refuse(body);
      expect(answer).toMatchObject({ status: 422, body: { type: "/problems/invalid-body", errors } });
    });
  });

  it("may nest as deeply as a body may, and no deeper", async () => {
    const nested = (levels: number, kind: string, inner: Node): Node =>
      levels === 0 ? inner : { [kind]: [nested(levels - 1, kind, inner)] };
    expect(await run(nested(248, "chain", value(1)))).toMatchObject({ state: "succeeded", result: 1 });
    const grouped = await run({ chain: [nested(247, "group", value(1)), identity] });
    expect(JSON.stringify(grouped.result)).toBe(`${"[".repeat(247)}1${"]".repeat(247)}`);
    const dag = Array.from({ length: 165 }).reduce<Node>(
      (node) => ({ dag: { a: { node, onFailure: "ignore" } } }),
      value(1),
    );
    expect(await run(dag)).toMatchObject({ state: "succeeded" });
    const deep = await refuse(nested(250, "chain", value(1)));
    expect(deep).toMatchObject({
      status: 422,
      body: { errors: [{ pointer: "", detail: expect.stringContaining("500") as unknown }] },
    });
  });

  it("is told of all of them at once", async () => {
    const { body } = await refuse({ group: [add("x", "y"), { task: "no.such" }, { chain: [] }, value(1)] });
    expect(body.errors?.map(({ pointer }) => pointer).toSorted()).toEqual([
      "/group/0/input/x",
      "/group/0/input/y",
      "/group/1/task",
      "/group/2/chain",
    ]);
  });

  it("is refused where the body is no flow at all", async () => {
    for (const body of [[], '"chain"', 7, null]) expect((await refuse(body)).status).toBe(422);
  });
});

describe("a repeated submission", () => {
  it("with one key makes one flow", async () => {
    const key = { "idempotency-key": "flow-once" };
    const body = { chain: [hook("keyed"), identity] };
    const answers = await Promise.all(Array.from({ length: 20 }, () => api.post<FlowResource>("/v1/flows", body, key)));
    const [first] = answers;
    expect(answers.map(({ status, body: { id } }) => [status, id])).toEqual(answers.map(() => [202, first?.body.id]));
    expect(answers.filter(({ headers }) => headers.get("idempotency-replayed") === "true")).toHaveLength(19);
    await waitForEnd(first?.body.id ?? "");
    expect(heard("keyed")).toEqual([1]);
    const late = await api.post<FlowResource>("/v1/flows", body, key);
    expect(late).toMatchObject({ status: 202, body: { id: first?.body.id, state: "succeeded" } });
  });

  it("with one key and another body is refused", async () => {
    const key = { "idempotency-key": "flow-other" };
    await api.post("/v1/flows", value(1), key);
    const answer = await api.post("/v1/flows", value(2), key);
    expect(answer).toMatchObject({ status: 422, body: { type: "/problems/idempotency-key-reused" } });
  });
});

describe("reading", () => {
  it("shows the nodes in pages, in the order of the graph", async () => {
    const flow = await run({ map: { task: "test.identity", inputs: Array.from({ length: 7 }, (_, i) => i) } });
    const pages: string[][] = [];
    for (let cursor: string | null = ""; cursor !== null;) {
      const query: string = cursor === "" ? "?limit=3" : `?limit=3&cursor=${cursor}`;
      const { body, headers }: Answer<FlowResource> = await api.get(`/v1/flows/${flow.id}${query}`);
      const next = `</v1/flows/${flow.id}?limit=3&cursor=${body.nextCursor}>; rel="next"`;
      expect(headers.get("link")).toBe(body.nextCursor === null ? null : next);
      expect(body).toMatchObject({ state: "succeeded", counts: { succeeded: 7 }, result: [0, 1, 2, 3, 4, 5, 6] });
      pages.push(body.nodes.map(({ key }) => key));
      cursor = body.nextCursor;
    }
    expect(pages).toEqual([["0", "1", "2"], ["3", "4", "5"], ["6"]]);
  });

  it("shows 1,001 nodes at once, and as many as are light enough where they are heavy", async () => {
    const light = await submit({ chord: { header: Array.from({ length: 1_000 }, () => value(1)), body: identity } });
    expect(light).toMatchObject({ nextCursor: null });
    expect(light.nodes.at(-1)?.key).toBe("body");
    // Each is just small enough to lie in its row, and comes back as a result.
    const heavy = { chord: { header: Array.from({ length: 60 }, () => value("x".repeat(16_000))), body: identity } };
    const many = {
      chain: [heavy, { map: { task: "test.big", inputs: Array.from({ length: 500 }, () => ({ bytes: 16_000 })) } }],
    };
    const flow = await run(many);
    expect(flow.state).toBe("succeeded");
    expect(flow.nodes.length).toBeGreaterThan(100);
    expect(flow.nodes.length).toBeLessThan(561);
    const keys = flow.nodes.map(({ key }) => key);
    for (let cursor = flow.nextCursor; cursor !== null;) {
      const { body }: Answer<FlowResource> = await api.get(`/v1/flows/${flow.id}?cursor=${cursor}`);
      keys.push(...body.nodes.map(({ key }) => key));
      cursor = body.nextCursor;
    }
    expect(keys).toHaveLength(561);
    expect(new Set(keys).size).toBe(561);
  });

  it("names needs that are on another page", async () => {
    const { id } = await run({ chain: [value(1), identity] });
    const { body: first } = await api.get<FlowResource>(`/v1/flows/${id}?limit=1`);
    const { body } = await api.get<FlowResource>(`/v1/flows/${id}?limit=1&cursor=${first.nextCursor}`);
    expect(body.nodes).toMatchObject([{ key: "1", needs: ["0"] }]);
  });

  it.each(["limit=0", "limit=10001", "limit=x", "cursor=x", "nodes=3"])("refuses ?%s", async (query) => {
    const { id } = await submit(value(1));
    expect((await api.get(`/v1/flows/${id}?${query}`)).status).toBe(400);
  });

  it("waits for the end where it is preferred, and no longer", async () => {
    const { id } = await submit({ task: "test.sleep", input: { ms: 1_000 } });
    const { headers, body } = await api.get<FlowResource>(`/v1/flows/${id}`, { prefer: "wait=60" });
    expect(headers.get("preference-applied")).toBe("wait=60");
    expect(body.state).toBe("succeeded");
    expect(headers.get("retry-after")).toBe(null);
    const other = await submit({ task: "test.sleep", input: { ms: 60_000 } });
    const early = await api.get<FlowResource>(`/v1/flows/${other.id}`, { prefer: "wait=1" });
    expect(early.body.state).toBe("running");
    expect(early.headers.get("retry-after")).toBe("1");
    await cancel(other.id);
  });

  it("waits for the end where that is preferred of a submission", async () => {
    const prefer = { prefer: "wait=60" };
    const ended = await api.post<FlowResource>("/v1/flows", add(1, 2), prefer);
    expect(ended).toMatchObject({ status: 200, body: { state: "succeeded", result: 3 } });
    expect(ended.headers.get("preference-applied")).toBe("wait=60");
    expect(ended.headers.get("location")).toBe(`/v1/flows/${ended.body.id}`);
    expect(ended.headers.get("retry-after")).toBe(null);
    const sleep = { task: "test.sleep", input: { ms: 60_000 } };
    const early = await api.post<FlowResource>("/v1/flows", sleep, { prefer: "wait=1" });
    expect(early).toMatchObject({ status: 202, body: { state: "running" } });
    expect(early.headers.get("preference-applied")).toBe("wait=1");
    expect(early.headers.get("retry-after")).toBe("1");
    await cancel(early.body.id);
    const invalid = await api.post("/v1/flows", { task: "test.nothing" }, prefer);
    expect(invalid.status).toBe(422);
  });

  it("is worth it where and when a cancel or a retry says", async () => {
    const { id } = await submit({ task: "test.stubborn", input: { ms: 4_000 } });
    await until(id, (flow) => flow.counts.running === 1);
    const cancelled = await cancel(id);
    await waitForEnd(id);
    const retried = await retry(id);
    for (const answer of [cancelled, retried]) {
      expect(answer.status).toBe(202);
      expect(answer.headers.get("location")).toBe(`/v1/flows/${id}`);
      expect(answer.headers.get("retry-after")).toBe("1");
    }
    await cancel(id);
  });

  it("finds the members of a flow in the list", async () => {
    const flow = await run({ group: [value(1), value(2), fail()] });
    await run(value(3));
    const ids = (await api.listAll(`flowId=${flow.id}`)).map((task) => task.id);
    expect(ids.toSorted()).toEqual(flow.nodes.map(({ task }) => task.id).toSorted());
    expect(await api.listAll(`flowId=${flow.id}&state=failed`)).toMatchObject([{ id: idAt(flow, "2") }]);
  });

  it("is nothing to another tenant, as if there were no such flow", async () => {
    const scopes = ["submit", "read", "cancel"];
    const made = await apiOf(server.root).post<{ key: string }>("/v1/keys", {
      name: "other",
      tenant: "flows-other",
      scopes,
    });
    const other = apiOf({ url: server.url, key: made.body.key });
    const flow = await run({ ...value(1) });
    const missing = `${flow.id.slice(0, -1)}${flow.id.endsWith("0") ? "1" : "0"}`;
    const wrong = [
      await other.get(`/v1/flows/${flow.id}`),
      await other.post(`/v1/flows/${flow.id}/cancel`),
      await other.post(`/v1/flows/${flow.id}/retry`),
      await api.get(`/v1/flows/${missing}`),
      await api.get("/v1/flows/x"),
    ];
    for (const answer of wrong) {
      expect(answer).toMatchObject({ status: 404, body: { type: "/problems/not-found" } });
    }
    expect((await other.get<TaskList>(`/v1/tasks?flowId=${flow.id}`)).body.items).toEqual([]);
    expect(await read(flow.id)).toEqual(flow);
  });
});

describe("members live as long as their flow", () => {
  const remove = (path: string) => api.call<ProblemResource>("DELETE", path);

  it("one alone is not removed, and a retry passes no null in the place of what failed", async () => {
    const flow = await run({ chord: { header: [fail(), value("ok")], body: identity } });
    const lost = taskAt(flow, "header.0");
    const refusal = await remove(`/v1/tasks/${lost.id}`);
    expect(refusal).toMatchObject({
      status: 409,
      body: {
        type: "/problems/conflict",
        detail: expect.stringContaining(`/v1/flows/${flow.id}`),
        errors: [{ pointer: "/flowId", detail: expect.stringContaining(flow.id) }],
      },
    });
    expect(refusal.headers.get("link")).toBe(`</v1/flows/${flow.id}>; rel="up"`);

    expect((await api.post(`/v1/flows/${flow.id}/retry`)).status).toBe(202);
    const again = await waitForEnd(flow.id);
    expect(again).toMatchObject({ state: "failed", result: null });
    expect(taskAt(again, "body").error).toMatchObject({ type: "dependency_failed", data: { taskIds: [lost.id] } });
  });

  it("no filter of a bulk delete finds them, but the flow alone, which then goes as a whole", async () => {
    const flow = await run({
      group: [value(1), { ...value(2), options: { tags: { kind: "bulk" } } }],
      onError: identity,
    });
    const ids = flow.nodes.map(({ task }) => task.id);
    const bulk = async (filter: unknown, more: object = {}) =>
      (await api.post("/v1/tasks/delete", { filter, ...more })).body;
    const none = { matched: 0, changed: 0 };
    expect(await bulk({ ids })).toEqual(none);
    expect(await bulk({ ids: ids.slice(0, 1) })).toEqual(none);
    expect(await bulk({ tags: { kind: "bulk" } })).toEqual(none);
    expect(await bulk({ flowId: flow.id, state: ["succeeded"] })).toEqual(none);
    expect(await read(flow.id)).toMatchObject({ result: [1, 2] });
    expect(await bulk({ flowId: flow.id }, { dryRun: true })).toEqual({ matched: 2, changed: 0 });
    expect(await bulk({ flowId: flow.id })).toEqual({ matched: 2, changed: 2 });
    expect((await api.get(`/v1/flows/${flow.id}`)).status).toBe(404);
    for (const id of ids) expect((await api.get(`/v1/tasks/${id}`)).status).toBe(404);
  });

  it("a flow is removed with all of its tasks, once it has ended", async () => {
    const flow = await submit({ chain: [value("x"), { ...identity, options: { delay: "1h" } }] });
    const path = `/v1/flows/${flow.id}`;
    expect(await remove(path)).toMatchObject({ status: 409, body: { type: "/problems/conflict" } });
    expect((await api.post("/v1/tasks/delete", { filter: { flowId: flow.id } })).body).toEqual({
      matched: 0,
      changed: 0,
    });
    await api.post(`${path}/cancel`);
    expect((await remove(path)).status).toBe(204);
    expect((await remove(path)).status).toBe(404);
    for (const { task } of flow.nodes) expect((await api.get(`/v1/tasks/${task.id}`)).status).toBe(404);
  });

  it("of a flow that is gone, the repeated request says so", async () => {
    const key = { "idempotency-key": `gone-${Date.now()}` };
    const body = { group: [value(1)] };
    const flow = await submit(body, key);
    await waitForEnd(flow.id);
    await remove(`/v1/flows/${flow.id}`);
    const answer = await api.post<ProblemResource>("/v1/flows", body, key);
    expect(answer).toMatchObject({ status: 410, body: { type: "/problems/gone" } });
  });
});
