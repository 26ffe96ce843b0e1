/** An age in short words. */

const UNITS = [
  { ms: 86_400_000, symbol: "d" },
  { ms: 3_600_000, symbol: "h" },
  { ms: 60_000, symbol: "min" },
  { ms: 1_000, symbol: "s" },
] as const;

/** `"12 s"`, `"3 min"`, `"2 h"`, `"4 d"`. */
export function ageWords(ms: number): string {
  const unit = UNITS.find((candidate) => ms >= candidate.ms) ?? UNITS[3];
  return `${Math.max(0, Math.floor(ms / unit.ms))} ${unit.symbol}`;
}
