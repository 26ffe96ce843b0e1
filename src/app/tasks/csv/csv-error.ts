/** The error for a broken CSV file. It names the line, and is not retried. */

import { NonRetryableError } from "../../../core/errors.ts";

/** The error for a file that is broken at `line` (from 1, as an editor counts). */
export function brokenCsv(line: number, what: string): NonRetryableError {
  return new NonRetryableError(`line ${line}: ${what}`, { line });
}
