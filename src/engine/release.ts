/** Rings for the members of flows that an end has released, and tells the objects of what has ended with it. */

import { ringBells } from "../broker/bells.ts";
import { earliest, pokeClock } from "../broker/poke.ts";
import { isTerminal } from "../core/states.ts";
import type { Released } from "../results/flows/release.ts";
import { tellObjects } from "./events/tell.ts";

export async function announceReleased(env: Env, released: Released[]): Promise<void> {
  if (released.length === 0) return;
  const next = earliest(released.map((task) => task.dueAt));
  const ended = released.filter(({ state }) => isTerminal(state));
  await Promise.all([
    ringBells(
      env,
      released.filter(({ state }) => state === "queued"),
    ),
    next === null ? null : pokeClock(env, next),
    tellObjects(
      env,
      ended.map(({ id, state, object = 0 }) => ({ id, state, object })),
    ),
  ]);
}
