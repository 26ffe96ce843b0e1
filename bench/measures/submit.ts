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
 * The submissions, then the tasks seen to their ends by four pollers, who also see all that ended meanwhile: what is used is that of
 * both, by task.
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

/** The same without pollers, who would be in the tasks' way; the end is what the service's own count says. */
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
