/** What a subject uses while it is measured. */
import { busySeconds, canMeasureUsage, cpuSecondsOf, processesBelow, pssMbOf } from "./usage.ts";

/** Reading the proportional size walks every page of a process, so it is not read more often. */
const MEMORY_EVERY_MS = 500;

export type Usage = {
  cpuS: number;
  /** The largest of the samples. */
  peakPssMb: number;
  /** Seconds of CPU that other processes used, neither the subject nor this one. */
  otherCpuS: number;
};

/** Begins to measure the processes below `roots`; returns a function that ends it and gives the usage, null where there is no /proc. */
export function startMeter(roots: readonly number[]): () => Usage | null {
  if (!canMeasureUsage) return () => null;
  let peakPssMb = 0;
  const sample = () => {
    const pids = processesBelow(roots);
    peakPssMb = Math.max(peakPssMb, pssMbOf(pids));
    return pids;
  };
  const cpuBefore = cpuSecondsOf(sample());
  const busyBefore = busySeconds();
  const ownBefore = ownSeconds();
  const timer = setInterval(sample, MEMORY_EVERY_MS);
  return () => {
    clearInterval(timer);
    const cpuS = cpuSecondsOf(sample()) - cpuBefore;
    const otherCpuS = busySeconds() - busyBefore - cpuS - (ownSeconds() - ownBefore);
    return { cpuS, peakPssMb, otherCpuS: Math.max(0, otherCpuS) };
  };
}

function ownSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

/** The usage figures of a measure with `tasks` tasks. */
export function usageFigures(usage: Usage | null, tasks: number): { [figure: string]: number } {
  if (usage === null) return {};
  return {
    cpuMsPerTask: (usage.cpuS * 1_000) / tasks,
    peakPssMb: usage.peakPssMb,
    otherCpuS: usage.otherCpuS,
  };
}
