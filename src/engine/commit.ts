/** Ends attempts, and does what their ends call for: bells, telling, the next tick. */

import { ringBells } from "../broker/bells.ts";
import { earliest, pokeClock } from "../broker/poke.ts";
import { commitAttempts, type Commit, type Committed } from "../results/commit-attempts.ts";
import { deliverFor } from "./deliver.ts";
import { ringNextInLine } from "./line.ts";
import { observeAttempts } from "./observe.ts";
import { announceReleased } from "./release.ts";
import { tellObjects } from "./tell.ts";

/** Writes the ends and answers those that hold; one that is missing was fenced. */
export async function commit(env: Env, commits: Commit[]): Promise<Committed[]> {
  const { held, released, owed } = await commitAttempts(env.DB, commits);
  observeAttempts(held);
  // All of this is owed by the row too (`due_at`) or by the outbox, so dying here only makes it later.
  await Promise.all([
    ringBells(
      env,
      held.filter((task) => task.state === "queued"),
    ),
    announceReleased(env, released),
    ringNextInLine(
      env,
      commits.map((entry) => entry.concurrency ?? null),
    ),
    tellObjects(env, held),
    pokeFor(env, held),
    deliverFor(env, owed),
  ]);
  return held;
}

async function pokeFor(env: Env, held: Committed[]): Promise<void> {
  const next = earliest(held.map((task) => task.dueAt));
  if (next !== null) await pokeClock(env, next);
}
