/** Random programs on the real statements: no call is too large, mixed or early, and no task is left behind, whichever actor dies. */
import fc from "fast-check";
import { env } from "cloudflare:workers";
import { afterAll, beforeAll, expect, inject, it, vi } from "vitest";
import { BatchWorld, programs, type Program } from "./batch-world.ts";
import type { Execute } from "./database-over.ts";
import { runs } from "../setup/runs.ts";
import { createWorlds } from "./worlds.ts";

/** Programs in all, and those that run side by side. */
const PROGRAMS = runs(50, 200);
const WORLDS = 25;

const SEED = inject("seed");

let worlds: Execute[] = [];

beforeAll(async () => {
  // No caller's patience ends by itself: one that stands still does so for as long as its program says.
  vi.useFakeTimers({ toFake: ["Date", "setTimeout", "clearTimeout"] });
  const migrations = env.TEST_MIGRATIONS.flatMap((migration) => migration.queries);
  worlds = await createWorlds(env.DB, migrations, WORLDS);
});

afterAll(() => {
  vi.useRealTimers();
});

async function runOne(program: Program, n: number): Promise<BatchWorld["figures"]> {
  const execute = worlds[n]!;
  await execute(["tasks", "places", "limits"].map((table) => ({ sql: `DELETE FROM ${table}`, params: [] })));
  const world = new BatchWorld(env, execute, program);
  try {
    await world.run(program.steps);
  } catch (thrown) {
    const steps = program.steps.map((step) => `  ${JSON.stringify(step)}`).join("\n");
    throw new Error(`seed ${SEED}: ${(thrown as Error).message}\nlimited: ${program.limited}, in\n${steps}`, {
      cause: thrown,
    });
  }
  return world.figures;
}

it(`batches keep their promises in ${PROGRAMS} random programs`, async () => {
  const all = fc.sample(programs, { numRuns: PROGRAMS, seed: SEED });
  const figures: BatchWorld["figures"][] = [];
  for (let i = 0; i < all.length; i += WORLDS) {
    figures.push(...(await Promise.all(all.slice(i, i + WORLDS).map(runOne))));
  }
  const total = (key: keyof BatchWorld["figures"]) => figures.reduce((sum, each) => sum + each[key], 0);
  console.log(
    `batches: ${PROGRAMS} programs, ${total("items")} attempts in ${total("calls")} calls, ${total("whole")} of them whole; ${total("deaths")} died`,
  );
  // That enough happened to prove something: a random seed gives fewer whole batches now and then.
  expect(total("whole")).toBeGreaterThan(PROGRAMS / 2);
  expect(total("calls")).toBeGreaterThan(total("whole"));
});
