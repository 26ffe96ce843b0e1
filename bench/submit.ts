/** How fast submissions are taken, while the tasks run behind them. */
import type { Client } from "./client.ts";
import { type Bounds, closedLoop } from "./closed-loop.ts";
import { drain } from "./drain.ts";
import { type Line, lineOf } from "./table.ts";

const NOOP = { task: "test.noop", input: null };
const BATCH = 1_000;

const SINGLES: Bounds[] = [
  { concurrency: 1, count: 500, maxMs: 6_000 },
  { concurrency: 16, count: 3_000, maxMs: 6_000 },
  { concurrency: 64, count: 6_000, maxMs: 6_000 },
];

/** One task per request, then a thousand. Waits after each until all has run, so that no measure disturbs the next. */
export async function measureSubmit(client: Client): Promise<Line[]> {
  const lines: Line[] = [];
  for (const bounds of SINGLES) {
    const run = await closedLoop(bounds, () => client.post("/v1/tasks", NOOP));
    lines.push(lineOf(`submit one, ${bounds.concurrency} at a time`, run));
    await drain(client);
  }
  const batch = { tasks: Array.from({ length: BATCH }, () => NOOP) };
  const run = await closedLoop({ concurrency: 1, count: 10, maxMs: 10_000 }, () =>
    client.post("/v1/tasks/batch", batch),
  );
  const line = lineOf(`submit ${BATCH.toLocaleString("en")} in a request`, run);
  lines.push({ ...line, perSecond: run.perSecond * BATCH });
  await drain(client);
  return lines;
}
