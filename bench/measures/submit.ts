/** One task per request, to its end. */
import { setTimeout as pause } from "node:timers/promises";
import { closedLoop } from "../load/closed-loop.ts";
import { startMeter, usageFigures } from "../load/meter.ts";
import { observe } from "../load/observe.ts";
import { percentile } from "../report/statistics.ts";
import type { Running } from "../subjects/service.ts";
import { demand, type Found, type Measure } from "./measure.ts";

const SUBMIT_WITHIN_MS = 60_000;
const DRAIN_WITHIN_MS = 120_000;

/**
 * Submits the tasks, then polls them with four pollers until all have ended, also those that ended meanwhile. The usage per task is that
 * of both parts.
 */
export async function submitAndEnd({ service, roots }: Running, connections: number, tasks: number): Promise<Found> {
  const stop = startMeter(roots);
  const ids: string[] = [];
  const startedAt = performance.now();
  const bounds = { callers: connections, count: tasks, maxMs: SUBMIT_WITHIN_MS };
  const loop = await closedLoop(bounds, async () => void ids.push(await service.submit("noop")));
  const seen = await observe((id) => service.look(id), ids);
  const usage = stop();
  demand(loop.failed === 0, `${loop.failed} of ${tasks} submissions failed: ${loop.reason}`);
  demand(seen.open === 0 && seen.unsuccessful === 0, `${seen.open} have not ended, ${seen.unsuccessful} have failed`);
  return {
    measure: `submit-${connections}`,
    figures: {
      tasks: ids.length,
      tasksPerS: (ids.length * 1_000) / loop.totalMs,
      p50Ms: percentile(loop.ms, 50),
      p95Ms: percentile(loop.ms, 95),
      p99Ms: percentile(loop.ms, 99),
      endToEndPerS: (ids.length * 1_000) / (seen.lastEndAt - startedAt),
      ...usageFigures(usage, ids.length),
    },
  };
}

/** The same without pollers, which would slow down the tasks; the service's own count tells when they have ended. */
export async function submitAndDrain({ service }: Running, connections: number, tasks: number): Promise<Found> {
  const startedAt = performance.now();
  const bounds = { callers: connections, count: tasks, maxMs: SUBMIT_WITHIN_MS };
  const loop = await closedLoop(bounds, () => service.submit("noop"));
  demand(loop.failed === 0, `${loop.failed} of ${tasks} submissions failed: ${loop.reason}`);
  const deadline = performance.now() + DRAIN_WITHIN_MS;
  while ((await service.openOf(tasks)) > 0) {
    demand(performance.now() < deadline, `tasks are open after ${DRAIN_WITHIN_MS / 1_000} s`);
    await pause(service.askEveryMs);
  }
  const figures = {
    tasks: loop.ms.length,
    tasksPerS: (loop.ms.length * 1_000) / loop.totalMs,
    endToEndPerS: (loop.ms.length * 1_000) / (performance.now() - startedAt),
  };
  return { measure: `submit-${connections}`, figures };
}

export const submit: Measure = async (running, sizes) => {
  const found: Found[] = [];
  for (const { connections, tasks } of sizes.submit) found.push(await submitAndEnd(running, connections, tasks));
  return found;
};
