/**
 * Fields that a definition calls secret: taken out of a value before it is stored or shown, and put back for the handler.
 * Pure: what is taken out is sealed elsewhere.
 */

import { isReference } from "./flows/reference.ts";
import type { Fault } from "./problems.ts";

/** Stands in the place of a secret value. */
export const MASK = "•••";

/**
 * In a definition: RFC 6901 pointers to the fields that are secret, such as `"/headers/authorization"`; `""` is the whole value.
 * `*` stands for every item of a list and every member of an object, and names are compared without regard to case, as those of
 * headers are. A plain list holds pointers into the input.
 */
export type SecretOption = readonly string[] | { input?: readonly string[]; output?: readonly string[] };

/** The segments of a pointer, in lower case. */
type Path = readonly string[];

/** A {@link SecretOption} as a definition holds it. */
export interface SecretPaths {
  readonly input: readonly Path[];
  readonly output: readonly Path[];
}

const MAX_POINTERS = 100;

/** Throws a `RangeError` where one of them is not a valid pointer. Null where nothing is secret. */
export function secretsOf(name: string, option: SecretOption = []): SecretPaths | null {
  const { input = [], output = [] } = "length" in option ? { input: option } : option;
  const pathOf = (text: string): Path => {
    if (!/^(?:\/(?:[^~/]|~[01])*)*$/.test(text)) {
      throw new RangeError(`task ${name}: secret: not an RFC 6901 pointer: ${JSON.stringify(text)}`);
    }
    return text
      .split("/")
      .slice(1)
      .map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~").toLowerCase());
  };
  if (input.length + output.length > MAX_POINTERS) {
    throw new RangeError(`task ${name}: secret: at most ${MAX_POINTERS} pointers`);
  }
  if (input.length + output.length === 0) return null;
  return { input: input.map(pathOf), output: output.map(pathOf) };
}

/** What was taken out: where it stood, and the value. */
export type Taken = [path: (string | number)[], value: unknown];

/** A value without its secrets. */
export interface Masked {
  value: unknown;
  taken: Taken[];
}

/** What is secret in a task that is about to be stored. Neither JSON nor a log shows it. */
export class Secrets {
  readonly #taken: readonly Taken[];
  readonly #webhook: string | null;
  readonly #limitKeys: readonly string[];

  /** `webhook`: what signs the submission's own webhook. `limitKeys`: keys of its limits that reveal a secret. */
  constructor(taken: readonly Taken[], webhook: string | null, limitKeys: readonly string[] = []) {
    this.#taken = taken;
    this.#webhook = webhook;
    this.#limitKeys = limitKeys;
  }

  get taken(): readonly Taken[] {
    return this.#taken;
  }

  get webhook(): string | null {
    return this.#webhook;
  }

  get limitKeys(): readonly string[] {
    return this.#limitKeys;
  }

  toJSON(): undefined {
    return undefined;
  }
}

/**
 * Takes out the values at the paths; undefined and null are not secret. `keepsReferences`: a `$from` stays where it is,
 * because its value is not known yet.
 */
export function takeOut(value: unknown, paths: readonly Path[], keepsReferences = false): Masked {
  const taken: Taken[] = [];
  const holders = keepsReferences ? holdersOfReferences(value) : null;
  const walk = (here: unknown, open: readonly Path[], at: (string | number)[]): unknown => {
    if (here === null || here === undefined || open.length === 0) return here;
    if (holders !== null && isReference(here)) return here;
    if (open.some((path) => path.length === 0)) {
      if (holders?.has(here)) return mapped(here, (name, member) => walk(member, [[]], [...at, name]));
      taken.push([at, here]);
      return MASK;
    }
    return mapped(here, (name, member) => {
      const key = String(name).toLowerCase();
      const rest = open.filter(([head]) => head === "*" || head === key).map((path) => path.slice(1));
      return walk(member, rest, [...at, name]);
    });
  };
  const masked = walk(value, paths, []);
  return { value: taken.length === 0 ? value : masked, taken };
}

/** Puts what was taken out back into the value, which it changes. */
export function putBack(value: unknown, taken: readonly Taken[]): unknown {
  const holder = { whole: value };
  for (const [path, secret] of taken) {
    let here: unknown = holder;
    let name: string | number = "whole";
    for (const next of path) {
      here = (here as Record<string, unknown>)[name];
      name = next;
    }
    // Not an assignment: a member may be called `__proto__`.
    Object.defineProperty(here, name, { value: secret, enumerable: true, configurable: true, writable: true });
  }
  return holder.whole;
}

/** Shorter texts occur too often without being the secret. Only the longest `MAX_SCRUBBED` texts are looked for. */
const MIN_SCRUBBED = 4;
const MAX_SCRUBBED = 100;

/** Masks every mention of the secrets' texts in what is told of a task: in an error, a log line, a fault. */
export class Scrubber {
  readonly #texts: readonly string[];

  constructor(taken: readonly Taken[]) {
    const texts = new Set<string>();
    for (const [, value] of taken) collect(value, texts);
    // The longest first: one may be part of another.
    this.#texts = [...texts].toSorted((a, b) => b.length - a.length).slice(0, MAX_SCRUBBED);
  }

  text(text: string): string {
    return this.#texts.reduce((masked, secret) => masked.replaceAll(secret, MASK), text);
  }

  /** The same in every text of a JSON value, names of members included. */
  value<T>(value: T): T {
    if (this.#texts.length === 0 || value === undefined) return value;
    const scrubbed = (each: unknown): unknown => {
      if (typeof each === "string") return this.text(each);
      if (typeof each === "number" || typeof each === "boolean") {
        return this.#texts.includes(String(each)) ? MASK : each;
      }
      if (Array.isArray(each)) return each.map(scrubbed);
      if (typeof each !== "object" || each === null) return each;
      return Object.fromEntries(Object.entries(each).map(([name, member]) => [this.text(name), scrubbed(member)]));
    };
    return scrubbed(value) as T;
  }
}

/** Faults without a mention of what is secret in `input`: the message of a schema may quote the value that it refuses. */
export function scrubFaults(found: Fault[], input: unknown, paths: readonly Path[]): Fault[] {
  if (found.length === 0) return found;
  return new Scrubber(takeOut(input, paths).taken).value(found);
}

/** The lists and objects in which a `$from` stands, however deep. */
function holdersOfReferences(value: unknown): Set<unknown> {
  const holders = new Set<unknown>();
  const look = (here: unknown): boolean => {
    if (typeof here !== "object" || here === null) return false;
    if (isReference(here)) return true;
    // Looks at every member, without an early exit, so that all holders are found.
    const holds = Object.values(here).map(look).some(Boolean);
    if (holds) holders.add(here);
    return holds;
  };
  look(value);
  return holders;
}

function collect(value: unknown, texts: Set<string>): void {
  if (typeof value === "string" || typeof value === "number") {
    const text = String(value);
    if (text.length >= MIN_SCRUBBED) texts.add(text);
  } else if (typeof value === "object" && value !== null) {
    for (const member of Object.values(value)) collect(member, texts);
  }
}

function mapped(value: unknown, map: (name: string | number, member: unknown) => unknown): unknown {
  if (Array.isArray(value)) return value.map((item, i) => map(i, item));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, map(name, member)]));
}
