/** Estimates how many tasks match a filter, from a few samples. Pure. */

/** A sample of tasks that were made one after the other: how many of them match, and in how many ms all of them were made. */
export interface Sample {
  found: number;
  spanMs: number;
}

/** How many tasks match in `ms` at the average rate of all samples; a burst in one sample counts only for the time that it took. */
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
