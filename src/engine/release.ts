/** Rings for the members of flows that somebody's end has released. */

import { ringBells } from "../broker/bells.ts";
import { earliest, pokeClock } from "../broker/poke.ts";
import type { Released } from "../results/release.ts";

export async function announceReleased(env: Env, released: Released[]): Promise<void> {
  if (released.length === 0) return;
  await ringBells(
    env,
    released.filter((task) => task.state === "queued"),
  );
  const next = earliest(released.map((task) => task.dueAt));
  if (next !== null) await pokeClock(env, next);
}
