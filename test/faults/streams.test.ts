/** What a listener hears when the service is killed: everything, once, and always the end. */
import { setTimeout } from "node:timers/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { TaskEvent } from "../../src/contract/event.ts";
import { apiOf, type Api } from "../http/api.ts";
import { startServer, type Server } from "../http/server.ts";
import { listenSse } from "../http/streams.ts";
import { startHookReceiver } from "./hook-receiver.ts";

let server: Server;
let api: Api;

beforeAll(async () => {
  server = await startServer();
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

it("hears the end of a task whose process is killed around its commit", async () => {
  const receiver = await startHookReceiver();
  const rounds = 5;
  for (let round = 0; round < rounds; round++) {
    const task = await api.submit("test.hook", { url: receiver.url, ms: 0 }, { delay: "300ms" });
    const before = listenOn(task.links.events);
    await expect.poll(() => receiver.of(task.id).length, { interval: 5 }).toBeGreaterThan(0);
    // The commit comes a few milliseconds after the hook; the kill falls before, into or behind it.
    await setTimeout(round * 5);
    await server.kill9();
    await server.restart();
    const [old, fresh] = await Promise.all([before, listenOn(task.links.events)]);
    for (const events of [old, fresh]) {
      expectOrdered(events);
      expect(events.at(-1)).toMatchObject({ type: "done", data: { id: task.id, state: "succeeded" } });
      expect(events.filter((event) => event.type === "done")).toHaveLength(1);
    }
  }
  await receiver.close();
});
