/** Histograms of durations whose buckets grow by a constant ratio, so that every quantile has the same relative error. Pure. */

/** Buckets for each doubling: a quantile is at most 9 % away from what it stands for. */
const PER_DOUBLING = 4;

/** How many durations fell into each bucket, and their sum in ms. */
export interface Histogram {
  buckets: ReadonlyMap<number, number>;
  sumMs: number;
}

/** The bucket of a duration: the first whose bound is not below it. Bucket 0 holds a millisecond and less. */
export function bucketOf(ms: number): number {
  return ms <= 1 ? 0 : Math.ceil(Math.log2(ms) * PER_DOUBLING - 1e-9);
}

/** The longest duration that the bucket holds, in ms. */
export function boundOf(bucket: number): number {
  return 2 ** (bucket / PER_DOUBLING);
}

export function sizeOf(histogram: Histogram): number {
  let size = 0;
  for (const count of histogram.buckets.values()) size += count;
  return size;
}

/** How many durations are not above the bound of this bucket. */
export function countUpTo(histogram: Histogram, bucket: number): number {
  let size = 0;
  for (const [at, count] of histogram.buckets) if (at <= bucket) size += count;
  return size;
}

/** The `q`-quantile of the durations in ms; null where there are none. */
export function quantile(histogram: Histogram, q: number): number | null {
  const rank = Math.max(1, Math.ceil(q * sizeOf(histogram)));
  let below = 0;
  for (const [bucket, count] of [...histogram.buckets].toSorted(([a], [b]) => a - b)) {
    below += count;
    if (below >= rank) return bucket === 0 ? 1 : Math.round(boundOf(bucket - 0.5));
  }
  return null;
}
