/** Some rounds of the fault test; `node test/faults/rounds.ts 200` runs as many as one likes. */
import { expect, it } from "vitest";
import { shareServer } from "../http/shared-server.ts";
import { runs } from "../setup/runs.ts";
import { newSeed, runRounds } from "./rounds.ts";

const ROUNDS = runs(5, 20);

it(`keeps its promise through ${ROUNDS} kills at random moments`, async () => {
  const seed = newSeed();
  console.log(`seed ${seed}`);
  const { breaches, figures } = await runRounds(ROUNDS, seed, undefined, shareServer);
  console.log(figures);
  expect(breaches).toEqual([]);
  expect(figures.kills).toBe(ROUNDS);
  // Otherwise the kills came when nothing was going on.
  expect(figures.tasks).toBeGreaterThan(15 * ROUNDS);
  expect(figures.resent).toBeGreaterThan(0);
  expect(figures.cutOff).toBeGreaterThan(0);
  expect(figures.ranAgain).toBeGreaterThanOrEqual(figures.cutOff > 0 ? 1 : 0);
});
