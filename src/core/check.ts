/** Holds a value against a schema, whatever the value. */

import type { z } from "zod";
import type { SchemaIssue } from "./problems.ts";

export type Checked<T> = { success: true; data: T } | { success: false; issues: readonly SchemaIssue[] };

/** As `safeParse`, also where there are more faults than the library's stack holds: those are one fault of the whole. */
export function check<S extends z.ZodType>(schema: S, value: unknown): Checked<z.output<S>> {
  try {
    const parsed = schema.safeParse(value);
    return parsed.success ? { success: true, data: parsed.data } : { success: false, issues: parsed.error.issues };
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return { success: false, issues: [{ code: "custom", path: [], message: "has more faults than can be listed" }] };
  }
}
