/** The report's arithmetic. */

/** The median; NaN for no values. For an even count, the mean of the middle two. */
export function median(values: readonly number[]): number {
  const ascending = values.toSorted((a, b) => a - b);
  const middle = ascending.length / 2;
  const [below, above] = [ascending[Math.ceil(middle) - 1], ascending[Math.floor(middle)]];
  return below === undefined || above === undefined ? Number.NaN : (below + above) / 2;
}

/** The percentile by nearest rank: the smallest value that at least `percent` % of the values do not exceed; NaN for no values. */
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

/** The ratio of two figures by pass. A pass that has only one of them counts for that figure's median, but not for the range. */
export function ratioOf(above: ReadonlyMap<number, number>, below: ReadonlyMap<number, number>): Ratio | null {
  const ratio = median([...above.values()]) / median([...below.values()]);
  if (!Number.isFinite(ratio)) return null;
  const within = [...above].flatMap(([pass, value]) => {
    const other = below.get(pass);
    return other === undefined || other === 0 ? [] : [value / other];
  });
  return { ratio, least: Math.min(ratio, ...within), most: Math.max(ratio, ...within) };
}

/** The rise per hour of the least-squares line through the points; 0 for fewer than two times. */
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
