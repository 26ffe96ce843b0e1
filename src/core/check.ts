/** Checks any value against a schema. */

import { z } from "zod";
import type { SchemaIssue } from "./problems.ts";

export type Checked<T> = { success: true; data: T } | { success: false; issues: readonly SchemaIssue[] };

/** Like `safeParse`, but a value with more faults than the library's stack holds gives one fault of the whole value. */
export function check<S extends z.ZodType>(schema: S, value: unknown): Checked<z.output<S>> {
  try {
    const known: KnownNames = new WeakMap();
    const parsed = schema.safeParse(value, { error: briefly(known) });
    if (parsed.success) return { success: true, data: parsed.data };
    return { success: false, issues: withKnown(parsed.error.issues, known) };
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return { success: false, issues: [{ code: "custom", path: [], message: "has more faults than can be listed" }] };
  }
}

/** Issues that get a message of their own. More than are ever listed, because issues in the branches of a union are not listed. */
const MAX_WORDED = 10_000;

/** The names that an object's schema knows, by the list of the object's unknown members. */
type KnownNames = WeakMap<object, readonly string[]>;

interface RawIssue {
  code?: string | undefined;
  keys?: unknown;
  inst?: unknown;
}

/**
 * Shortens messages that are never shown: those that list unknown members, and those after {@link MAX_WORDED} issues. Notes in
 * `known` which members the schema has.
 */
function briefly(known: KnownNames): (issue: RawIssue) => string | undefined {
  let issues = 0;
  return ({ code, keys, inst }) => {
    if (code !== "unrecognized_keys") return ++issues > MAX_WORDED ? "Invalid input" : undefined;
    if (Array.isArray(keys) && inst instanceof z.ZodObject) known.set(keys, Object.keys(inst.shape));
    return "unknown members";
  };
}

function withKnown(issues: readonly SchemaIssue[], known: KnownNames): readonly SchemaIssue[] {
  return issues.map((issue) => {
    const names = issue.keys === undefined ? undefined : known.get(issue.keys);
    return names === undefined ? issue : { ...issue, known: names };
  });
}
