/** Many tasks in a request, one request after the other; the service's own count tells when they have ended. */
import { setTimeout as pause } from "node:timers/promises";
import { startMeter, usageFigures } from "../load/meter.ts";
import type { Running } from "../subjects/service.ts";
import { demand, type Found, type Measure } from "./measure.ts";

const WITHIN_MS = 120_000;

export async function bulkAndEnd({ service, roots }: Running, perRequest: number, requests: number): Promise<Found> {
  await service.forgetMany();
  const stop = startMeter(roots);
  const startedAt = performance.now();
  let submitted = 0;
  for (let request = 0; request < requests; request++) submitted += await service.submitMany(perRequest);
  const submittedAt = performance.now();
  while ((await service.openOf(submitted)) > 0) {
    demand(performance.now() - submittedAt < WITHIN_MS, `tasks are open after ${WITHIN_MS / 1_000} s`);
    await pause(service.askEveryMs);
  }
  const endedAt = performance.now();
  demand(submitted === perRequest * requests, `${submitted} of ${perRequest * requests} were accepted`);
  return {
    measure: `bulk-${perRequest}`,
    figures: {
      tasks: submitted,
      tasksPerS: (submitted * 1_000) / (submittedAt - startedAt),
      endToEndPerS: (submitted * 1_000) / (endedAt - startedAt),
      ...usageFigures(stop(), submitted),
    },
  };
}

export const bulk: Measure = async (running, sizes, share) => {
  const found: Found[] = [];
  for (const { perRequest, requests } of sizes.bulk) {
    found.push(await bulkAndEnd(running, perRequest, Math.max(1, Math.round(requests * share))));
  }
  return found;
};
