/** Tells what the platform does not let through from what is wrong. */

import { NonRetryableError } from "../core/errors.ts";
import { isFinal } from "../results/d1.ts";

/** D1 or the progress object did not answer, as often as they were asked. */
export class UnreachableError extends Error {
  override readonly name = "UnreachableError";
}

/** What a call answers. Throws an {@link UnreachableError} where another call might have had an answer. */
export async function reached<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof NonRetryableError || isFinal(error)) throw error;
    throw new UnreachableError(String(error));
  }
}
