/** The service on a D1 that does one thing after another and is a network away: how much a round trip costs. */
import { setTimeout as pause } from "node:timers/promises";
import { closedLoop } from "../load/closed-loop.ts";
import { bulkAndEnd } from "../measures/bulk.ts";
import { latencyOf } from "../measures/latency.ts";
import { demand, type Found, type Sizes } from "../measures/measure.ts";
import { warmUp } from "../passes.ts";
import type { Row } from "../report/figures.ts";
import { startLovage } from "../subjects/lovage.ts";
import type { Running } from "../subjects/service.ts";

/** Of the network, of a statement that reads, and of one that writes. */
const DELAYS_MS = "10,1,5";
const CONNECTIONS = 32;
const WITHIN_MS = 120_000;

export async function measureDelays({ warmUp: tasks, delays }: Sizes): Promise<Row[]> {
  const running = await startLovage(CONNECTIONS, { args: ["--strict", "--d1-delay", DELAYS_MS] });
  try {
    await warmUp(running, tasks);
    const rows: Row[] = [];
    for (let pass = 1; pass <= delays.rounds; pass++) {
      const found = [
        await singlesAndEnd(running, delays.submit),
        await latencyOf(running.service, delays.latency, false),
        await bulkAndEnd(running, 1_000, delays.bulkRequests),
      ];
      for (const { measure, figures } of found) rows.push({ subject: "delays", measure, pass, figures });
    }
    return rows;
  } finally {
    await running.stop();
  }
}

/** Their end as the service's own count tells it: here pollers would stand before the tasks in the line for D1. */
async function singlesAndEnd({ service }: Running, tasks: number): Promise<Found> {
  const startedAt = performance.now();
  const bounds = { callers: CONNECTIONS, count: tasks, maxMs: WITHIN_MS };
  const loop = await closedLoop(bounds, () => service.submit("noop"));
  demand(loop.failed === 0, `${loop.failed} submissions failed: ${loop.reason}`);
  const deadline = performance.now() + WITHIN_MS;
  while ((await service.openOf(tasks)) > 0) {
    demand(performance.now() < deadline, `tasks are open after ${WITHIN_MS / 1_000} s`);
    await pause(service.askEveryMs);
  }
  const figures = {
    tasks,
    tasksPerS: (tasks * 1_000) / loop.totalMs,
    endToEndPerS: (tasks * 1_000) / (performance.now() - startedAt),
  };
  return { measure: `submit-${CONNECTIONS}`, figures };
}
