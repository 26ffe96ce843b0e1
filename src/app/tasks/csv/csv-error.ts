/** How a CSV file can be broken: always at a line, and never better on another attempt. */

import { NonRetryableError } from "../../../core/errors.ts";

/** The error for a file that is broken at `line` (from 1, as an editor counts). */
export function brokenCsv(line: number, what: string): NonRetryableError {
  return new NonRetryableError(`line ${line}: ${what}`, { line });
}
