/** One task at a time: the time from its submission until its caller knows that it ended. */
import { setTimeout as pause } from "node:timers/promises";
import { closedLoop } from "../load/closed-loop.ts";
import { percentile } from "../report/statistics.ts";
import type { Service } from "../subjects/service.ts";
import { demand, type Found, type Measure } from "./measure.ts";

const POLL_EVERY_MS = 2;
const WAIT_MS = 10_000;
const WARM_UP = 20;
const WITHIN_MS = 60_000;

/** `isPolled`: reads the task every 2 ms; otherwise one read waits for the end. */
export async function latencyOf(service: Service, tasks: number, isPolled: boolean): Promise<Found> {
  const one = async () => {
    const id = await service.submit("noop");
    const deadline = performance.now() + WAIT_MS;
    while ((await service.look(id, isPolled ? 0 : WAIT_MS)) === null) {
      demand(performance.now() < deadline, `a task has not ended within ${WAIT_MS / 1_000} s`);
      if (isPolled) await pause(POLL_EVERY_MS);
    }
  };
  await closedLoop({ callers: 1, count: WARM_UP, maxMs: WITHIN_MS }, one);
  const { ms, failed, reason } = await closedLoop({ callers: 1, count: tasks, maxMs: WITHIN_MS }, one);
  demand(failed === 0, `${failed} of ${tasks} failed: ${reason}`);
  return {
    measure: isPolled ? "latency-polled" : "latency-wait",
    figures: { tasks: ms.length, p50Ms: percentile(ms, 50), p95Ms: percentile(ms, 95), p99Ms: percentile(ms, 99) },
  };
}

export const latency: Measure = async ({ service }, sizes) => [
  await latencyOf(service, sizes.latency, true),
  ...(service.canWait ? [await latencyOf(service, sizes.latency, false)] : []),
];
