/** What flows cost, in rows written as D1 bills them: at most two more for each node than a plain task's four. */
import { env } from "cloudflare:workers";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { countRows } from "./count-rows.ts";
import { flowOf, newFlow, succeeded, workerOn } from "./flow-tasks.ts";
import { realTime, stopTime } from "./passing-time.ts";

const PLAIN = 4;

beforeAll(stopTime);
afterAll(realTime);

/** Runs a flow to its end, in commits of up to `together` tasks; answers the rows of each part of its life, and its size. */
async function live(body: unknown, together: number) {
  const { db, written } = countRows(env.DB);
  const worker = workerOn(db);
  const id = await newFlow(body, db);
  const rows = { submit: written(), claim: 0, commit: 0 };
  let ids = (await flowOf(id)).nodes.filter(({ task }) => task.state === "queued").map(({ task }) => task.id);
  while (ids.length > 0) {
    const claimed = await worker.claim(ids.splice(0, together));
    rows.claim += written();
    const { released } = await worker.end(claimed, () => succeeded(1));
    rows.commit += written();
    ids = [...ids, ...released.map((task) => task.id)];
  }
  const flow = await flowOf(id);
  expect(flow.state).toBe("succeeded");
  const total = rows.submit + rows.claim + rows.commit;
  return { ...rows, total, nodes: flow.nodes.length, each: total / flow.nodes.length };
}

const noop = { task: "test.noop" };
const many = (count: number) => Array.from({ length: count }, () => noop);

describe("the rows of a flow", () => {
  it.each([2, 10, 50])("that is a chain of %i", async (length) => {
    const rows = await live({ chain: many(length) }, 1);
    console.log(`a chain of ${length}: ${rows.each.toFixed(2)} rows for each node`, rows);
    expect(rows.each).toBeLessThanOrEqual(PLAIN + 2);
  });

  it.each([
    [10, 1],
    [100, 1],
    [1_000, 100],
  ])("that is a chord of %i, %i ending together", async (size, together) => {
    const rows = await live({ chord: { header: many(size), body: noop } }, together);
    console.log(`a chord of ${size}, ${together} together: ${rows.each.toFixed(2)} rows for each member`, rows);
    expect(rows.each).toBeLessThanOrEqual(PLAIN + 2);
    // A member that starts with the flow is a plain task.
    expect((rows.total - 3 - 6) / size).toBeLessThanOrEqual(PLAIN);
  });

  it("whose nodes all wait for the one before them are no more for that many edges", async () => {
    const rows = await live({ chain: [{ group: many(20) }, { group: many(20) }, { group: many(20) }] }, 20);
    console.log(`three groups of 20 in a row: ${rows.each.toFixed(2)} rows for each node`, rows);
    expect(rows.each).toBeLessThanOrEqual(PLAIN + 2);
  });

  it("that fails before its last node are two for each node that never runs", async () => {
    const { db, written } = countRows(env.DB);
    const worker = workerOn(db);
    const id = await newFlow({ chain: many(50) }, db);
    const submitted = written();
    const first = (await flowOf(id)).nodes[0]!.task.id;
    const claimed = await worker.claim([first]);
    await worker.end(claimed, () => ({ outcome: "failed", error: { type: "Error", message: "no" }, retryable: false }));
    const rest = written();
    console.log(`a chain of 50 whose first task fails: ${submitted} rows at its submission, ${rest} for its end`);
    expect((await flowOf(id)).counts).toEqual({ failed: 50 });
    // A claim, its commit, the flow, one row for each node that never runs, and for each of all an entry among what ended badly.
    expect(rest).toBeLessThanOrEqual(3 + 49 + 50);
  });
});
