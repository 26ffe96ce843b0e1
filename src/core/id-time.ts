/** The time in an id. Ids are TypeIDs over UUIDv7 (RFC 9562 §5.7), so their first characters are the time they were made. */

const ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz";

const LATEST = 2 ** 48 - 1;

/** The lowest id with this prefix that can have been made at `at` (ms since the epoch) or later. */
export function firstIdAt(prefix: string, at: number): string {
  const digits = Math.min(Math.max(Math.floor(at), 0), LATEST)
    .toString(32)
    .padStart(10, "0");
  const time = Array.from(digits, (digit) => ALPHABET[Number.parseInt(digit, 32)]).join("");
  return `${prefix}_${time}${"0".repeat(16)}`;
}
