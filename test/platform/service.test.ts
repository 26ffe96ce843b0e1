/** The service as it is built, on `serve --strict`. */

import { afterAll, beforeAll, expect, test } from "vitest";
import type { Report } from "../../scripts/strict/counts.ts";
import { formatReport } from "../../scripts/strict/report.ts";
import { apiOf, type Api } from "../http/api.ts";
import { startServer, type Server } from "../http/server.ts";

let server: Server;
let api: Api;

beforeAll(async () => {
  server = await startServer({ args: ["--strict"] });
  api = apiOf(server);
});
afterAll(() => server?.stop());

test("runs tasks, tells their progress, and meets no limit", async () => {
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

test("goes on with its state after it was killed", async () => {
  const { id } = await api.submit("test.noop", null);
  await api.waitForEnd(id);
  await server.kill9();
  await server.restart();
  expect((await api.read(id)).state).toBe("succeeded");
  const again = await api.submit("test.noop", null);
  expect((await api.waitForEnd(again.id)).state).toBe("succeeded");
});
