/** How many tasks there are, estimated from a few stretches of them. Pure. */

/** A stretch of tasks: how many of it are sought, and how long, in ms, it took until all of it was made. */
export interface Sample {
  found: number;
  spanMs: number;
}

/** How many are sought in `ms`, if they are made as often as in the samples together: a burst in one of them weighs no more than its time. */
export function estimateOver(ms: number, samples: readonly Sample[]): number {
  const found = samples.reduce((sum, sample) => sum + sample.found, 0);
  const spanMs = samples.reduce((sum, sample) => sum + sample.spanMs, 0);
  if (found === 0) return 0;
  return Math.round((found / Math.max(1, spanMs)) * Math.max(spanMs, ms));
}

/** Where `count` samples begin in the time from `from` to `to`, both in ms since the epoch: each at the end of its equal part. */
export function sampleTimes(from: number, to: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => Math.floor(to - ((to - from) * i) / count));
}
