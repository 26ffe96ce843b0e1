/** An explanation as one sentence. */

import type { Reason } from "../../contract/explanation.ts";

/** Ids that fit into a sentence. */
const MAX_NAMED = 3;

export function summaryOf(reasons: readonly Reason[]): string {
  return `${reasons.map(sentence).join(", and ")}.`.replace(/^./, (first) => first.toUpperCase());
}

function sentence(reason: Reason): string {
  const said = (member: string) => {
    const value = reason[member];
    return typeof value === "string" || typeof value === "number" ? String(value) : "";
  };
  const until = said("until") === "" ? "" : ` until ${said("until")}`;
  const place = `number ${said("position")}${reason["capped"] ? " or later" : ""}`;
  switch (reason.code) {
    case "running":
      if (reason["undoing"]) return `it is undoing its steps, as attempt ${said("attempt")}, and then ends`;
      return `it is running, as attempt ${said("attempt")}${failed(reason)}, on a lease until ${said("leaseUntil")}`;
    case "ended":
      return `it has ended: ${said("state")} at ${said("at")}`;
    case "queued":
      return `it is queued on the lane ${said("lane")}, ${place} in line, and ${reason["undoing"] ? "undoes its steps" : "starts"} as soon as a worker takes it`;
    case "scheduled":
      return `it is scheduled to start at ${said("runAt")}`;
    case "paused":
      return `it is paused since ${said("since")}, and starts only once it is resumed`;
    case "retrying":
      return `it failed ${said("failures")} of ${said("maxAttempts")} times and is tried again at ${said("runAt")}`;
    case "lane_paused":
      return `the lane ${said("lane")} is paused${until}, and it is ${place} in line there`;
    case "concurrency":
      return `the key ${said("key")} has ${reason["limit"] === 1 ? "its only slot" : `all of its ${said("limit")} slots`} taken, by ${named(reason["heldBy"] as string[]) || "others"}, and it is ${place} in line`;
    case "rate_limit":
      return `the rate limit of ${said("key") || "its task"} lets it start at ${said("until")}${reason["capped"] ? " or later" : ""}, as ${place} in line`;
    case "waiting_tasks":
      return waiting(reason as Reason & Waited);
    case "waiting_signal":
      return `it waits for the signal ${said("name")}${until}`;
    case "sleeping":
      return `it sleeps${until}`;
    case "circuit_open":
      return said("probe") === ""
        ? `${said("task")} fails too often and is held back${until}`
        : `${said("task")} failed too often, and ${said("probe")} runs next to find out whether it still fails`;
    case "unknown_task":
      return `the running code has no task called ${said("task")}, so it waits for a deployment that has it until about ${said("until")} and then fails`;
    case "batching":
      return `it gathers with others of its task${until}: ${said("gathered")} of ${said("size")} are there`;
  }
}

function failed({ failures, maxAttempts }: Reason): string {
  return failures === undefined ? "" : ` (${Number(failures)} of at most ${Number(maxAttempts)} attempts have failed)`;
}

interface Waited {
  taskIds: string[];
  more: boolean;
  /** Of a member of a flow. */
  front?: { id: string }[];
}

function waiting({ taskIds, more, front = [] }: Waited): string {
  const own = `it waits for ${taskIds.length === 1 ? "the task" : `${taskIds.length}${more ? " or more" : ""} tasks:`} ${named(taskIds)}`;
  const before = front.map((each) => each.id).filter((id) => !taskIds.includes(id));
  return before.length === 0 ? own : `${own}, and before that for ${named(before)}`;
}

function named(ids: readonly string[]): string {
  if (ids.length > MAX_NAMED) return `${ids.slice(0, MAX_NAMED).join(", ")} and ${ids.length - MAX_NAMED} more`;
  return ids.length < 2 ? ids.join("") : `${ids.slice(0, -1).join(", ")} and ${ids.at(-1)}`;
}
