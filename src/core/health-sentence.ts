/** A report on health as one sentence. Pure. */

import type { Fact, Verdict } from "./health-fact.ts";

/** Findings that fit into a sentence. */
const MAX_SAID = 4;

/** The worst findings first, and last what moves. */
export function sentenceOf(verdict: Verdict, facts: readonly Fact[]): string {
  const [movement, ...found] = facts;
  const worst = [
    ...found.filter(({ level }) => level === "trouble"),
    ...found.filter(({ level }) => level !== "trouble"),
  ];
  const more = worst.length - MAX_SAID;
  const said = [
    ...worst.slice(0, MAX_SAID).map(phraseOf),
    ...(more > 0 ? [`${more} more ${more === 1 ? "finding" : "findings"}`] : []),
    ...(movement === undefined ? [] : [phraseOf(movement)]),
  ];
  const start = { ok: "All is well", attention: "Something needs attention", trouble: "There is trouble" }[verdict];
  return `${start}: ${said.length < 2 ? said.join("") : `${said.slice(0, -1).join(", ")}, and ${said.at(-1)}`}.`;
}

function phraseOf(fact: Fact): string {
  const said = (member: string) => {
    const value = fact[member];
    return typeof value === "string" || typeof value === "number" ? String(value) : "";
  };
  const count = (member: string, noun: string) => `${said(member)} ${noun}${fact[member] === 1 ? "" : "s"}`;
  const run = () => `${count("running", "task")} ${fact["running"] === 1 ? "runs" : "run"}`;
  const atLeast = fact["capped"] === true ? "at least " : "";
  const until = said("until") === "" ? "" : ` until ${said("until")}`;
  const reason = said("reason") === "" ? "" : ` (${said("reason")})`;
  switch (fact.code) {
    case "idle":
      return "nothing runs or waits";
    case "moving":
      return `${atLeast}${run()}, ${said("queued")} ${fact["queued"] === 1 ? "is" : "are"} queued, and of ${said("ended")} that ended in the last quarter of an hour ${said("failed")} failed`;
    case "lane-stalled":
      return `nothing has ended in the lane ${said("lane")} for ${said("minutes")} minutes while ${run()}`;
    case "lane-held":
      return `the lane ${said("lane")} is ${said("how")} by the ${said("by")} since ${said("since")}${until}${reason}`;
    case "backlog-old":
      return `in the lane ${said("lane")} a task has waited for ${count("minutes", "minute")}`;
    case "errors-rising":
      return `${said("failed")} of the last ${said("ended")} tasks failed, where ${said("usualPercent")} % is usual`;
    case "schedule-missed":
      return `the schedule ${said("schedule")} missed its tick of ${said("tick")}`;
    case "limit-near":
      return `${said("used")} of the quota of ${said("limit")} ${said("quota")} are used`;
    case "storage":
      return fact["accepts"] === true
        ? "the database is nearly full"
        : "the database is full, and nothing new is accepted";
    case "clock-behind":
      return `the clock is ${said("seconds")} s behind`;
  }
}
