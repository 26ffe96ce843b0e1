/** What an explanation is made of. */

import type { Reason } from "../../contract/explanation.ts";
import type { Estimate } from "../../core/estimate.ts";

/** A reason, and when it is likely to be over; null: no estimate. */
export interface Finding {
  reason: Reason;
  start: Estimate | null;
}

/** An instant in ISO 8601; null where there is none. */
export function iso(at: number | null): string | null {
  return at === null ? null : new Date(at).toISOString();
}
