/** What a key looks like, and the hash by which it is known. */

const ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz";

/** 52 characters of five random bits: 260 bits. */
const LENGTH = 52;

const SHAPE = /^lv_[0-9a-hjkmnp-tv-z]{52}$/;

/** Characters that are kept in the open, so that people can tell keys apart. */
const PREFIX_LENGTH = 11;

export function newKeyText(): string {
  const random = crypto.getRandomValues(new Uint8Array(LENGTH));
  return `lv_${Array.from(random, (byte) => ALPHABET[byte & 31]).join("")}`;
}

/** Whether a text could be a key at all. */
export function isKeyText(text: string): boolean {
  return SHAPE.test(text);
}

export function prefixOf(key: string): string {
  return key.slice(0, PREFIX_LENGTH);
}

/** SHA-256, hex: enough for a random key, which nobody can guess. */
export async function hashOf(key: string): Promise<string> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(key))).toHex();
}
