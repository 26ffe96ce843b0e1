/** Declares schedules and starts their due ticks, as part of a tick of the clock. */

import { log } from "../core/log.ts";
import { earliest } from "../core/wake.ts";
import { declareSchedules } from "../engine/schedules/declare.ts";
import { waitingTicks } from "../engine/lanes/drain.ts";
import { declaredSchedules } from "../engine/registry.ts";
import { tickDueSchedules } from "../engine/schedules/tick.ts";
import type { Glance } from "../results/glance.ts";
import { readNextTick } from "../results/schedules/read.ts";

/** Pause before the clock looks again after schedules failed. */
const AGAIN_MS = 5_000;

/** Whether the schedules of this version are those in the database. */
export function areDeclared(kv: SyncKvStorage): boolean {
  return kv.get("declared") === JSON.stringify(declaredSchedules());
}

/**
 * Creates the tasks of due ticks, as long as `mayGoOn` allows; returns when the next tick is due. Never fails: schedules must
 * not hold up the tasks.
 */
export async function keepSchedules(
  env: Env,
  kv: SyncKvStorage,
  now: number,
  { nextTick, lanes }: Pick<Glance, "nextTick" | "lanes">,
  mayGoOn: () => boolean,
): Promise<number | null> {
  try {
    const isNew = !areDeclared(kv);
    if (isNew) {
      const schedules = declaredSchedules();
      await declareSchedules(env, schedules, now);
      kv.put("declared", JSON.stringify(schedules));
    }
    if (!isNew && (nextTick === null || nextTick > now)) return nextTick;
    const waiting = waitingTicks(env, lanes, now);
    let failed = false;
    for (let more = true; more && mayGoOn();) {
      const done = await tickDueSchedules(env, now, waiting);
      failed ||= done.failed;
      ({ more } = done);
    }
    const next = earliest([await readNextTick(env.DB, waiting), waiting.until]);
    return failed && next !== null ? Math.max(next, now + AGAIN_MS) : next;
  } catch (error) {
    log("schedules_not_ticked", { error });
    return now + AGAIN_MS;
  }
}
