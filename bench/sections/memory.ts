/** The memory of the service with 10,000 tasks in flight: of all its processes, and the heap of each isolate. */
import { setTimeout as pause } from "node:timers/promises";
import { startInspected } from "../inspector.ts";
import { processesBelow, pssMbOf } from "../load/usage.ts";
import { bodyOf } from "../load/http.ts";
import type { Row } from "../report/figures.ts";
import { authorized } from "../subjects/lovage.ts";

const IN_FLIGHT = 10_000;
const PER_REQUEST = 1_000;

/** The tasks sleep for longer than the measure looks at them. */
const SLEEP_MS = 20_000;
const LOOK_FOR_MS = 12_000;
const LOOK_EVERY_MS = 1_000;

export async function measureMemory(): Promise<Row[]> {
  const { running, targets } = await startInspected(4);
  const http = authorized(running.url, 4);
  try {
    const open = await targets();
    const pss = () => pssMbOf(processesBelow(running.roots));
    const heaps = async () =>
      Promise.all(
        open.map(async (target) => (await target.call<{ usedSize: number }>("Runtime.getHeapUsage")).usedSize),
      );
    const idlePssMb = pss();
    const tasks = Array.from({ length: PER_REQUEST }, () => ({ task: "test.sleep", input: { ms: SLEEP_MS } }));
    for (let sent = 0; sent < IN_FLIGHT; sent += PER_REQUEST) {
      bodyOf(await http.post("/v1/tasks/batch", { tasks }), 207);
    }
    let peakPssMb = 0;
    let largestHeap = 0;
    for (let looked = 0; looked < LOOK_FOR_MS; looked += LOOK_EVERY_MS) {
      await pause(LOOK_EVERY_MS);
      peakPssMb = Math.max(peakPssMb, pss());
      largestHeap = Math.max(largestHeap, ...(await heaps()));
    }
    for (const target of open) target.close();
    const figures = { tasks: IN_FLIGHT, isolates: open.length, largestHeapMb: largestHeap / 2 ** 20 };
    const memory = idlePssMb > 0 ? { idlePssMb, peakPssMb } : {};
    return [{ subject: "memory", measure: "in-flight", pass: 1, figures: { ...figures, ...memory } }];
  } finally {
    await http.close();
    await running.stop();
  }
}
