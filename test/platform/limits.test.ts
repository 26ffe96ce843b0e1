/** The strict platform runs the script in several isolates, holds each event to production's limits, and lets it use what it may. */

import { createServer, type Server } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { startPlatform, type Platform } from "./platform.ts";

let platform: Platform;

beforeAll(async () => {
  platform = await startPlatform();
});
afterAll(() => platform.stop());
beforeEach(() => platform.reset());

const TOO_MANY_QUERIES = /^D1_ERROR: Too many API requests by single Worker invocation/;
const TOO_MANY_REQUESTS = /^Too many subrequests by single Worker invocation/;

test("refuses an event its 1,001st statement, and counts each of a batch", async () => {
  expect(await platform.order({ op: "statements", count: 1_000, batch: true })).toEqual({ value: null });
  const { error } = await platform.order({ op: "statements", count: 1_001, batch: true });
  expect(error).toMatch(TOO_MANY_QUERIES);
  const { kinds } = await platform.report();
  expect(kinds["fetch"]).toMatchObject({ events: 2, most: { statements: 1_000 }, met: { statements: 1 } });
});

test("refuses an event its 33rd invocation of a Worker, and counts no call to an object as one", async () => {
  expect(await platform.order({ op: "invocations", count: 32 })).toEqual({ value: null });
  expect(await platform.order({ op: "objectCalls", count: 100 })).toEqual({ value: null });
  expect((await platform.order({ op: "invocations", count: 33 })).error).toMatch(TOO_MANY_REQUESTS);
  const { kinds } = await platform.report();
  expect(kinds["fetch"]).toMatchObject({
    events: 3,
    most: { invocations: 32, subrequests: 100 },
    met: { invocations: 1 },
  });
  expect(kinds["Callee.run"].events).toBe(64);
  expect(kinds["Counter.run"].events).toBe(100);
});

test("counts each call of an object as an event of its own", async () => {
  const half = { op: "inObject", order: { op: "statements", count: 600, batch: true } };
  expect(await platform.order(half)).toEqual({ value: null });
  expect(await platform.order(half)).toEqual({ value: null });
  const { kinds } = await platform.report();
  expect(kinds["Counter.run"]).toMatchObject({ events: 2, most: { statements: 600 } });
  expect(kinds["fetch"].most.statements).toBe(0);
});

test("lets six requests of an event wait for their headers, with those of the Workers that it calls", async () => {
  const held = await startHolder();
  try {
    const done = platform.order({ op: "requests", url: held.url, own: 5, called: 5 });
    await held.waiting(6);
    // All ten were asked for: four wait inside the platform, and come as others are answered.
    await expect.poll(async () => (await platform.report()).kinds["Callee.run"]?.events).toBe(1);
    expect(held.count()).toBe(6);
    held.answerAll();
    expect(await done).toEqual({ value: null });
    expect(held.most()).toBe(6);
  } finally {
    held.stop();
  }
  const { kinds } = await platform.report();
  expect(kinds["fetch"].waited + kinds["Callee.run"].waited).toBe(4);
  expect(Math.max(kinds["fetch"].most.connections, kinds["Callee.run"].most.connections)).toBe(6);
});

test("gives the free plan 50 statements and 50 subrequests", async () => {
  const free = await startPlatform("free");
  try {
    expect(await free.order({ op: "statements", count: 50, batch: true })).toEqual({ value: null });
    expect((await free.order({ op: "statements", count: 51, batch: true })).error).toMatch(TOO_MANY_QUERIES);
    expect(await free.order({ op: "objectCalls", count: 50 })).toEqual({ value: null });
    expect((await free.order({ op: "objectCalls", count: 51 })).error).toMatch(TOO_MANY_REQUESTS);
  } finally {
    await free.stop();
  }
});

test("two isolates for requests, two for batches and one for the objects share no module state", async () => {
  const web = new Set<string>();
  for (let i = 0; i < 6; i++) web.add(await platform.value({ op: "isolate" }));
  expect(web.size).toBe(2);

  const objects = new Set<string>();
  for (let i = 0; i < 4; i++) {
    objects.add(await platform.value({ op: "inObject", order: { op: "isolate" } }));
  }
  expect(objects.size).toBe(1);

  for (let i = 0; i < 4; i++) await platform.value({ op: "send", order: { op: "note", name: "consumer", ms: 0 } });
  const consumers = async () => {
    const sql = "SELECT DISTINCT isolate FROM notes WHERE name = 'consumer ended'";
    const { results } = await platform.value<{ results: { isolate: string }[] }>({ op: "query", sql });
    return results.map((row) => row.isolate);
  };
  await expect.poll(async () => (await consumers()).length, { timeout: 30_000 }).toBe(2);
  expect(new Set([...web, ...objects, ...(await consumers())]).size).toBe(5);
});

test("an object is the same from every isolate", async () => {
  for (let i = 0; i < 4; i++) await platform.value({ op: "inObject", order: { op: "isolate" } });
  const { kinds } = await platform.report();
  expect(kinds["Counter.run"].events).toBe(4);
});

interface Holder {
  url: string;
  /** Requests that have no answer yet. */
  count(): number;
  most(): number;
  waiting(count: number): Promise<void>;
  /** Answers what waits and what comes. */
  answerAll(): void;
  stop(): void;
}

/** A server that answers no request until it is told to. */
async function startHolder(): Promise<Holder> {
  const open = new Set<() => void>();
  let isAnswering = false;
  let most = 0;
  const server: Server = createServer((_request, response) => {
    const answer = () => {
      open.delete(answer);
      response.end("ok");
    };
    open.add(answer);
    most = Math.max(most, open.size);
    if (isAnswering) answer();
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    count: () => open.size,
    most: () => most,
    waiting: (count) => expect.poll(() => open.size, { timeout: 30_000 }).toBe(count),
    answerAll: () => {
      isAnswering = true;
      for (const answer of open) answer();
    },
    stop: () => server.close(),
  };
}
