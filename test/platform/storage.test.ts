/** The service on a database that fills up: it refuses in time, works off what it accepted, purges, and accepts again. */

import { afterAll, beforeAll, expect, test } from "vitest";
import type { Report } from "../../scripts/strict/counts.ts";
import { apiOf, type Api } from "../http/api.ts";
import { startServer, type Server } from "../http/server.ts";

const MAX_BYTES = 2_000_000;

/** Inputs that stay in their rows, a fiftieth of the maximum together. */
const TASKS = 5;
const INPUT = "x".repeat(8_000);

let server: Server;
let api: Api;

beforeAll(async () => {
  server = await startServer({ args: ["--strict", "--d1-max-bytes", String(MAX_BYTES)] });
  api = apiOf(server);
});
afterAll(() => server?.stop());

const sizeOf = async () =>
  ((await (await fetch(`${server.url}/__strict/report`)).json()) as Report).databases["DB"].sizeBytes;

test("refuses from 90 % on, and recovers by itself", async () => {
  const task = { task: "test.noop", input: INPUT, options: { retention: "30s" } };
  const accepted: string[] = [];
  let refused: { status: number; body: unknown; headers: Headers };
  for (;;) {
    const answer = await api.post("/v1/tasks/batch", { tasks: Array.from({ length: TASKS }, () => task) });
    refused = answer;
    if (answer.status !== 207) break;
    accepted.push(...(answer.body as { items: { task: { id: string } }[] }).items.map((item) => item.task.id));
  }
  expect(refused).toMatchObject({ status: 503, body: { type: "/problems/storage-full" } });
  expect(Number(refused.headers.get("retry-after"))).toBeGreaterThanOrEqual(30);
  const fullest = await sizeOf();
  expect(fullest).toBeGreaterThanOrEqual(0.89 * MAX_BYTES);
  expect(fullest).toBeLessThan(MAX_BYTES);

  // Each of them ends well, or has done so and is past its retention.
  const ends = await Promise.all(
    accepted.map(async (id) => {
      for (;;) {
        const { status, body } = await api.get(`/v1/tasks/${id}`);
        if (status === 404 || status === 410) return "purged";
        const { state } = body as { state: string };
        if (["succeeded", "failed", "cancelled", "expired"].includes(state)) return state;
        await new Promise((resolve) => setTimeout(resolve, 500));
      }
    }),
  );
  expect(ends.filter((end) => end !== "succeeded" && end !== "purged")).toEqual([]);

  let status = 0;
  while (status !== 202) {
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    ({ status } = await api.post("/v1/tasks", { task: "test.noop" }));
  }
  const emptied = await sizeOf();
  expect(emptied).toBeLessThan(0.9 * MAX_BYTES);
  console.log(
    `${accepted.length} tasks accepted, ${fullest} of ${MAX_BYTES} bytes at most, ${emptied} when it accepted again`,
  );
}, 300_000);
