/** What one tick may use of D1. */

export interface Budget {
  /** Statements, those of a batch each. */
  statements: number;
  /** Rows that are looked at in one go. */
  rows: number;
  /** Rows that one statement removes or scans. */
  chunk: number;
}

/**
 * An event may make 1,000 D1 statements, and 50 on the free plan, which also allows 50 messages and requests
 * (https://developers.cloudflare.com/d1/platform/limits/). What was begun may exceed its share of the budget a little.
 */
const BUDGETS = {
  paid: { statements: 800, rows: 1_000, chunk: 5_000 },
  free: { statements: 45, rows: 10, chunk: 1_000 },
} as const satisfies Record<string, Budget>;

export function budgetOf({ PLAN }: Pick<Env, "PLAN">): Budget {
  return PLAN === "free" ? BUDGETS.free : BUDGETS.paid;
}
