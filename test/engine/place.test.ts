/** Where attempts run: by their time limit and by what has become of earlier ones, never by their lane. */
import { env } from "cloudflare:workers";
import { expect, it } from "vitest";
import type { ClaimedTask } from "../../src/results/claim-tasks.ts";
import { insertTasks } from "../../src/results/submit-tasks.ts";
import { placesOf } from "../../src/worker/place.ts";
import type { OptionsInput } from "../../src/contract/submission.ts";
import { claimOne, newTask, newTenant } from "./webhook-tasks.ts";

async function claimed(options: OptionsInput = {}, changes: Partial<ClaimedTask> = {}): Promise<ClaimedTask> {
  const task = newTask(newTenant(), options);
  await insertTasks(env.DB, [task]);
  return { ...(await claimOne(env.DB, task.id)), ...changes };
}

const idsOf = (tasks: ClaimedTask[]) => tasks.map((task) => task.id);

it("keeps attempts of up to 25 s in the event, and gives longer ones to objects, on every lane", async () => {
  const short = [await claimed(), await claimed({ timeout: "25s", lane: "long" })];
  const long = [await claimed({ timeout: "25001ms" }), await claimed({ timeout: "14m", lane: "high" })];
  const { here, apart } = placesOf(env, [...short, ...long]);
  expect(idsOf(here.map(({ task }) => task))).toEqual(idsOf(short));
  expect(apart.map(idsOf)).toEqual([idsOf(long)]);
});

it("puts at most six into one object", async () => {
  const long = await Promise.all(Array.from({ length: 14 }, async () => claimed({ timeout: "1m" })));
  expect(placesOf(env, long).apart.map((tasks) => tasks.length)).toEqual([6, 6, 2]);
});

it("gives each task that was cut off an object of its own, however short it is", async () => {
  const fine = await claimed();
  const cut = [await claimed({}, { crashes: 1 }), await claimed({ timeout: "1m" }, { crashes: 2 })];
  const { here, apart } = placesOf(env, [fine, ...cut]);
  expect(idsOf(here.map(({ task }) => task))).toEqual([fine.id]);
  expect(apart.map(idsOf)).toEqual(cut.map((task) => [task.id]));
});
