/** A flow's events as one feed. */
import { afterAll, beforeAll, expect, it } from "vitest";
import type { TaskEvent } from "../../src/contract/event.ts";
import type { FlowResource } from "../../src/contract/flow.ts";
import { apiOf, type Api } from "./api.ts";
import { shareServer, type SharedServer } from "./shared-server.ts";
import { listenSse } from "./streams.ts";

let server: SharedServer;
let api: Api;

beforeAll(async () => {
  server = await shareServer();
  api = apiOf(server);
});

afterAll(() => server.stop());

const told = (events: TaskEvent[]) =>
  events.map((event) => {
    const { key, state } = event.data as { key?: string; state: string };
    return key === undefined ? `${event.type} ${state}` : `${key} ${state}`;
  });

it("tells every change of every member in order, resumes, and ends with the flow", async () => {
  const body = {
    chain: [{ task: "test.sleep", input: { ms: 2_500 } }, { task: "test.identity" }, { task: "test.identity" }],
  };
  const flow = (await api.post<FlowResource>("/v1/flows", body)).body;
  const headers = { authorization: `Bearer ${server.key}` };
  const url = `${server.url}${flow.links.events}`;
  const first = await listenSse(url, { headers, until: (event) => event.seq === 3 });
  const second = await listenSse(url, { headers, after: 3 });
  const all = [...first, ...second];
  expect(all.map((event) => event.seq)).toEqual(all.map((_, i) => i + 1));
  expect(all.at(-1)).toMatchObject({ type: "done", data: { state: "succeeded", result: "slept" } });
  for (const key of ["0", "1", "2"]) {
    const states = told(all).filter((line) => line.startsWith(`${key} `));
    expect(states.slice(-3)).toEqual([`${key} queued`, `${key} running`, `${key} succeeded`]);
  }
  const kept = (await api.get<{ items: TaskEvent[] }>(flow.links.events)).body.items;
  expect(told(kept)).toEqual(told(all));
});

it("goes on over a new run where a client left, with the same numbers in every way of asking", async () => {
  const body = {
    chain: [{ task: "test.fail", input: { message: "no", retryable: false } }, { task: "test.identity" }],
  };
  const flow = (await api.post<FlowResource>("/v1/flows", body)).body;
  const headers = { authorization: `Bearer ${server.key}` };
  const url = `${server.url}${flow.links.events}`;
  const first = await listenSse(url, { headers });
  expect(first.at(-1)).toMatchObject({ type: "done", data: { state: "failed" } });
  expect((await api.post(`/v1/flows/${flow.id}/retry`)).status).toBe(202);
  const second = await listenSse(url, { headers, after: first.at(-1)!.seq });
  const numbers = [...first, ...second].map((event) => event.seq);
  expect(numbers).toEqual([...new Set(numbers)].toSorted((a, b) => a - b));
  expect(told(second)).toContain("0 running");
  expect(second.at(-1)).toMatchObject({ type: "done", data: { state: "failed" } });
  const { items } = (await api.get<{ items: TaskEvent[] }>(flow.links.events)).body;
  expect(items).toEqual([...first.slice(0, -1), ...second]);
  const streamed = await fetch(url, { headers: { ...headers, accept: "application/json, text/event-stream;q=0" } });
  expect(await streamed.json()).toEqual({ items });
});

it("is not shown to another tenant", async () => {
  expect((await api.get("/v1/flows/flow_01m7z0ja3cfzwarqv4gf95gh94/events")).status).toBe(404);
});
