/** D1 on the strict platform: serial, as slow as it is told, and refusing or failing as production does. */

import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { notes, startPlatform, type Platform } from "./platform.ts";

const WRITE = "INSERT INTO notes (name) VALUES ('written')";
const OVERLOADED = "D1_ERROR: D1 DB is overloaded. Too many requests queued.";
const LATE = "D1_ERROR: D1 DB is overloaded. Requests queued for too long.";
const FULL = "D1_ERROR: Exceeded maximum DB size";
const LOST = "D1_ERROR: Network connection lost.";

let platform: Platform;

beforeAll(async () => {
  platform = await startPlatform();
});
afterAll(() => platform.stop());
beforeEach(async () => {
  await platform.faults({ forMs: 0 });
  await platform.database();
  await platform.value({ op: "query", sql: "DELETE FROM notes" });
  await platform.reset();
});

test("answers one statement at a time, whichever isolates ask", async () => {
  await platform.database({ readMs: 20 });
  const { timed } = await elapsed(() =>
    Promise.all([
      platform.value({ op: "queries", sql: "SELECT 1", count: 5 }),
      platform.value({ op: "inObject", order: { op: "queries", sql: "SELECT 1", count: 5 } }),
      platform.value({ op: "statements", count: 5, batch: true }),
    ]),
  );
  expect(timed).toBeGreaterThanOrEqual(15 * 20 - 1);
  const { databases } = await platform.report();
  expect(databases["STORE"]).toMatchObject({ calls: 11, statements: 15 });
  expect(databases["STORE"].mostQueued).toBeGreaterThan(1);
});

test("takes the time of a write where something is written, and only there", async () => {
  await platform.database({ writeMs: 100 });
  await platform.value({ op: "queries", sql: "DELETE FROM notes WHERE id < 0", count: 5 });
  expect((await platform.report()).databases["STORE"].writes).toBe(0);
  const { timed } = await elapsed(() => platform.value({ op: "queries", sql: WRITE, count: 5 }));
  expect(timed).toBeGreaterThanOrEqual(5 * 100 - 1);
  expect((await platform.report()).databases["STORE"].writes).toBe(5);
});

test("takes the network's time for each call", async () => {
  await platform.database({ networkMs: 300 });
  const { timed } = await elapsed(() => platform.value({ op: "queries", sql: "SELECT 1", count: 1 }));
  expect(timed).toBeGreaterThanOrEqual(299);
});

test("a full database refuses what adds to it, and answers reads and deletes", async () => {
  await platform.value({ op: "query", sql: WRITE });
  await platform.database({ maxBytes: 1 });
  expect(await platform.order({ op: "query", sql: WRITE })).toEqual({ error: FULL });
  expect(await notes(platform, "written")).toBe(1);
  await platform.value({ op: "query", sql: "DELETE FROM notes" });
  expect(await notes(platform, "written")).toBe(0);
  expect((await platform.report()).databases["STORE"].refused.full).toBe(1);
});

test("an overloaded database refuses at once what would wait behind too many, and later what has waited for too long", async () => {
  await platform.database({ readMs: 50, maxQueued: 2 });
  const said = await platform.value<string[]>({ op: "queries", sql: "SELECT 1", count: 10 });
  expect(said.filter((text) => text === OVERLOADED).length).toBeGreaterThanOrEqual(1);
  expect(new Set(said)).toEqual(new Set(["ok", OVERLOADED]));

  await platform.database({ readMs: 50, patienceMs: 60 });
  const waited = await platform.value<string[]>({ op: "queries", sql: "SELECT 1", count: 10 });
  expect(new Set(waited)).toEqual(new Set(["ok", LATE]));
});

test("a silent database answers nothing until it speaks again, and has run nothing", async () => {
  await platform.faults({ forMs: 60_000, isSilent: true });
  let isAnswered = false;
  const asked = platform.order({ op: "query", sql: WRITE }).finally(() => (isAnswered = true));
  await expect.poll(async () => (await platform.report()).databases["STORE"].calls, { timeout: 30_000 }).toBe(1);
  expect(isAnswered).toBe(false);
  await platform.faults({ forMs: 0 });
  expect((await asked).error).toMatch(/exceeded timeout/);
  expect(await notes(platform, "written")).toBe(0);
});

test("a failing database loses calls on their way there, and answers on their way back", async () => {
  await platform.faults({ forMs: 600_000, errorRate: 1 });
  const said = await platform.value<string[]>({ op: "queries", sql: WRITE, count: 40 });
  expect(new Set(said)).toEqual(new Set([LOST]));
  await platform.faults({ forMs: 0 });
  const written = await notes(platform, "written");
  expect(written).toBeGreaterThan(0);
  expect(written).toBeLessThan(40);
});

test("throws what D1 throws for a statement that is wrong", async () => {
  const { error } = await platform.order({ op: "query", sql: "SELECT * FROM nowhere" });
  expect(error).toMatch(/^D1_ERROR: no such table: nowhere/);
});

/** How long something took, in ms; only for lower bounds. */
async function elapsed(run: () => Promise<unknown>): Promise<{ timed: number }> {
  const startedAt = performance.now();
  await run();
  return { timed: performance.now() - startedAt };
}
