/** One task URL, and every way to follow it. */
import { afterAll, beforeAll, expect, it } from "vitest";
import type { TaskEvent } from "../../src/contract/event.ts";
import type { FlowResource } from "../../src/contract/flow.ts";
import type { TaskResource } from "../../src/contract/task.ts";
import { apiOf, poll, type Api } from "./api.ts";
import { shareServer, type SharedServer } from "./shared-server.ts";
import { listenSse, listenWebSocket, outline } from "./streams.ts";

let server: SharedServer;
let api: Api;

beforeAll(async () => {
  server = await shareServer();
  api = apiOf(server);
});

afterAll(() => server.stop());

/** A task that has ended, for tests that only read. */
let accepted: TaskResource | null = null;

async function ended(name: string): Promise<TaskResource> {
  const task = await api.submit(name);
  await api.waitForEnd(task.id);
  return task;
}

const key = () => ({ authorization: `Bearer ${server.key}` });

async function submitLinked(task: string, input: unknown): Promise<TaskResource> {
  const { body } = await api.post<TaskResource>("/v1/tasks?links=signed", { task, input });
  return body;
}

const isThirdProgress = (event: TaskEvent) => event.type === "progress" && (event.data as { done: number }).done === 3;

const REST = ["4", "5", "6", "7", "8", "9", "10"].map((done) => `progress ${done}`);

function withoutNumbers(events: TaskEvent[]): string[] {
  return outline(events).map((line) => line.replace(/^\d+ /, ""));
}

function expectOrdered(events: TaskEvent[]): void {
  const numbers = events.map((event) => event.seq);
  expect(numbers).toEqual([...new Set(numbers)].toSorted((a, b) => a - b));
}

it("goes on after the event that a dropped SSE connection saw last: in order, none twice", async () => {
  const task = await api.submit("test.progress", { steps: 10, ms: 320 });
  const url = `${server.url}${task.links.events}`;
  const first = await listenSse(url, { headers: key(), until: isThirdProgress });
  const second = await listenSse(url, { headers: key(), after: first.at(-1)!.seq });
  expectOrdered([...first, ...second]);
  expect(withoutNumbers(second)).toEqual([...REST, "state succeeded", "done succeeded"]);
  expect(withoutNumbers(first).slice(0, 2)).toEqual(["state queued", "state running"]);
});

it("does the same over WebSocket", async () => {
  const task = await submitLinked("test.progress", { steps: 10, ms: 320 });
  const url = `${server.url}${task.links.events}`;
  const first = await listenWebSocket(url, { until: isThirdProgress });
  const second = await listenWebSocket(url, { after: first.at(-1)!.seq });
  expectOrdered([...first, ...second]);
  expect(withoutNumbers(second).filter((line) => !REST.includes(line))).toEqual(["state succeeded", "done succeeded"]);
  expect(withoutNumbers(second).slice(-REST.length - 2, -2)).toEqual(REST);
});

it("answers a WebSocket's ping without an event", async () => {
  const task = await submitLinked("test.sleep", { ms: 20_000 });
  const address = new URL(server.url + task.links.events);
  address.protocol = "ws:";
  const socket = new WebSocket(address);
  const pong = new Promise((resolve) => {
    socket.addEventListener("message", (message) => {
      if (message.data === "pong") resolve("pong");
    });
  });
  await new Promise((resolve) => socket.addEventListener("open", resolve));
  socket.send("ping");
  expect(await pong).toBe("pong");
  socket.close();
});

it("gives the whole of a task that has ended, then closes", async () => {
  const task = await api.submit("test.progress", { steps: 3, ms: 320 });
  await api.waitForEnd(task.id);
  const events = await listenSse(`${server.url}${task.links.events}`, { headers: key() });
  expect(withoutNumbers(events)).toEqual([
    "state queued",
    "state running",
    "progress 1",
    "progress 2",
    "progress 3",
    "state succeeded",
    "done succeeded",
  ]);
  expect(events.at(-1)!.data).toMatchObject({ id: task.id, state: "succeeded" });
  const { body } = await api.get<{ items: TaskEvent[] }>(task.links.events);
  expect(outline(body.items)).toEqual(outline(events));
});

it("tells the states and the end of a task that told nothing, live and afterwards, with the same numbers", async () => {
  const task = await api.submit("test.sleep", { ms: 700 });
  const live = await listenSse(`${server.url}${task.links.events}`, { headers: key() });
  expect(withoutNumbers(live)).toEqual(["state queued", "state running", "state succeeded", "done succeeded"]);
  const plain = await api.submit("test.noop");
  await api.waitForEnd(plain.id);
  const { body } = await api.get<{ items: TaskEvent[] }>(plain.links.events);
  expect(outline(body.items)).toEqual(outline(live));
});

it("goes on over a retry where a client left, of a task without followers", async () => {
  const task = await api.submit("test.fail", { message: "no", retryable: false });
  await api.waitForEnd(task.id);
  const url = `${server.url}${task.links.events}`;
  const first = await listenSse(url, { headers: key() });
  expect(withoutNumbers(first)).toEqual(["state queued", "state running", "state failed", "done failed"]);
  // Between two runs there is nothing more to say.
  const { seq } = first.at(-1)!;
  expect(await listenSse(url, { headers: key(), after: seq })).toEqual([]);
  expect((await api.post(`/v1/tasks/${task.id}/retry`)).status).toBe(202);
  const second = await listenSse(url, { headers: key(), after: seq });
  expectOrdered([...first, ...second]);
  expect(withoutNumbers(second)).toEqual(withoutNumbers(first));
  expect(second.at(-1)!.data).toMatchObject({ attempt: 2, state: "failed" });
  // A client that left earlier gets the rest of the first run as well, but for its end, which holds no more.
  const rest = await listenSse(url, { headers: key(), after: first.at(1)!.seq });
  expect(rest).toEqual([first[2], ...second]);
  const { body: list } = await api.get<{ items: TaskEvent[] }>(`${task.links.events}?after=${first.at(1)!.seq}`);
  expect(list.items).toEqual(rest);
  const { body: linked } = await api.get<TaskResource>(`/v1/tasks/${task.id}?links=signed`);
  const frames = await listenWebSocket(server.url + linked.links.events, { after: first.at(1)!.seq });
  expect(outline(frames)).toEqual(outline(rest));
});

it("goes on behind the larger of two numbers, in whatever way the events are asked for", async () => {
  const task = await api.submit("test.log", { lines: 4 });
  await api.waitForEnd(task.id);
  const all = (await api.get<{ items: TaskEvent[] }>(task.links.events)).body.items;
  const [small, large] = [all.at(1)!.seq, all.at(4)!.seq];
  for (const { after, header } of [
    { after: small, header: large },
    { after: large, header: small },
  ]) {
    const url = `${server.url}${task.links.events}?after=${after}`;
    expect(await listenSse(url, { headers: key(), after: header })).toEqual(all.slice(5));
    const list = await fetch(url, { headers: { ...key(), "last-event-id": String(header) } });
    expect(await list.json()).toEqual({ items: all.slice(5) });
  }
});

it.each([
  ["*/*", "application/json"],
  ["text/event-stream", "text/event-stream"],
  ["Text/Event-Stream", "text/event-stream"],
  ["text/event-stream; charset=UTF-8", "text/event-stream"],
  ["text/event-stream;q=0", "application/json"],
  ["text/event-stream;q=0.000, */*", "application/json"],
  ["text/*", "text/event-stream"],
  ["text/*, text/event-stream;q=0", "application/json"],
  ["text/*;q=0, text/event-stream", "text/event-stream"],
  ["application/json;q=0, */*", "text/event-stream"],
  ["application/json;q=0.5, */*", "text/event-stream"],
  ["application/json, text/event-stream;q=0.9", "application/json"],
  ["text/event-stream, application/json;q=0.9", "text/event-stream"],
  ["image/png", "application/json"],
  ["text/event-streams", "application/json"],
  ['application/x;profile="text/event-stream"', "application/json"],
])("answers Accept: %s with %s", async (accept, type) => {
  const task = (accepted ??= await ended("test.noop"));
  const response = await fetch(server.url + task.links.events, { headers: { ...key(), accept } });
  expect(response.headers.get("content-type")?.split(";")[0]).toBe(type);
  expect(response.headers.get("vary")).toMatch(/\baccept\b/i);
  await response.body?.cancel();
});

it("streams outputs and log lines in the order in which the handler gave them", async () => {
  const output = await api.submit("test.output", { chunks: 40 });
  const outputs = await listenSse(`${server.url}${output.links.events}`, { headers: key() });
  expect(outputs.filter((event) => event.type === "output")).toHaveLength(40);
  expectOrdered(outputs);
  const log = await api.submit("test.log", { lines: 1_200 });
  const logs = await listenSse(`${server.url}${log.links.events}`, { headers: key() });
  const lines = logs.filter((event) => event.type === "log");
  expect(lines).toHaveLength(1_001);
  expect((lines.at(-1)!.data as { message: string }).message).toMatch(/200 log lines .* dropped/);
});

it("shows the request, the acknowledgement and the end of a cancel", async () => {
  const task = await api.submit("test.sleep", { ms: 30_000 });
  const url = `${server.url}${task.links.events}`;
  const listening = listenSse(url, { headers: key() });
  await api.waitUntil(task.id, (now) => now.state === "running");
  expect((await api.post(`/v1/tasks/${task.id}/cancel`)).status).toBe(202);
  const states = (await listening).filter((event) => event.type === "state").map((event) => event.data as object);
  const requested = states.findIndex((data) => "cancelRequestedAt" in data);
  const acknowledged = states.findIndex((data) => "cancel" in data);
  expect(requested).toBeGreaterThan(0);
  expect(acknowledged).toBeGreaterThan(requested);
  expect(states.at(-1)).toMatchObject({ state: "cancelled" });
});

it("answers as soon as the task ends to a caller that prefers to wait", async () => {
  const began = Date.now();
  const { status, body, headers } = await api.post<TaskResource>(
    "/v1/tasks",
    { task: "test.sleep", input: { ms: 2_000 } },
    { prefer: "wait=30" },
  );
  expect(status).toBe(200);
  expect(headers.get("preference-applied")).toBe("wait=30");
  expect(body).toMatchObject({ state: "succeeded", result: "slept" });
  expect(Date.now() - began).toBeGreaterThanOrEqual(2_000);
  const noop = await api.post<TaskResource>("/v1/tasks", { task: "test.noop" }, { prefer: "wait=30" });
  expect(noop.status).toBe(200);
  expect(noop.body.result).toBe(null);
});

it("lets a link do what it was made for, for its task, and nothing else", async () => {
  const [a, b] = [await submitLinked("test.sleep", { ms: 30_000 }), await submitLinked("test.sleep", { ms: 30_000 })];
  const open = (path: string, method = "GET") => fetch(server.url + path, { method });
  const tokenOf = (link: string) => new URL(link, server.url).searchParams.get("token")!;
  const read = tokenOf(a.links.self);

  expect((await open(a.links.self)).status).toBe(200);
  expect((await open(`/v1/tasks/${a.id}/events?token=${read}`)).status).toBe(200);
  expect((await open(`/v1/tasks/${b.id}?token=${read}`)).status).toBe(403);
  expect((await open(`/v1/tasks/${a.id}/cancel?token=${read}`, "POST")).status).toBe(403);
  expect((await open(`/v1/tasks/${a.id}?token=${tokenOf(a.links.cancel)}`)).status).toBe(403);
  expect((await open(`/v1/tasks?token=${read}`)).status).toBe(403);

  const altered = `${read.slice(0, -6)}${read.endsWith("AAAAAA") ? "BBBBBB" : "AAAAAA"}`;
  expect((await open(`/v1/tasks/${a.id}?token=${altered}`)).status).toBe(401);
  expect((await open(`/v1/tasks/${a.id}?token=`)).status).toBe(401);

  expect((await open(a.links.cancel, "POST")).status).toBe(202);
  await api.post(`/v1/tasks/${b.id}/cancel`);
});

it("lets a link expire", async () => {
  const { body } = await api.post<TaskResource>("/v1/tasks?links=signed&linksTtl=1", { task: "test.noop" });
  expect((await fetch(server.url + body.links.self)).status).toBe(200);
  await expect.poll(async () => (await fetch(server.url + body.links.self)).status).toBe(401);
  for (const ttl of ["0", "86401", "x"]) {
    const bad = await api.post(`/v1/tasks?links=signed&linksTtl=${ttl}`, { task: "test.noop" });
    expect(bad.status).toBe(400);
  }
});

it("shows the progress of those that run in lists and in flows, too", async () => {
  const told = { task: "test.progress", input: { steps: 600, ms: 100 }, options: { tags: { plot: "listed" } } };
  const quiet = { task: "test.sleep", input: { ms: 60_000 }, options: { tags: { plot: "listed" } } };
  const { body: flow } = await api.post<FlowResource>("/v1/flows", { group: [told, told, quiet] });
  const alone = await api.submit(told.task, told.input, told.options);
  const lists = [
    { count: 3, read: async () => api.listAll("tag.plot=listed") },
    {
      count: 2,
      read: async () => (await api.get<FlowResource>(`/v1/flows/${flow.id}`)).body.nodes.map(({ task }) => task),
    },
  ];
  for (const { count, read } of lists) {
    const shown = await poll(
      () => `no ${count} of them show progress`,
      async () => {
        const telling = (await read()).filter(({ progress }) => progress !== null);
        return telling.length === count ? telling : null;
      },
    );
    const expected = { task: "test.progress", state: "running", progress: { total: 600 } };
    expect(shown).toMatchObject(Array.from({ length: count }, () => expected));
  }
  await Promise.all([api.post(`/v1/flows/${flow.id}/cancel`), api.post(`/v1/tasks/${alone.id}/cancel`)]);
});
