/** Numbers and times in words. */

const SECOND = 1_000;
const MINUTE = 60_000;
const HOUR = 3_600_000;
const DAY = 86_400_000;

/** `"340 ms"`, `"2.4 s"`, `"3 min 4 s"`, `"2 h 5 min"`, `"3 d 4 h"`. */
export function durationWords(ms: number): string {
  if (ms < 0) return `-${durationWords(-ms)}`;
  if (ms < SECOND) return `${Math.round(ms)} ms`;
  if (ms < 10 * SECOND) return `${(Math.floor(ms / 100) / 10).toString()} s`;
  if (ms < MINUTE) return `${Math.floor(ms / SECOND)} s`;
  if (ms < HOUR) return two(ms, MINUTE, "min", SECOND, "s");
  if (ms < DAY) return two(ms, HOUR, "h", MINUTE, "min");
  return two(ms, DAY, "d", HOUR, "h");
}

/** The same, in one unit: `"3 min"`. */
export function ageWords(ms: number): string {
  const whole = Math.max(0, ms);
  if (whole < MINUTE) return `${Math.floor(whole / SECOND)} s`;
  if (whole < HOUR) return `${Math.floor(whole / MINUTE)} min`;
  if (whole < DAY) return `${Math.floor(whole / HOUR)} h`;
  return `${Math.floor(whole / DAY)} d`;
}

/** `"1st"`, `"2nd"`, `"13th"`. */
export function ordinal(n: number): string {
  const ending = n % 100 >= 11 && n % 100 <= 13 ? "th" : (["th", "st", "nd", "rd"][n % 10] ?? "th");
  return `${n}${ending}`;
}

const counted = new Intl.NumberFormat("en");

/** `"1,234"`. */
export function countWords(n: number): string {
  return counted.format(n);
}

/** `"1 task"`, `"2 tasks"`. */
export function many(n: number, one: string, more = `${one}s`): string {
  return `${countWords(n)} ${n === 1 ? one : more}`;
}

/** `"2.4 MB"`. */
export function sizeWords(bytes: number): string {
  const units = ["B", "KB", "MB", "GB"] as const;
  const power = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(1, bytes)) / 3));
  return `${(bytes / 1_000 ** power).toFixed(power === 0 ? 0 : 1)} ${units[power]}`;
}

/** A time of the day, with the day where it is another one, in the reader's own zone. */
export function clockWords(at: number, present: number): string {
  const time = new Date(at);
  const isToday = new Date(present).toDateString() === time.toDateString();
  const clock = time.toLocaleTimeString(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
  return isToday ? clock : `${time.toLocaleDateString(undefined, { month: "short", day: "numeric" })}, ${clock}`;
}

/** Text that is too long for its place, with a mark where it was cut. */
export function shortened(text: string, most: number): string {
  return text.length <= most ? text : `${text.slice(0, most - 1)}…`;
}

/** JSON on one line, cut. */
export function glance(value: unknown, most = 120): string {
  return shortened(value === undefined ? "" : (JSON.stringify(value) ?? ""), most);
}

const PARTS = { ms: 1, s: SECOND, min: MINUTE, m: MINUTE, h: HOUR, d: DAY } as const;

/** Reads `"5m"`, `"2h"`; null where it is no duration. */
export function msOf(text: string): number | null {
  const [, number, unit] = /^(\d{1,9})(ms|s|min|m|h|d)$/.exec(text) ?? [];
  return number === undefined ? null : Number(number) * PARTS[unit as keyof typeof PARTS];
}

function two(ms: number, large: number, largeName: string, small: number, smallName: string): string {
  const rest = Math.floor((ms % large) / small);
  return `${Math.floor(ms / large)} ${largeName}${rest === 0 ? "" : ` ${rest} ${smallName}`}`;
}
