/** The client while connections break and the service dies. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Client } from "../../src/client/index.ts";
import { chain, previous, nodesOf } from "../../src/client/index.ts";
import { startHookReceiver, type Hook, type HookReceiver } from "../faults/hook-receiver.ts";
import { shareServer, type SharedServer } from "../http/shared-server.ts";
import { startBreakingProxy } from "./breaking-proxy.ts";
import { clientOf, collect, type TestTasks } from "./client-of.ts";

let server: SharedServer;
let client: Client<TestTasks>;
let hooks: HookReceiver;

beforeAll(async () => {
  // The first attempt goes on until it is killed.
  const hold = ({ attempt }: Hook) => (attempt === 1 ? new Promise<boolean>(() => {}) : false);
  [server, hooks] = await Promise.all([shareServer(), startHookReceiver(hold)]);
  client = clientOf(server);
});

afterAll(() => Promise.all([server?.stop(), hooks?.close()]));

/** An attempt of a task whose result is this runs, and is held. */
const runs = (body: string) =>
  expect.poll(() => hooks.hooks.some((hook) => hook.body === body && hook.attempt === 1)).toBe(true);

/** Kills the service with -9, and starts it again after a while. */
async function die(): Promise<void> {
  await server.kill9();
  await new Promise((done) => setTimeout(done, 1_500));
  await server.restart();
}

describe("a service that is killed and started again", () => {
  it("ends no waiting for a task or a flow, and no following: each event comes once, in order, and then the result", async () => {
    const alone = await client.submit("test.hook", { url: hooks.url, body: "alone" });
    const { task } = nodesOf<TestTasks>();
    const flow = await client.flows.submit(
      chain(task("test.hook", { url: hooks.url, body: "first" }), task("test.identity", { value: previous() })),
    );
    const waiting = [client.wait(alone), client.flows.wait(flow)];
    await Promise.all([runs("alone"), runs("first")]);
    const followed = await client.submit("test.progress", { steps: 12, ms: 350 });
    const events = [];
    let dying: Promise<void> | null = null;
    for await (const event of client.events(followed)) {
      events.push(event);
      if (event.type === "progress" && event.data.done === 3) dying ??= die();
    }
    await dying;

    expect(dying).not.toBeNull();
    expect(events.at(-1)).toMatchObject({ type: "done", data: { state: "succeeded", result: 12 } });
    const seqs = events.map((event) => event.seq);
    expect(seqs).toEqual([...new Set(seqs)].toSorted((a, b) => a - b));
    expect(events.filter((event) => event.type === "done")).toHaveLength(1);
    // What came over two services is what the second one has kept.
    expect(events).toEqual(await collect(client.events(followed)));

    expect(await Promise.all(waiting)).toEqual(["alone", "first"]);
    expect((await client.get(alone)).attempts?.map(({ outcome }) => outcome)).toEqual(["crashed", "succeeded"]);
  });
});

describe("a connection that breaks", () => {
  it.each([0, 40, 1_100])("after %i bytes of the answer makes no second task", async (bytes) => {
    const proxy = await startBreakingProxy(server.url, 2, bytes);
    try {
      const tags = { cut: String(bytes) };
      const task = await clientOf({ ...server, url: proxy.url }).submit("test.add", { x: 1, y: 2 }, { tags });

      expect(proxy.broken()).toBe(2);
      expect((await collect(client.list({ tags }))).map(({ id }) => id)).toEqual([task.id]);
      expect(await client.wait(task)).toBe(3);
    } finally {
      await proxy.stop();
    }
  });

  it("makes no second batch and no second flow", async () => {
    const tags = { cut: "many" };
    const noop = { task: "test.noop", options: { tags } } as const;
    for (const make of ["batch", "flow"] as const) {
      const proxy = await startBreakingProxy(server.url, 1, 30);
      const through = clientOf({ ...server, url: proxy.url });
      if (make === "batch") await through.batch([noop, noop]);
      else await through.flows.submit({ group: [noop, noop] });
      await proxy.stop();
      expect(proxy.broken()).toBe(1);
    }

    expect(await collect(client.list({ tags }))).toHaveLength(4);
  });
});
