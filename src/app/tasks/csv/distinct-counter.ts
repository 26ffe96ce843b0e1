/**
 * Counts the distinct texts of a column in memory that does not grow with them: exactly up to a limit,
 * estimated beyond it. Only 64-bit hashes are kept, never the texts.
 */

/** Registers of the estimate: 16 KiB, for a standard error of 1.04/√16384 = 0.8 %. */
const INDEX_BITS = 14;
const REGISTERS = 2 ** INDEX_BITS;

/** A rank counts leading zeros of the 64 − 14 remaining bits, from 1. */
const MAX_RANK = 64 - INDEX_BITS + 1;

/** The least that a sketch must have room for. */
export const MIN_SKETCH_BYTES = REGISTERS;

const HASH_BYTES = 8;

/** An estimate above the limit by this factor, six standard errors, means that there are more values than the limit. */
const SURELY_MORE = 1.05;

/** The state of a counter. `exact`: as hashes, else as registers. */
export interface DistinctSketch {
  exact: boolean;
  data: string;
}

/**
 * Counts exactly until `limit` different texts were seen (two of a hundred thousand share a hash with
 * odds of one in a billion). Beyond that a HyperLogLog estimates with a standard error of 0.8 %: 19 of
 * 20 estimates are within 1.6 %, and practically all within 3 %.
 */
export class DistinctCounter {
  readonly #limit: number;
  /** Open addressing: two words per hash, both zero where the slot is free. */
  #slots = new Uint32Array(128);
  #size = 0;
  #registers: Uint8Array | null = null;
  /** Whether the registers may be there only because a merged sketch had no room for hashes. */
  #isGuessed = false;
  #high = 0;
  #low = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  add(text: string): void {
    this.#hash(text);
    this.#take(this.#high, this.#low);
  }

  /** The number of distinct texts, exact or estimated. */
  count(): number {
    if (this.#registers === null) return this.#size;
    const known = this.#isGuessed ? 0 : this.#limit + 1;
    return Math.max(known, Math.round(estimate(this.#registers)));
  }

  /**
   * Whether {@link count} is what a single counter of all texts would return. It may differ where a merged sketch came as
   * registers only because it had no room for hashes, while all texts together may be few enough for an exact count.
   */
  get isSure(): boolean {
    return this.#registers === null || !this.#isGuessed || estimate(this.#registers) > this.#limit * SURELY_MORE;
  }

  /** Its state as base64 of at most `bytes` ({@link MIN_SKETCH_BYTES} or more): as hashes if they fit, else as registers. */
  sketch(bytes: number): DistinctSketch {
    if (this.#registers === null && this.#size * HASH_BYTES <= bytes) {
      const words = new Uint32Array(this.#size * 2);
      let at = 0;
      this.#each((high, low) => {
        words[at++] = high;
        words[at++] = low;
      });
      return { exact: true, data: new Uint8Array(words.buffer).toBase64() };
    }
    const registers = this.#registers ?? new Uint8Array(REGISTERS);
    if (this.#registers === null) this.#each((high, low) => note(registers, high, low));
    return { exact: false, data: registers.toBase64() };
  }

  /** Counts what another counter has counted of the same column. */
  merge({ exact, data }: DistinctSketch): void {
    const bytes = Uint8Array.fromBase64(data);
    if (!exact) {
      this.#isGuessed = true;
      if (this.#registers === null) this.#estimateFromNow();
      for (const [i, rank] of bytes.entries()) {
        if (this.#registers && rank > (this.#registers[i] ?? 0)) this.#registers[i] = rank;
      }
      return;
    }
    const words = new Uint32Array(bytes.buffer, 0, bytes.length / 4);
    for (let at = 0; at < words.length; at += 2) this.#take(words[at] ?? 0, words[at + 1] ?? 0);
  }

  #each(visit: (high: number, low: number) => void): void {
    for (let at = 0; at < this.#slots.length; at += 2) {
      const [high = 0, low = 0] = [this.#slots[at], this.#slots[at + 1]];
      if (high !== 0 || low !== 0) visit(high, low);
    }
  }

  #take(high: number, low: number): void {
    if (this.#registers !== null) return note(this.#registers, high, low);
    this.#size += put(this.#slots, high, low);
    if (this.#size > this.#limit) this.#estimateFromNow();
    else if (this.#size * 4 > this.#slots.length) this.#grow();
  }

  /** Two multiplicative hashes that mix differently, each finished so that every bit depends on all of the text. */
  #hash(text: string): void {
    let high = 0x9e3779b9 ^ text.length;
    let low = 0x85ebca6b;
    for (let at = 0; at < text.length; at++) {
      const code = text.charCodeAt(at);
      high = Math.imul(((high << 5) | (high >>> 27)) ^ code, 0x2c1b3c6d);
      low = Math.imul(((low << 13) | (low >>> 19)) ^ code, 0x297a2d39);
    }
    this.#high = finish(high ^ (low >>> 16));
    this.#low = finish(low ^ (high >>> 15));
    // All zeros is how the table marks a free slot.
    if (this.#high === 0 && this.#low === 0) this.#low = 1;
  }

  #grow(): void {
    const old = this.#slots;
    this.#slots = new Uint32Array(old.length * 2);
    for (let at = 0; at < old.length; at += 2) {
      const [high = 0, low = 0] = [old[at], old[at + 1]];
      if (high !== 0 || low !== 0) put(this.#slots, high, low);
    }
  }

  #estimateFromNow(): void {
    const registers = new Uint8Array(REGISTERS);
    for (let at = 0; at < this.#slots.length; at += 2) {
      const [high = 0, low = 0] = [this.#slots[at], this.#slots[at + 1]];
      if (high !== 0 || low !== 0) note(registers, high, low);
    }
    this.#registers = registers;
    this.#slots = new Uint32Array(0);
  }
}

/** The last mixing of MurmurHash3's 32-bit variant. */
function finish(word: number): number {
  let mixed = Math.imul(word ^ (word >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}

/** 1 if the hash is new, else 0. The length of the table is a power of two, and it is never full. */
function put(slots: Uint32Array, high: number, low: number): 0 | 1 {
  const last = slots.length - 1;
  for (let at = (low * 2) & last; ; at = (at + 2) & last) {
    if (slots[at] === high && slots[at + 1] === low) return 0;
    if (slots[at] === 0 && slots[at + 1] === 0) {
      slots[at] = high;
      slots[at + 1] = low;
      return 1;
    }
  }
}

/** The first bits choose a register, which keeps the longest run of zeros that the other bits began with. */
function note(registers: Uint8Array, high: number, low: number): void {
  const index = high >>> (32 - INDEX_BITS);
  const rest = (high << INDEX_BITS) >>> 0;
  const rank = rest === 0 ? 32 - INDEX_BITS + Math.clz32(low) + 1 : Math.clz32(rest) + 1;
  if (rank > (registers[index] ?? 0)) registers[index] = rank;
}

/**
 * The improved raw estimator of Ertl, "New cardinality estimation algorithms for HyperLogLog sketches"
 * (https://arxiv.org/abs/1702.01284), which needs no correction tables. Its term for saturated
 * registers is left out: no file that fits the size limit saturates one of 50 bits.
 */
function estimate(registers: Uint8Array): number {
  const withRank = Array.from({ length: MAX_RANK + 1 }, () => 0);
  for (const rank of registers) withRank[rank] = (withRank[rank] ?? 0) + 1;
  let sum = 0;
  for (let rank = MAX_RANK; rank >= 1; rank--) sum = (sum + (withRank[rank] ?? 0)) / 2;
  sum += REGISTERS * emptyTerm((withRank[0] ?? 0) / REGISTERS);
  return REGISTERS ** 2 / (2 * Math.LN2 * sum);
}

/** x + Σ x^(2^k)·2^(k−1), Ertl's σ; infinite for 1, where nothing was counted. */
function emptyTerm(share: number): number {
  if (share === 1) return Number.POSITIVE_INFINITY;
  let total = share;
  let power = share;
  for (let weight = 1; ; weight *= 2) {
    power *= power;
    const next = total + power * weight;
    if (next === total) return total;
    total = next;
  }
}
