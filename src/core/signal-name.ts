/** Names of signals: a task may wait for exactly the names that the route can deliver. */

import { NonRetryableError } from "./errors.ts";

// URL parsing removes the segments `.` and `..` from a path before it is routed.
const NAME = /^(?!\.{1,2}$)[A-Za-z0-9_.-]{1,100}$/;

/** The rule for a signal's name, for error messages. */
export const SIGNAL_NAME_RULE = "a signal's name is 1 to 100 letters, digits, _, . and -, and neither . nor ..";

/** Whether a signal may have this name. */
export function isSignalName(name: string): boolean {
  return NAME.test(name);
}

/** Throws a `NonRetryableError` where no signal may have this name. */
export function assertSignalName(name: string): void {
  if (!isSignalName(name)) throw new NonRetryableError(`${SIGNAL_NAME_RULE}: ${JSON.stringify(name)} never comes`);
}
