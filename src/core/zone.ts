/**
 * Converts between instants and the wall time of a time zone. A wall time is written as ms, as if it
 * were in UTC; instants are ms since the epoch. The zones' rules come with the runtime (IANA).
 */

const DAY_MS = 86_400_000;

const formats = new Map<string, Intl.DateTimeFormat>();

/** Whether this names an IANA time zone, such as `Europe/Berlin` or `UTC`. */
export function isZone(name: string): boolean {
  if (!/^[A-Za-z]/.test(name)) return false;
  try {
    formatOf(name);
    return true;
  } catch {
    return false;
  }
}

/** The wall time at `at`. */
export function wallOf(zone: string, at: number): number {
  if (zone === "UTC") return at;
  const second = Math.floor(at / 1_000) * 1_000;
  const shown: Partial<Record<Intl.DateTimeFormatPartTypes, number>> = {};
  for (const { type, value } of formatOf(zone).formatToParts(second)) shown[type] = Number(value);
  const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second: seconds = 0 } = shown;
  return Date.UTC(year, month - 1, day, hour, minute, seconds) + (at - second);
}

/** The instant of a wall time: the first of two; for a wall time that a jump of the clock skips, the instant of the jump. */
export function instantOf(zone: string, wall: number): number {
  if (zone === "UTC") return wall;
  const before = offsetOf(zone, wall - DAY_MS);
  const after = offsetOf(zone, wall + DAY_MS);
  const first = wall - Math.max(before, after);
  const last = wall - Math.min(before, after);
  if (wallOf(zone, first) === wall) return first;
  if (wallOf(zone, last) === wall) return last;
  return changeBetween(zone, first, last);
}

/** Where the wall time at `at` is shown for the second time: the wall time at which the clock was set back; else null. */
export function repeatedUntil(zone: string, at: number): number | null {
  const first = instantOf(zone, wallOf(zone, at));
  if (first >= at) return null;
  return changeBetween(zone, first, at) + offsetOf(zone, first);
}

/** When the zone's clock is changed within `(from, to]`, a few days at most; null where it is not. */
export function changeWithin(zone: string, from: number, to: number): number | null {
  return offsetOf(zone, from) === offsetOf(zone, to) ? null : changeBetween(zone, from, to);
}

/** The first second in `(from, to]` at which the zone's offset is no longer that at `from`. */
function changeBetween(zone: string, from: number, to: number): number {
  const offset = offsetOf(zone, from);
  let same = Math.floor(from / 1_000);
  let changed = Math.ceil(to / 1_000);
  while (changed - same > 1) {
    const middle = Math.floor((same + changed) / 2);
    if (offsetOf(zone, middle * 1_000) === offset) same = middle;
    else changed = middle;
  }
  return changed * 1_000;
}

/** How far the wall time is ahead of UTC at `at`, in ms. */
export function offsetOf(zone: string, at: number): number {
  return wallOf(zone, at) - at;
}

function formatOf(zone: string): Intl.DateTimeFormat {
  const known = formats.get(zone);
  if (known) return known;
  const format = new Intl.DateTimeFormat("en-US", {
    timeZone: zone,
    calendar: "iso8601",
    hourCycle: "h23",
    year: "numeric",
    month: "numeric",
    day: "numeric",
    hour: "numeric",
    minute: "numeric",
    second: "numeric",
  });
  formats.set(zone, format);
  return format;
}
