/** The counts of a tenant's tasks in the last hour and day. */

import { newPerformance, performances, sumOf, type Counts, type Performance } from "../../core/counts.ts";
import { sizeOf } from "../../core/histogram.ts";
import { beginningOf, readRollups, SPANS } from "../../results/rollups.ts";

/** What was counted since `since`, in ms since the epoch. */
export interface Window {
  since: number;
  counts: Counts;
}

/** The last 60 minutes, the current one included. */
export function readHour(env: Env, tenant: string, now: number): Promise<Window> {
  return readWindow(env, tenant, SPANS.minute, 60, now);
}

/** The last 24 hours, the current one included. */
export function readDay(env: Env, tenant: string, now: number): Promise<Window> {
  return readWindow(env, tenant, SPANS.hour, 24, now);
}

async function readWindow(
  env: Env,
  tenant: string,
  span: typeof SPANS.minute | typeof SPANS.hour,
  count: number,
  now: number,
): Promise<Window> {
  const last = beginningOf(span, now);
  const begins = Array.from({ length: count }, (_, i) => last - i * span);
  return { since: begins.at(-1)!, counts: sumOf(await readRollups(env.DB, tenant, span, begins, now)) };
}

/** How the tenant's tasks of this name did in the last hour, or where none of them ran in it, in the last day. */
export async function recentPerformance(env: Env, tenant: string, task: string, now: number): Promise<Performance> {
  for (const read of [readHour, readDay]) {
    const { counts } = await read(env, tenant, now);
    const performance = performances(counts, (kind) => kind.task).get(task);
    if (performance && sizeOf(performance.run) > 0) return performance;
  }
  return newPerformance();
}
