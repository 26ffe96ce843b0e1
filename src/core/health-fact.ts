/** What a report on health is made of: findings, and what is looked for. */

/** Every finding that is looked for. */
export const CHECKS = [
  "lane-stalled",
  "lane-held",
  "backlog-old",
  "errors-rising",
  "schedule-missed",
  "limit-near",
  "storage",
  "clock-behind",
] as const;

export type Check = (typeof CHECKS)[number];

export const VERDICTS = ["ok", "attention", "trouble"] as const;

export type Verdict = (typeof VERDICTS)[number];

/** A finding; further members depend on the code. */
export interface Fact {
  code: Check | "moving" | "idle";
  level: Verdict;
  /** What it is about where there may be several: a lane, a schedule, a quota. */
  subject: string | null;
  [member: string]: unknown;
}
