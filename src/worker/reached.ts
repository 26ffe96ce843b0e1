/** Tells a call that found D1 or an object unreachable from a call that is wrong. */

import { NonRetryableError } from "../core/errors.ts";
import { isFinal } from "../results/d1.ts";

/** D1 or the progress object did not answer, even when asked again. */
export class UnreachableError extends Error {
  override readonly name = "UnreachableError";
}

/** The answer of a call. Throws an {@link UnreachableError} where the same call might succeed later. */
export async function reached<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof NonRetryableError || isFinal(error)) throw error;
    throw new UnreachableError(String(error));
  }
}
