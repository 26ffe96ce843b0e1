/** References: `{"$from": name, "path"?: pointer}` in the inputs of a flow's tasks. */

import { inside, type Path } from "../path.ts";

export interface FoundReference {
  reference: Record<string, unknown>;
  at: Path;
}

/** Whether a value is a `{"$from": …}` itself. */
export function isReference(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value) && "$from" in value;
}

/** Every `{"$from": …}` in an input that stands at `at`. */
export function references(input: unknown, at: Path = null): FoundReference[] {
  const found: FoundReference[] = [];
  const look = (value: unknown, here: Path): void => {
    if (isReference(value)) found.push({ reference: value, at: here });
    else eachIn(value, (part, member) => look(member, inside(here, part)));
  };
  look(input, at);
  return found;
}

/** The references in an input, and all of its lists and objects that hold one. */
export function holdersIn(input: unknown): ReadonlySet<unknown> {
  const holders = new Set<unknown>();
  const look = (value: unknown): boolean => {
    let holds = isReference(value);
    if (!holds) {
      eachIn(value, (_, member) => {
        if (look(member)) holds = true;
      });
    }
    if (holds) holders.add(value);
    return holds;
  };
  look(input);
  return holders;
}

/** Each list and object in a list or object. */
function eachIn(value: unknown, visit: (part: string | number, member: object) => void): void {
  if (Array.isArray(value)) {
    for (const [i, item] of value.entries()) if (typeof item === "object" && item !== null) visit(i, item as object);
  } else if (typeof value === "object" && value !== null) {
    for (const [name, member] of Object.entries(value)) {
      if (typeof member === "object" && member !== null) visit(name, member as object);
    }
  }
}

/** Whether a text is a JSON pointer: RFC 6901 §3. */
export function isPointer(text: string): boolean {
  return (text === "" || text.startsWith("/")) && !/~(?![01])/.test(text);
}
