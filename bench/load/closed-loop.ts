/** The load of a fixed number of callers, each of which sends its next request when the last one was answered. */

/** Ends after `count` calls or after `maxMs`, whichever comes first. */
export type Bounds = { callers: number; count: number; maxMs: number };

export type Loop = {
  /** The durations of the calls that were answered. */
  ms: number[];
  /** From the first call's start to the last one's end. */
  totalMs: number;
  /** Calls that failed, and why the first one did. */
  failed: number;
  reason: string | null;
};

export async function closedLoop({ callers, count, maxMs }: Bounds, call: () => Promise<unknown>): Promise<Loop> {
  const loop: Loop = { ms: [], totalMs: 0, failed: 0, reason: null };
  const startedAt = performance.now();
  let started = 0;
  const caller = async () => {
    while (started < count && performance.now() - startedAt < maxMs) {
      started++;
      const sentAt = performance.now();
      try {
        await call();
        loop.ms.push(performance.now() - sentAt);
      } catch (error) {
        loop.failed++;
        loop.reason ??= String(error);
      }
    }
  };
  await Promise.all(Array.from({ length: callers }, caller));
  loop.totalMs = performance.now() - startedAt;
  return loop;
}
