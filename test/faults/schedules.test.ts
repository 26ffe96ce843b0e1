/** Some kills between and during ticks; `node test/faults/tick-rounds.ts 30` makes as many as one likes. */
import { expect, it } from "vitest";
import { shareServer } from "../http/shared-server.ts";
import { runs } from "../setup/runs.ts";
import { runTickRounds } from "./tick-rounds.ts";

const KILLS = runs(3, 8);

it(`neither loses nor doubles a tick through ${KILLS} kills, and makes up for exactly one where it is told so`, async () => {
  const { breaches, figures } = await runTickRounds(KILLS, shareServer);
  console.log(figures);
  expect(breaches).toEqual([]);
  expect(figures.tasks).toBeGreaterThanOrEqual(figures.ticks * 0.8);
  // Otherwise no kill was long enough to miss a tick.
  expect(figures.outages).toBeGreaterThan(0);
});
