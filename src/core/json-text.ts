/**
 * Finds what JSON parsers change or lose silently: numbers that lose digits, names that stand in an object twice, and
 * `__proto__`, which much code does not treat as a member's name. Pure.
 */

import type { Path } from "./path.ts";

/** What is known of a text before it is parsed. Found without recursion, so no text exhausts the stack. */
export interface Outline {
  deepest: number;
  /** Brackets that are open at the end. */
  open: number;
  /** Names of members, in all objects. */
  names: number;
  /** Some number is so long, or has an exponent, that parsing may change it. */
  hasLongNumber: boolean;
}

/** A shorter number without an exponent is exact, or a fraction. */
const SAFE_DIGITS = 15;

const ZERO = /^-?[0.]+(e|$)/i;

const QUOTE = 34;
const BACKSLASH = 92;

export function outlineOf(text: string): Outline {
  let open = 0;
  let deepest = 0;
  let names = 0;
  let hasLongNumber = false;
  for (let i = 0; i < text.length; i++) {
    const char = text.charCodeAt(i);
    if (char === QUOTE) i = endOfString(text, i);
    else if (char === 91 || char === 123) deepest = Math.max(deepest, ++open);
    else if (char === 93 || char === 125) open--;
    else if (char === 58) names++;
    else if (isDigit(char)) {
      const end = endOfNumber(text, i);
      hasLongNumber ||= end - i > SAFE_DIGITS || /[eE]/.test(text.slice(i, end));
      i = end - 1;
    }
  }
  return { deepest, open, names, hasLongNumber };
}

/** Something that a parser would lose or change. */
export interface Loss {
  path: Path;
  detail: string;
}

/** What was lost when `text`, which is JSON of this outline, was read as `value`. */
export function lossesIn(text: string, outline: Outline, value: unknown): Loss[] {
  if (!outline.hasLongNumber && namesIn(value) === outline.names) return [];
  const losses: Loss[] = [];
  new Walk(text, losses).value(null);
  return losses;
}

/** How many names the objects of a value have; NaN with a `__proto__` among them. */
function namesIn(value: unknown): number {
  if (typeof value !== "object" || value === null) return 0;
  let count = 0;
  if (Array.isArray(value)) {
    for (const item of value) if (typeof item === "object") count += namesIn(item);
    return count;
  }
  const names = Object.keys(value);
  for (const name of names) {
    if (name === "__proto__") return Number.NaN;
    count += namesIn((value as Record<string, unknown>)[name]);
  }
  return count + names.length;
}

/** Goes through a text that is JSON, and not deeply nested. */
class Walk {
  readonly #text: string;
  readonly #losses: Loss[];
  #at = 0;

  constructor(text: string, losses: Loss[]) {
    this.#text = text;
    this.#losses = losses;
  }

  value(path: Path): void {
    const char = this.#next();
    if (char === "{") this.#object(path);
    else if (char === "[") this.#list(path);
    else if (char === '"') this.#string();
    else if (char === "-" || isDigit(char.charCodeAt(0))) this.#number(path);
    else this.#at += char === "f" ? 5 : 4;
  }

  #object(path: Path): void {
    this.#at++;
    const names = new Set<string>();
    while (this.#next() !== "}") {
      if (this.#next() === ",") this.#at++;
      this.#next();
      const name = this.#string();
      const at = { around: path, part: name };
      if (names.has(name)) this.#losses.push({ path: at, detail: "appears twice in its object" });
      if (name === "__proto__") this.#losses.push({ path: at, detail: "no member may have this name" });
      names.add(name);
      // The colon.
      this.#next();
      this.#at++;
      this.value(at);
    }
    this.#at++;
  }

  #list(path: Path): void {
    this.#at++;
    for (let i = 0; this.#next() !== "]"; i++) {
      if (this.#next() === ",") this.#at++;
      this.value({ around: path, part: i });
    }
    this.#at++;
  }

  #string(): string {
    const from = this.#at;
    this.#at = endOfString(this.#text, from) + 1;
    const raw = this.#text.slice(from, this.#at);
    return raw.includes("\\") ? (JSON.parse(raw) as string) : raw.slice(1, -1);
  }

  #number(path: Path): void {
    const from = this.#at;
    this.#at = endOfNumber(this.#text, from);
    const detail = whyChanged(this.#text.slice(from, this.#at));
    if (detail !== null) this.#losses.push({ path, detail });
  }

  /** The next character that is not white space. */
  #next(): string {
    while (this.#text.charCodeAt(this.#at) <= 32) this.#at++;
    return this.#text[this.#at] ?? "";
  }
}

function endOfString(text: string, from: number): number {
  for (let i = from + 1; i < text.length; i++) {
    const char = text.charCodeAt(i);
    if (char === BACKSLASH) i++;
    else if (char === QUOTE) return i;
  }
  return text.length;
}

function endOfNumber(text: string, from: number): number {
  let end = from;
  while (end < text.length && (isDigit(text.charCodeAt(end)) || "+-.eE".includes(text[end]!))) end++;
  return end;
}

function isDigit(char: number): boolean {
  return char >= 48 && char <= 57;
}

/** Why parsing changes a number; null where it does not. A fraction may be rounded, as in every parser. */
function whyChanged(literal: string): string | null {
  const value = Number(literal);
  if (!Number.isFinite(value)) return "a number may not be larger than 1.7e308";
  if (value === 0) return ZERO.test(literal) ? null : "a number may not be smaller than 4.9e-324, unless it is 0";
  // Every parser keeps so few digits, whatever the exponent.
  if (literal.length <= SAFE_DIGITS) return null;
  const written = decimalOf(literal);
  if (written.exponent < 0) return null;
  const read = decimalOf(String(value));
  if (read.digits === written.digits && read.exponent === written.exponent) return null;
  return "an integer beyond 2^53 would be changed; write it as a string";
}

/** The digits of a number without zeros on either side, and the power of ten that they are multiplied by. */
function decimalOf(literal: string): { digits: string; exponent: number } {
  const [mantissa = "", power = "0"] = literal.toLowerCase().replace(/^-/, "").split("e");
  const [whole = "", fraction = ""] = mantissa.split(".");
  const all = whole + fraction;
  let first = 0;
  let last = all.length;
  while (all[first] === "0") first++;
  while (last > first && all[last - 1] === "0") last--;
  return { digits: all.slice(first, last), exponent: Number(power) - fraction.length + (all.length - last) };
}
