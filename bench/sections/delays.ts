/** The service on a D1 that runs one call at a time, behind a network delay: how much a round trip costs. */
import { bulkAndEnd } from "../measures/bulk.ts";
import { latencyOf } from "../measures/latency.ts";
import type { Sizes } from "../measures/measure.ts";
import { submitAndDrain } from "../measures/submit.ts";
import { warmUp } from "../passes.ts";
import type { Row } from "../report/figures.ts";
import { startLovage } from "../subjects/lovage.ts";

/** Delays of the network, of a statement that reads, and of a statement that writes. */
const DELAYS_MS = "10,1,5";
const CONNECTIONS = 32;

export async function measureDelays({ warmUp: tasks, delays }: Sizes): Promise<Row[]> {
  const running = await startLovage(CONNECTIONS, { args: ["--strict", "--d1-delay", DELAYS_MS] });
  try {
    await warmUp(running, tasks);
    const rows: Row[] = [];
    for (let pass = 1; pass <= delays.rounds; pass++) {
      const found = [
        // Without pollers, whose calls would delay those of the tasks at D1.
        await submitAndDrain(running, CONNECTIONS, delays.submit),
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
