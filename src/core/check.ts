/** Checks any value against a schema. */

import type { z } from "zod";
import type { SchemaIssue } from "./problems.ts";

export type Checked<T> = { success: true; data: T } | { success: false; issues: readonly SchemaIssue[] };

/** Like `safeParse`, but a value with more faults than the library's stack holds gives one fault of the whole value. */
export function check<S extends z.ZodType>(schema: S, value: unknown): Checked<z.output<S>> {
  try {
    const parsed = schema.safeParse(value, { error: briefly() });
    return parsed.success ? { success: true, data: parsed.data } : { success: false, issues: parsed.error.issues };
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return { success: false, issues: [{ code: "custom", path: [], message: "has more faults than can be listed" }] };
  }
}

/** Issues that get a message of their own. More than are ever listed, because issues in the branches of a union are not listed. */
const MAX_WORDED = 10_000;

/** Keeps messages that are not shown short: those that list unknown members, and those after {@link MAX_WORDED} issues. */
function briefly(): (issue: { code?: string }) => string | undefined {
  let issues = 0;
  return ({ code }) => {
    if (code === "unrecognized_keys") return "unknown members";
    return ++issues > MAX_WORDED ? "Invalid input" : undefined;
  };
}
