/** Names of signals: what a task may wait for is exactly what the route can be asked to deliver. */

import { NonRetryableError } from "./errors.ts";

// As segments of a path, `.` and `..` are taken away before any route is looked for.
const NAME = /^(?!\.{1,2}$)[A-Za-z0-9_.-]{1,100}$/;

/** What a signal's name looks like, to be told where one does not. */
export const SIGNAL_NAME_RULE = "a signal's name is 1 to 100 letters, digits, _, . and -, and neither . nor ..";

/** Whether a signal may be called so. */
export function isSignalName(name: string): boolean {
  return NAME.test(name);
}

/** Throws a `NonRetryableError` where no signal may be called so. */
export function assertSignalName(name: string): void {
  if (!isSignalName(name)) throw new NonRetryableError(`${SIGNAL_NAME_RULE}: ${JSON.stringify(name)} never comes`);
}
