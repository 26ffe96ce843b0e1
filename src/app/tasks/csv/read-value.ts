/** Reads the value of a CSV field. A field is taken exactly as it is: ` 12` with a space is text, and so is `007`. */

const DECIMAL = /^[+-]?(?:(?:0|[1-9]\d*)(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?$/;

/**
 * The number that the text writes, in decimal or scientific notation. NaN where it writes none, or one that a double cannot
 * hold: too large, too small, or an integer beyond 2^53 with more digits than a double has (an id, not a measurement).
 */
export function readNumber(text: string): number {
  const small = readSmallInteger(text);
  if (!Number.isNaN(small)) return small;
  const number = DECIMAL.test(text) ? Number(text) : Number.NaN;
  if (!Number.isFinite(number)) return Number.NaN;
  const isWrittenOut = Math.abs(number) > Number.MAX_SAFE_INTEGER && !/[eE]/.test(text);
  if (isWrittenOut && String(number) !== text.replace(/^\+/, "")) return Number.NaN;
  if (number === 0 && /^[^eE]*[1-9]/.test(text)) return Number.NaN;
  // Adding zero turns -0, which JSON cannot write, into 0.
  return number + 0;
}

/** Up to 15 plain digits, which most numeric fields are, several times faster than by pattern. */
function readSmallInteger(text: string): number {
  if (text.length > 15 || (text.length > 1 && text.startsWith("0"))) return Number.NaN;
  let number = 0;
  for (let at = 0; at < text.length; at++) {
    const digit = text.charCodeAt(at) - 48;
    if (digit < 0 || digit > 9) return Number.NaN;
    number = number * 10 + digit;
  }
  return text === "" ? Number.NaN : number;
}

/** Whether a numeric text writes an integer; `1.0` and `1e3` count as measurements. */
export function isInteger(text: string, number: number): boolean {
  return Number.isSafeInteger(number) && !/[.eE]/.test(text);
}

/** `true` and `false`, in any case. */
export function isBoolean(text: string): boolean {
  return text.length <= 5 && /^(?:true|false)$/i.test(text);
}

const ISO_DATE =
  /^(\d{4})-(0[1-9]|1[0-2])-(\d\d)(?:[T ]([01]\d|2[0-3]):([0-5]\d)(?::([0-5]\d)(?:\.(\d{1,9}))?)?(?:Z|([+-])([01]\d|2[0-3]):?([0-5]\d))?)?$/;

/**
 * The instant that an ISO 8601 date, or date and time, names, in ms since the epoch; NaN where it is
 * none, or no such day exists. Without an offset it is read as UTC.
 */
export function readDate(text: string): number {
  const match = text.charCodeAt(4) === 0x2d ? ISO_DATE.exec(text) : null;
  if (match === null) return Number.NaN;
  const [, year, month, day, hour = 0, minute = 0, second = 0, fraction = "", sign, offsetHour, offsetMinute] = match;
  const midnight = new Date(0).setUTCFullYear(Number(year), Number(month) - 1, Number(day));
  // A day that does not exist rolls over into the next month.
  if (new Date(midnight).getUTCDate() !== Number(day)) return Number.NaN;
  const clock =
    (Number(hour) * 60 + Number(minute)) * 60_000 + Number(second) * 1_000 + Number(`0.${fraction}`) * 1_000;
  const offset = sign === undefined ? 0 : (Number(offsetHour) * 60 + Number(offsetMinute)) * 60_000;
  return midnight + clock - (sign === "-" ? -offset : offset);
}
