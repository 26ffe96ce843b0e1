/** Which findings are alerts: events of webhooks, raised once and closed once. Pure. */

import type { Check, Fact } from "./health-fact.ts";

export const ALERT_CODES = [
  "lane-stalled",
  "backlog-old",
  "errors-rising",
  "schedule-missed",
  "storage",
] as const satisfies readonly Check[];

export type AlertCode = (typeof ALERT_CODES)[number];

/** An alert that was raised. Instants are ms since the epoch. */
export interface Alert {
  code: AlertCode;
  /** Empty for a code that has only one subject. */
  subject: string;
  raisedAt: number;
  /** Null while the finding is still there. */
  closedAt: number | null;
  /** Whether the endpoints have been told of its current state: raised, or closed. */
  isTold: boolean;
  fact: Fact;
}

/**
 * The alerts to raise and to close after a look that found `facts` at `now`. An alert is closed only after the endpoints were
 * told that it was raised, so that even after a crash both are told once, in this order. `unseen`: what the look may have missed;
 * its alerts stay open.
 */
export function alertsAfter(
  known: readonly Alert[],
  facts: readonly Fact[],
  now: number,
  unseen: readonly Check[] = [],
): { raised: Alert[]; closed: Alert[] } {
  const found = new Map(
    facts.filter(({ code }) => isAlert(code)).map((fact) => [keyOf(fact.code, fact.subject), fact]),
  );
  const open = new Set(known.map(({ code, subject }) => keyOf(code, subject)));
  const raised = [...found].flatMap(([key, fact]): Alert[] => {
    if (open.has(key) || !isAlert(fact.code)) return [];
    return [{ code: fact.code, subject: fact.subject ?? "", raisedAt: now, closedAt: null, isTold: false, fact }];
  });
  const closed = known
    .filter(({ closedAt, isTold }) => closedAt === null && isTold)
    .filter(({ code, subject }) => !unseen.includes(code) && !found.has(keyOf(code, subject)))
    .map((alert) => ({ ...alert, closedAt: now, isTold: false }));
  return { raised, closed };
}

function isAlert(code: Fact["code"]): code is AlertCode {
  return ALERT_CODES.some((each) => each === code);
}

function keyOf(code: string, subject: string | null): string {
  return `${code}:${subject ?? ""}`;
}
