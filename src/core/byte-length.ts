/** The size of a text. */

const encoder = new TextEncoder();

/** The bytes of `text` in UTF-8. */
export function byteLength(text: string): number {
  return encoder.encode(text).length;
}
