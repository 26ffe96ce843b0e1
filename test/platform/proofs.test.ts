/**
 * What the service must do within production's limits, at sizes that a test affords; `proofs.ts` does the same at real ones. One server for
 * all. A full database is in `storage.test.ts`, attempts that outlast an event in `long-attempts.test.ts`.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Report } from "../../scripts/strict/counts.ts";
import { formatReport } from "../../scripts/strict/report.ts";
import { apiOf, type Api } from "../http/api.ts";
import type { Server } from "../http/server.ts";
import { crowd, errors, overload, silence, startStrict, waiters } from "./proofs.ts";

let server: Server;
let api: Api;

beforeAll(async () => {
  server = await startStrict({ allowLoopback: true });
  api = apiOf(server);
});
afterAll(() => server?.stop());

describe("within production's limits", () => {
  it("the service runs tasks, tells their progress, and meets no limit", async () => {
    const submitted = await Promise.all(Array.from({ length: 10 }, () => api.submit("test.noop", null)));
    const told = await api.submit("test.progress", { steps: 3, ms: 300 });
    const ended = await Promise.all([...submitted, told].map((task) => api.waitForEnd(task.id)));
    expect(ended.map((task) => [task.state, task.attempt])).toEqual(ended.map(() => ["succeeded", 1]));
    const events = await api.get(`/v1/tasks/${told.id}/events`);
    const types = (events.body as { items: { type: string }[] }).items.map((event) => event.type);
    expect(types.filter((type) => type === "progress")).toHaveLength(3);

    const report = (await (await fetch(`${server.url}/__strict/report`)).json()) as Report;
    expect(Object.keys(report.kinds)).toEqual(expect.arrayContaining(["fetch", "queue", "scheduled", "Clock.alarm"]));
    const met = Object.entries(report.kinds).flatMap(([kind, record]) =>
      Object.entries(record.met).flatMap(([limit, times]) => (times > 0 ? [`${kind}: ${limit}`] : [])),
    );
    expect(met).toEqual([]);
    expect(report.databases["DB"].writes).toBeGreaterThan(0);
    expect(report.databases["DB"].sizeBytes).toBeGreaterThan(0);
    for (const kind of Object.keys(report.kinds)) expect(formatReport(report)).toContain(`\n${kind} `);
    console.log(formatReport(report));
  });

  it("a crowd of short tasks and slow requests to an upstream all end, each in one attempt", async () => {
    const { failed, noops, requests, met, table } = await crowd(server, 600, 60, 300);
    console.log(table);
    expect(failed).toBe(0);
    expect(Object.keys(noops)).toEqual(["succeeded 1"]);
    expect(requests).toEqual({ "succeeded 1": 60 });
    expect(met).toEqual([]);
  });

  it("callers that wait cost three statements each at most, and are told of the end", async () => {
    const { states, perWait } = await waiters(server, 100, 10);
    expect(states).toEqual({ "succeeded 2": 100 });
    // With the clock's ticks and all else that goes on; `wait.test.ts` counts the three.
    expect(perWait).toBeLessThan(4);
  });

  it("an overloaded D1 has submissions refused, and what was accepted ends", async () => {
    const { overloaded, accepted, ended } = await overload(server, 60);
    expect(overloaded.n).toBe(60);
    expect(accepted).toBeGreaterThan(0);
    expect(Object.keys(ended).every((end) => end.startsWith("succeeded"))).toBe(true);
  });

  it("a silence of D1 that outlasts a lease repeats no attempt, and loses none", async () => {
    const { accepted, twice, never, ended, table } = await silence(server, 20_000, 3);
    console.log(table);
    expect(accepted).toBeGreaterThan(0);
    expect([twice, never]).toEqual([0, 0]);
    expect(Object.keys(ended).every((end) => end.startsWith("succeeded"))).toBe(true);
  });

  it("a D1 that fails a tenth of its calls costs only time", async () => {
    const { accepted, twice, never, ended } = await errors(server, 10_000, 3);
    expect(accepted).toBeGreaterThan(0);
    expect([twice, never]).toEqual([0, 0]);
    expect(Object.keys(ended).every((end) => end.startsWith("succeeded"))).toBe(true);
  });

  it("the service goes on with its state after it was killed", async () => {
    const { id } = await api.submit("test.noop", null);
    await api.waitForEnd(id);
    await server.kill9();
    await server.restart();
    expect((await api.read(id)).state).toBe("succeeded");
    const again = await api.submit("test.noop", null);
    expect((await api.waitForEnd(again.id)).state).toBe("succeeded");
  });
});
