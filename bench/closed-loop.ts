/** The load: so many callers, each of which sends its next request when the last one was answered. */

/** Neither more calls than `count` nor more time than `maxMs`, whichever ends first. */
export type Bounds = { concurrency: number; count: number; maxMs: number };

export type Run = {
  /** How long each call took, ascending. */
  ms: number[];
  /** Calls per second, from the first one's start to the last one's end. */
  perSecond: number;
};

/** Calls `call` in a closed loop. Rejects as soon as one call does. */
export async function closedLoop({ concurrency, count, maxMs }: Bounds, call: () => Promise<unknown>): Promise<Run> {
  const ms: number[] = [];
  const startedAt = performance.now();
  let started = 0;
  const caller = async () => {
    while (started < count && performance.now() - startedAt < maxMs) {
      started++;
      const sentAt = performance.now();
      await call();
      ms.push(performance.now() - sentAt);
    }
  };
  await Promise.all(Array.from({ length: concurrency }, caller));
  return { ms: ms.toSorted((a, b) => a - b), perSecond: (ms.length * 1000) / (performance.now() - startedAt) };
}

/** The value that `percent` of the ascending values do not exceed. */
export function percentile(ascending: number[], percent: number): number {
  return ascending[Math.max(0, Math.ceil((ascending.length * percent) / 100) - 1)] ?? Number.NaN;
}
