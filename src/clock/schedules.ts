/** Looks after schedules, as part of a tick. */

import { earliest } from "../broker/poke.ts";
import { declareSchedules } from "../engine/declare-schedules.ts";
import { waitingTicks } from "../engine/drain.ts";
import { tickDueSchedules } from "../engine/tick-schedules.ts";
import { readNextTick } from "../results/read-schedules.ts";
import { schedules } from "../tasks/schedules.ts";

/** Chunks of schedules dealt with in one tick; the rest follows at once, after the tasks had their turn. */
const ROUNDS = 20;

/** When the clock looks again at schedules that it could not deal with. */
const AGAIN_MS = 5_000;

const DECLARED = JSON.stringify(schedules);

/** Whether the schedules of this version are those in the database. */
export function areDeclared(kv: SyncKvStorage): boolean {
  return kv.get("declared") === DECLARED;
}

/** Makes the tasks of ticks that have come; answers when the next one does. Never fails: schedules must not hold up the tasks. */
export async function keepSchedules(env: Env, kv: SyncKvStorage, now: number): Promise<number | null> {
  try {
    if (!areDeclared(kv)) {
      await declareSchedules(env, schedules, now);
      kv.put("declared", DECLARED);
    }
    const waiting = await waitingTicks(env, now);
    let failed = false;
    for (let round = 0; round < ROUNDS; round++) {
      const done = await tickDueSchedules(env, now, waiting);
      failed ||= done.failed;
      if (!done.more) break;
    }
    const next = earliest([await readNextTick(env.DB, waiting), waiting.until]);
    return failed && next !== null ? Math.max(next, now + AGAIN_MS) : next;
  } catch (error) {
    console.error(JSON.stringify({ event: "schedules_not_ticked", error: String(error) }));
    return now + AGAIN_MS;
  }
}
