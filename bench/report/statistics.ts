/** The report's arithmetic. */

/** Of many values, also none: then it is not a number. Of an even count, the middle between the middle two. */
export function median(values: readonly number[]): number {
  const ascending = values.toSorted((a, b) => a - b);
  const middle = ascending.length / 2;
  const [below, above] = [ascending[Math.ceil(middle) - 1], ascending[Math.floor(middle)]];
  return below === undefined || above === undefined ? Number.NaN : (below + above) / 2;
}

/** The smallest of the values that at least `percent` of them do not exceed (the nearest rank); not a number where there are none. */
export function percentile(values: readonly number[], percent: number): number {
  const ascending = values.toSorted((a, b) => a - b);
  return ascending[Math.max(0, Math.ceil((ascending.length * percent) / 100) - 1)] ?? Number.NaN;
}

/** A figure over the passes of a run. */
export type Spread = { median: number; least: number; most: number; passes: number };

export function spreadOf(values: readonly number[]): Spread {
  return { median: median(values), least: Math.min(...values), most: Math.max(...values), passes: values.length };
}

/** One median divided by another, and the range of the same quotient within each pass. */
export type Ratio = { ratio: number; least: number; most: number };

/** By pass. A pass that has only one of the two counts for its own median, and not for the range. */
export function ratioOf(above: ReadonlyMap<number, number>, below: ReadonlyMap<number, number>): Ratio | null {
  const ratio = median([...above.values()]) / median([...below.values()]);
  if (!Number.isFinite(ratio)) return null;
  const within = [...above].flatMap(([pass, value]) => {
    const other = below.get(pass);
    return other === undefined || other === 0 ? [] : [value / other];
  });
  return { ratio, least: Math.min(ratio, ...within), most: Math.max(ratio, ...within) };
}

/** The rise per hour of the straight line that lies closest to the points (least squares); 0 for fewer than two moments. */
export function slopePerHour(points: readonly { atMs: number; value: number }[]): number {
  const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const atMs = mean(points.map((point) => point.atMs));
  const value = mean(points.map((point) => point.value));
  let product = 0;
  let square = 0;
  for (const point of points) {
    product += (point.atMs - atMs) * (point.value - value);
    square += (point.atMs - atMs) ** 2;
  }
  return square === 0 ? 0 : (product / square) * 3_600_000;
}
