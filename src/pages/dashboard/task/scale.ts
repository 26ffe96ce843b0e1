/** Places times on a line, and folds long stretches in which nothing happened. Pure; times are ms since the epoch. */

export interface Stretch {
  start: number;
  end: number;
}

export interface Scale {
  /** The place of a time: 0 at the start of the line, 1 at its end. */
  at: (time: number) => number;
  /** What was folded. */
  folds: readonly Stretch[];
  start: number;
  end: number;
}

/** An idle stretch is folded if it is longer than so many times everything else. */
const FOLD_FROM = 4;
/** The part of the line that a folded stretch takes. */
const FOLDED = 0.08;

/** A line from `start` to `end`, on which the stretches in `idle` may be folded. */
export function scaleOf(start: number, end: number, idle: readonly Stretch[]): Scale {
  const whole = Math.max(1, end - start);
  const longest = idle.toSorted((a, b) => b.end - b.start - (a.end - a.start));
  const folds: Stretch[] = [];
  let rest = whole;
  for (const stretch of longest) {
    const length = stretch.end - stretch.start;
    if (length < FOLD_FROM * (rest - length) || rest - length <= 0) break;
    folds.push(stretch);
    rest -= length;
  }
  folds.sort((a, b) => a.start - b.start);
  const unit = (1 - FOLDED * folds.length) / rest;
  const at = (time: number): number => {
    let place = 0;
    let from = start;
    for (const fold of folds) {
      if (time <= fold.start) break;
      place += (fold.start - from) * unit;
      place += FOLDED * Math.min(1, (time - fold.start) / (fold.end - fold.start));
      from = fold.end;
    }
    if (time > from) place += (time - from) * unit;
    return Math.min(1, Math.max(0, place));
  };
  return { at, folds, start, end: start + whole };
}

export interface Ticks {
  ticks: number[];
  /** They are to be told as times since the start of the line. */
  isFine: boolean;
}

const STEPS = [
  5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 15e3, 3e4, 6e4, 12e4, 3e5, 6e5, 18e5, 36e5, 72e5, 216e5, 864e5,
  6048e5,
];

/** Below a second, times are told from the start of the line, and round from there. */
const FINE_MS = 1_000;

/** Times to write below the line: round ones, at most so many, none inside a fold. */
export function ticksOf({ start, end, folds }: Scale, most = 6): Ticks {
  const shown = end - start - folds.reduce((sum, fold) => sum + fold.end - fold.start, 0);
  const step = STEPS.find((each) => shown / each <= most) ?? shown;
  const isFine = step < FINE_MS;
  const zero = isFine ? start : 0;
  const parts = [start, ...folds.flatMap((fold) => [fold.start, fold.end]), end];
  const ticks: number[] = [];
  for (let i = 0; i < parts.length; i += 2) {
    for (let time = zero + Math.ceil((parts[i]! - zero) / step) * step; time <= parts[i + 1]!; time += step)
      ticks.push(time);
  }
  return { ticks, isFine };
}
