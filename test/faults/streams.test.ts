/** What a listener hears when the service is killed: everything, once, and always the end. */
import { setTimeout } from "node:timers/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { TaskEvent } from "../../src/contract/event.ts";
import { apiOf, type Api } from "../http/api.ts";
import { shareServer, type SharedServer } from "../http/shared-server.ts";
import { listenSse } from "../http/streams.ts";
import { startHookReceiver } from "./hook-receiver.ts";

let server: SharedServer;
let api: Api;

beforeAll(async () => {
  server = await shareServer();
  api = apiOf(server);
});

afterAll(() => server.stop());

/** Listens until `done`, however often the connection breaks meanwhile. */
async function listenOn(path: string): Promise<TaskEvent[]> {
  const heard: TaskEvent[] = [];
  const until = Date.now() + 180_000;
  while (heard.at(-1)?.type !== "done") {
    if (Date.now() > until) throw new Error(`no done after ${heard.length} events`);
    const after = heard.at(-1)?.seq ?? 0;
    const take = (event: TaskEvent) => {
      heard.push(event);
      return false;
    };
    const headers = { authorization: `Bearer ${server.key}` };
    await listenSse(server.url + path, { after, until: take, headers }).catch(async () => setTimeout(100));
  }
  return heard;
}

function expectOrdered(events: TaskEvent[]): void {
  const numbers = events.map((event) => event.seq);
  expect(numbers).toEqual([...new Set(numbers)].toSorted((a, b) => a - b));
}

it("goes on after a kill -9 between two connections: in order, none twice, to the end", async () => {
  const task = await api.submit("test.progress", { steps: 8, ms: 400 });
  const isThird = (event: TaskEvent) => event.type === "progress" && (event.data as { done: number }).done === 3;
  const headers = { authorization: `Bearer ${server.key}` };
  const first = await listenSse(server.url + task.links.events, { until: isThird, headers });
  await server.kill9();
  await server.restart();
  const second = await listenSse(server.url + task.links.events, { after: first.at(-1)!.seq, headers });
  expectOrdered([...first, ...second]);
  expect(second.at(-1)).toMatchObject({ type: "done", data: { state: "succeeded", attempt: 2 } });
  const again = second
    .filter((event) => event.type === "progress")
    .map((event) => (event.data as { done: number }).done);
  expect(again.slice(-8)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
});

it("hears the ends of tasks whose process is killed around their commits", async () => {
  const receiver = await startHookReceiver();
  for (const killAfterMs of [10, 25]) {
    // The commit comes a few milliseconds after the end; the kill falls before, into or behind it.
    const tasks = await api.submitAll(
      [0, 5, 10, 15, 20].map((ms) => ({
        task: "test.hook",
        input: { url: receiver.url, ms },
        options: { delay: "300ms" },
      })),
    );
    const before = tasks.map((task) => listenOn(task.links.events));
    await expect.poll(() => tasks.every(({ id }) => receiver.of(id).length > 0), { interval: 5 }).toBe(true);
    await setTimeout(killAfterMs);
    await server.kill9();
    await server.restart();
    const fresh = tasks.map((task) => listenOn(task.links.events));
    for (const [i, { id }] of tasks.entries()) {
      for (const events of [await before[i], await fresh[i]]) {
        expectOrdered(events);
        expect(events.at(-1)).toMatchObject({ type: "done", data: { id, state: "succeeded" } });
        expect(events.filter((event) => event.type === "done")).toHaveLength(1);
      }
    }
  }
  await receiver.close();
});
