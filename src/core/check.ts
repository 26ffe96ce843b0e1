/** Holds a value against a schema, whatever the value. */

import type { z } from "zod";
import type { SchemaIssue } from "./problems.ts";

export type Checked<T> = { success: true; data: T } | { success: false; issues: readonly SchemaIssue[] };

/** As `safeParse`, also where there are more faults than the library's stack holds: those are one fault of the whole. */
export function check<S extends z.ZodType>(schema: S, value: unknown): Checked<z.output<S>> {
  try {
    const parsed = schema.safeParse(value, { error: briefly() });
    return parsed.success ? { success: true, data: parsed.data } : { success: false, issues: parsed.error.issues };
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return { success: false, issues: [{ code: "custom", path: [], message: "has more faults than can be listed" }] };
  }
}

/** Issues that get words of their own. More than are ever listed, as those of a union's ways are not. */
const MAX_WORDED = 10_000;

/** Says nothing at length that is not shown: which members are unknown, and what each of ever so many issues is. */
function briefly(): (issue: { code?: string }) => string | undefined {
  let issues = 0;
  return ({ code }) => {
    if (code === "unrecognized_keys") return "unknown members";
    return ++issues > MAX_WORDED ? "Invalid input" : undefined;
  };
}
