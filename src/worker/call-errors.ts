/** What durable calls throw for what they waited for. */

import { ChildFailedError, SignalTimeoutError } from "../core/errors.ts";
import type { readEnds } from "../results/flows/values.ts";

export function tooLate(name: string): SignalTimeoutError {
  return new SignalTimeoutError(`no signal ${JSON.stringify(name)} came in time`);
}

export function childFailure(id: string, ended: Awaited<ReturnType<typeof readEnds>>): ChildFailedError {
  const { state, error } = ended.get(id)!;
  return new ChildFailedError(id, state, error);
}
