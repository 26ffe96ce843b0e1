/** The time in an id. Ids are TypeIDs over UUIDv7 (RFC 9562 §5.7), so their first characters are the time they were made. */

const ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz";

export const TASK_ID = /^task_[0-7][0-9a-hjkmnp-tv-z]{25}$/;

const LATEST = 2 ** 48 - 1;

/** Times of ids and of rows differ by less than this, in ms, where both were set by one request. */
export const ID_SLACK_MS = 15_000;

/** When this id was made, in ms since the epoch. */
export function idTime(id: string): number {
  const time = id.slice(id.indexOf("_") + 1).slice(0, 10);
  return Array.from(time).reduce((sum, digit) => sum * 32 + ALPHABET.indexOf(digit), 0);
}

/** The lowest id with this prefix that can have been made at `at` (ms since the epoch) or later. */
export function firstIdAt(prefix: string, at: number): string {
  const digits = Math.min(Math.max(Math.floor(at), 0), LATEST)
    .toString(32)
    .padStart(10, "0");
  const time = Array.from(digits, (digit) => ALPHABET[Number.parseInt(digit, 32)]).join("");
  return `${prefix}_${time}${"0".repeat(16)}`;
}
