/** The findings of a health report, and the checks that look for them. */

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
  /** The lane, the schedule or the quota that it is about; null for a code that has only one subject. */
  subject: string | null;
  [member: string]: unknown;
}
