/**
 * The form of a key, and the hash by which it is found. Its form is that of GitHub's tokens: a prefix that secret scanners
 * find, random characters, and a checksum of these. So a mistyped key is refused without a look into the database.
 */

import { crc32 } from "node:zlib";

const ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz";

const PREFIX = "lovage_";

/** 52 characters of five random bits: 260 bits. */
const RANDOM_LENGTH = 52;

/** A CRC-32 in characters of five bits. */
const CHECKSUM_LENGTH = 7;

const SHAPE = /^lovage_[0-9a-hjkmnp-tv-z]{59}$/;

/** The form of keys that were made before they had a checksum; they stay valid. */
const UNCHECKED_SHAPE = /^lv_[0-9a-hjkmnp-tv-z]{52}$/;

/** Random characters that are stored in plain text, so that people can tell keys apart. */
const SHOWN = 8;

export function newKeyText(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(RANDOM_LENGTH));
  const random = Array.from(bytes, (byte) => ALPHABET[byte & 31]).join("");
  return PREFIX + random + checksumOf(random);
}

/** What a text could be: a key with a right checksum, one from before there were checksums, a mistyped one, or no key of Lovage's. */
export function formOf(text: string): "checked" | "unchecked" | "mistyped" | "foreign" {
  if (UNCHECKED_SHAPE.test(text)) return "unchecked";
  if (!text.startsWith(PREFIX)) return "foreign";
  const random = text.slice(PREFIX.length, PREFIX.length + RANDOM_LENGTH);
  return SHAPE.test(text) && text.endsWith(checksumOf(random)) ? "checked" : "mistyped";
}

export function prefixOf(key: string): string {
  return key.slice(0, PREFIX.length + SHOWN);
}

/** SHA-256, hex: enough for a random key, which cannot be guessed. */
export async function hashOf(key: string): Promise<string> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(key))).toHex();
}

/** The CRC-32 of the random characters, in the same alphabet, the highest bits first. */
function checksumOf(random: string): string {
  const sum = crc32(random);
  const digits = Array.from({ length: CHECKSUM_LENGTH }, (_, i) => ALPHABET[Math.floor(sum / 32 ** i) % 32]);
  return digits.toReversed().join("");
}
