/** The verbs on flows and the builders, against the service. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  chain,
  chord,
  dag,
  FlowEndedError,
  from,
  group,
  nodesOf,
  previous,
  WaitTimeoutError,
  type Client,
} from "../../src/client/index.ts";
import { shareServer, type SharedServer } from "../http/shared-server.ts";
import { clientOf, collect, type TestTasks } from "./client-of.ts";

const { task, map } = nodesOf<TestTasks>();

let server: SharedServer;
let client: Client<TestTasks>;

beforeAll(async () => {
  server = await shareServer();
  client = clientOf(server);
});

afterAll(async () => server?.stop());

describe("builders", () => {
  it("write the plain data of the contract", () => {
    const add = task("test.add", { x: 1, y: 2 }, { lane: "high" });

    expect(add).toEqual({ task: "test.add", input: { x: 1, y: 2 }, options: { lane: "high" } });
    expect(chain(task("test.noop"), add)).toEqual({ chain: [{ task: "test.noop" }, add] });
    expect(group([add])).toEqual({ group: [add] });
    expect(chord([add], task("test.sum"))).toEqual({ chord: { header: [add], body: { task: "test.sum" } } });
    expect(map("test.sum", [[1]], { tags: { a: "b" } })).toEqual({
      map: { task: "test.sum", inputs: [[1]], options: { tags: { a: "b" } } },
    });
    expect(dag({ a: { node: add, onFailure: "ignore" } })).toEqual({ dag: { a: { node: add, onFailure: "ignore" } } });
    expect(previous()).toEqual({ $from: "previous" });
    expect(previous("/x/0")).toEqual({ $from: "previous", path: "/x/0" });
    expect(from("a", "/x")).toEqual({ $from: "a", path: "/x" });
  });
});

describe("flows", () => {
  it("pass results along a chain", async () => {
    const add = (y: number) => task("test.add", { x: previous(), y });

    expect(await client.flows.run(chain(task("test.add", { x: 4, y: 4 }), add(8), add(16)))).toBe(32);
  });

  it("give the results of a group in order, and pass those of a header to the body", async () => {
    const one = task("test.add", { x: 0, y: 1 });
    const [sum, text, list] = await client.flows.run(
      group([chord([one, one, one], task("test.sum")), task("test.big", { bytes: 2 }), map("test.sum", [[1, 2], [3]])]),
    );

    expect([sum, text, list]).toEqual([3, "xx", [3, 3]]);
  });

  it("give the results of those that no other needs in a dag", async () => {
    const add = (x: number) => task("test.add", { x, y: 0 });
    const result = await client.flows.run(
      dag({
        a: { node: add(1) },
        b: { node: add(2) },
        bad: { node: task("test.fail", { message: "as asked", retryable: false }), onFailure: "ignore" },
        sum: { node: task("test.add", { x: from("a"), y: from("b") }), needs: ["a", "b"] },
        seen: { node: task("test.identity"), needs: ["a", "bad"] },
      }),
    );

    expect(result).toEqual({ sum: 3, seen: { a: 1, bad: null } });
  });

  it("throw what has failed, after onError has run; and run again", async () => {
    const flow = await client.flows.submit(task("test.fail", { message: "as asked", retryable: false }), {
      onError: task("test.identity"),
    });
    const error = await client.flows.wait(flow).catch((thrown: unknown) => thrown);

    expect(error).toBeInstanceOf(FlowEndedError);
    expect((error as FlowEndedError).flow).toMatchObject({
      state: "failed",
      error: { data: { taskIds: [expect.any(String)] } },
    });
    await expect
      .poll(async () => (await client.flows.get(flow)).nodes.find(({ key }) => key.startsWith("onError"))?.task.result)
      .toMatchObject({ flowId: flow.id, failed: [{ key: "0" }] });
    expect((await client.flows.retry(flow)).state).toBe("running");
    await expect(client.flows.wait(flow.id)).rejects.toBeInstanceOf(FlowEndedError);
  });

  it("fail at their deadline, and run again until a new one", async () => {
    const flow = await client.flows.submit(task("test.sleep", { ms: 60_000 }), { deadline: "500ms" });
    const missed = { flow: { id: flow.id, state: "failed", error: { type: "deadline_exceeded" } } };

    await expect(client.flows.wait(flow)).rejects.toMatchObject(missed);
    expect(await client.flows.retry(flow, { deadline: 500 })).toMatchObject({ state: "running", error: null });
    await expect(client.flows.wait(flow)).rejects.toMatchObject(missed);
  });

  it("can be cancelled, waited for in vain, and looked into", async () => {
    const sleep = task("test.sleep", { ms: 60_000 });
    const flow = await client.flows.submit(group([sleep, sleep, sleep]));

    await expect(client.flows.wait(flow, { within: 200 })).rejects.toBeInstanceOf(WaitTimeoutError);
    expect((await collect(client.flows.nodes(flow, { limit: 2 }))).map(({ key }) => key)).toEqual(["0", "1", "2"]);
    await client.flows.cancel(flow, { reason: "enough" });
    await expect(client.flows.wait(flow)).rejects.toMatchObject({ flow: { state: "cancelled" } });
  });

  it("can be followed", async () => {
    const flow = await client.flows.submit(chain(task("test.add", { x: 1, y: 2 }), task("test.identity")));
    const events = await collect(client.flows.events(flow));

    expect(events.at(-1)).toMatchObject({ type: "done", data: { id: flow.id, result: 3 } });
    const ends = events.flatMap(({ type, data }) => (type === "state" && data.state === "succeeded" ? [data.key] : []));
    expect(ends).toEqual(["0", "1"]);
    expect(await collect(client.flows.events(flow.id, { after: 1_000 }))).toMatchObject([{ type: "done" }]);
  });

  it("tell every fault of a graph", async () => {
    const graph = { group: [{ task: "test.nope" }, { task: "test.add", input: { x: "1" } }] };

    await expect(client.flows.submit(graph)).rejects.toMatchObject({
      status: 422,
      errors: expect.arrayContaining([expect.objectContaining({ pointer: "/group/0/task" })]) as unknown,
    });
  });
});
