import fc from "fast-check";
import { env } from "cloudflare:workers";
import { afterAll, beforeAll, describe, expect, inject, it, vi } from "vitest";
import type { Execute } from "./database-over.ts";
import { runs } from "../setup/runs.ts";
import { programs, World, type Step, type Tally } from "./program.ts";
import { WITNESS } from "./witness.ts";
import { createWorlds } from "./worlds.ts";

/** Programs in all, and those that run side by side. */
const PROGRAMS = runs(140, 1_000);
const WORLDS = 40;

const SEED = inject("seed");

let worlds: Execute[] = [];

beforeAll(async () => {
  // No caller's patience ends by itself: one that stands still does so for as long as its program says.
  vi.useFakeTimers({ toFake: ["Date", "setTimeout", "clearTimeout"] });
  const migrations = [...env.TEST_MIGRATIONS.flatMap((migration) => migration.queries), ...WITNESS];
  worlds = await createWorlds(env.DB, migrations, WORLDS);
});

afterAll(() => {
  vi.useRealTimers();
});

interface Run {
  program: Step[];
  tally: Tally;
  /** What went wrong, if anything. */
  error: Error | null;
}

/** Runs these programs, each in a world of its own. */
async function runAll(batch: Step[][]): Promise<Run[]> {
  return Promise.all(
    batch.map(async (program, n): Promise<Run> => {
      const execute = worlds[n]!;
      await execute(["tasks", "payloads", "moves"].map((table) => ({ sql: `DELETE FROM ${table}`, params: [] })));
      const world = new World(env, execute);
      const error = await world.run(program).then(
        () => null,
        (thrown: unknown) => thrown as Error,
      );
      return { program, tally: world.tally, error };
    }),
  );
}

/** The shortest program that still goes wrong: without any step or trouble that it can do without. */
async function shortest(run: Run): Promise<Run> {
  for (let least = run; ;) {
    const { program } = least;
    const shorter = program.map((_, i) => program.toSpliced(i, 1));
    const calmer = program.flatMap((step, i) => (step.trouble ? [program.with(i, { ...step, trouble: null })] : []));
    const failed = (await runAll([...shorter, ...calmer].slice(0, WORLDS))).find((each) => each.error !== null);
    if (!failed) return least;
    least = failed;
  }
}

function told(run: Run): string {
  const steps = run.program.map((step) => `  ${JSON.stringify(step)}`);
  return `seed ${SEED}: ${run.error?.message}\nin the program\n${steps.join("\n")}`;
}

describe("the engine", () => {
  it(`keeps its promises in ${PROGRAMS} random programs, whichever actor dies at whatever statement`, async () => {
    const all = fc.sample(programs, { numRuns: PROGRAMS, seed: SEED });
    const tallies: Tally[] = [];
    for (let i = 0; i < all.length; i += WORLDS) {
      const runs = await runAll(all.slice(i, i + WORLDS));
      const failed = runs.find((run) => run.error !== null);
      if (failed) throw new Error(told(await shortest(failed)));
      tallies.push(...runs.map((run) => run.tally));
    }
    const total = (key: keyof Tally) => tallies.reduce((sum, tally) => sum + tally[key], 0);
    console.log(
      `model: ${tallies.length} programs, ${total("steps")} steps, ${total("claims")} attempts; ` +
        `${total("died")} actors died, ${total("paused")} stood still, ${total("failed")} met an error, ${total("fenced")} ends came late, ${total("undone")} undid steps`,
    );
    expect(total("claims")).toBeGreaterThan(PROGRAMS);
    expect(total("undone")).toBeGreaterThan(PROGRAMS / 20);
  });
});
