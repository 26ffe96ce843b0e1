/** Decodes bytes to text in pieces of any size, strictly: at the first bytes that are not UTF-8 it returns the text before them. */

/** `valid: false`: the text is what came before the first bytes that are not UTF-8. */
export interface Decoded {
  text: string;
  valid: boolean;
}

const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** A character that two pieces share is decoded with the second one. A byte order mark is left out. */
export class Utf8Decoder {
  #pending = new Uint8Array(0);
  #atStart = true;

  decode(bytes: Uint8Array): Decoded {
    const all = this.#pending.length === 0 ? bytes : join(this.#pending, bytes);
    const end = wholeCharacters(all);
    const text = tryDecode(all.subarray(0, end));
    if (text === null) return { text: this.#withoutMark(longestValid(all)), valid: false };
    this.#pending = all.slice(end);
    return { text: this.#withoutMark(text), valid: true };
  }

  /** Whether the bytes ended with a whole character. */
  end(): boolean {
    return this.#pending.length === 0;
  }

  #withoutMark(text: string): string {
    if (text === "" || !this.#atStart) return text;
    this.#atStart = false;
    return text.startsWith("\uFEFF") ? text.slice(1) : text;
  }
}

function join(first: Uint8Array, second: Uint8Array): Uint8Array {
  const all = new Uint8Array(first.length + second.length);
  all.set(first);
  all.set(second, first.length);
  return all;
}

/** Where the last character begins if some of its bytes are still to come, else the end. */
function wholeCharacters(bytes: Uint8Array): number {
  for (let back = 1; back <= 3 && back <= bytes.length; back++) {
    const byte = bytes[bytes.length - back] ?? 0;
    if (byte < 0x80) break;
    if (byte >= 0xc0) {
      const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
      return length > back ? bytes.length - back : bytes.length;
    }
  }
  return bytes.length;
}

function tryDecode(bytes: Uint8Array): string | null {
  try {
    return strict.decode(bytes);
  } catch {
    return null;
  }
}

/** Halving works because whatever follows invalid bytes, they stay invalid. */
function longestValid(bytes: Uint8Array): string {
  let good = "";
  let low = 0;
  let high = bytes.length;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    const text = tryDecode(bytes.subarray(0, wholeCharacters(bytes.subarray(0, middle))));
    if (text === null) high = middle;
    else [low, good] = [middle, text];
  }
  return good;
}
