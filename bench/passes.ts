/** Runs the passes: each starts, measures and stops every subject, so that other load on the machine affects all of them alike. */
import { setTimeout as pause } from "node:timers/promises";
import { closedLoop } from "./load/closed-loop.ts";
import { busySeconds, canMeasureUsage, processesBelow, pssMbOf } from "./load/usage.ts";
import { bulk } from "./measures/bulk.ts";
import { flows } from "./measures/flows.ts";
import { latency } from "./measures/latency.ts";
import type { Measure, Sizes } from "./measures/measure.ts";
import { progress } from "./measures/progress.ts";
import { sleeps } from "./measures/sleeps.ts";
import { submit } from "./measures/submit.ts";
import type { Failure, Row } from "./report/figures.ts";
import type { Running, Subject } from "./subjects/service.ts";

/** The measures in their order; all run on the same service. */
export const MEASURES: { [name: string]: Measure } = { submit, latency, sleeps, bulk, progress, flows };

export type Result = { rows: Row[]; failures: Failure[] };

/** The machine is quiet while other processes use at most this share of its cores. */
const QUIET_SHARE = 0.15;
const QUIET_WITHIN_MS = 10_000;
const LOOK_FOR_MS = 500;

export async function runPasses(
  subjects: readonly Subject[],
  measures: readonly string[],
  sizes: Sizes,
  tell: (line: string) => void,
): Promise<Result> {
  const result: Result = { rows: [], failures: [] };
  for (let pass = 1; pass <= sizes.passes; pass++) {
    // Each pass begins with another subject, so that the same one does not always come first.
    const turned = subjects.map((_, i) => subjects[(i + pass - 1) % subjects.length]);
    for (const subject of turned) await measureOnce(subject, measures, sizes, pass, result, tell);
  }
  return result;
}

async function measureOnce(
  subject: Subject,
  wanted: readonly string[],
  sizes: Sizes,
  pass: number,
  result: Result,
  tell: (line: string) => void,
): Promise<void> {
  const names = Object.keys(MEASURES).filter((name) => subject.measures.includes(name) && wanted.includes(name));
  if (names.length === 0) return;
  await untilQuiet();
  const began = performance.now();
  const failed = (measure: string, error: unknown) => {
    const reason = error instanceof Error ? error.message : String(error);
    result.failures.push({ subject: subject.name, measure, pass, reason });
    tell(`pass ${pass}: ${subject.name}: ${measure} gave nothing: ${reason}`);
  };
  let running: Running;
  try {
    running = await subject.start(Math.max(...sizes.submit.map(({ connections }) => connections)));
  } catch (error) {
    failed("start", error);
    return;
  }
  try {
    if (canMeasureUsage) {
      const figures = { idlePssMb: pssMbOf(processesBelow(running.roots)) };
      result.rows.push({ subject: subject.name, measure: "memory", pass, figures });
    }
    await warmUp(running, sizes.warmUp);
    for (const name of names) {
      try {
        const found = await MEASURES[name](running, sizes, subject.bulkShare);
        for (const { measure, figures } of found) result.rows.push({ subject: subject.name, measure, pass, figures });
      } catch (error) {
        failed(name, error);
      }
    }
  } finally {
    await running.stop();
  }
  tell(`pass ${pass} of ${sizes.passes}: ${subject.name} in ${((performance.now() - began) / 1_000).toFixed(0)} s`);
}

export async function warmUp({ service }: Running, tasks: number): Promise<void> {
  await closedLoop({ callers: 10, count: tasks, maxMs: 30_000 }, () => service.submit("noop"));
  await pause(1_000);
}

/** Waits for a quiet machine, but not for long: the report shows what other processes used. */
async function untilQuiet(): Promise<void> {
  if (!canMeasureUsage) return;
  const { availableParallelism } = await import("node:os");
  for (const deadline = Date.now() + QUIET_WITHIN_MS; Date.now() < deadline;) {
    const before = busySeconds();
    await pause(LOOK_FOR_MS);
    if ((busySeconds() - before) / (LOOK_FOR_MS / 1_000) / availableParallelism() <= QUIET_SHARE) return;
  }
}
