/** Says why a task is where it is, and what will move it. Reads only. */

import type { Explanation, Reason } from "../contract/explanation.ts";
import { ownKey, type KeyLimit } from "../core/concurrency.ts";
import type { Rate } from "../core/share.ts";
import type { Wait } from "../core/settle.ts";
import { readGathering } from "../results/claim-batches.ts";
import { readBuckets, readConstraints, readUnfinishedNeeds } from "../results/explain.ts";
import { readKeyStates } from "../results/places.ts";
import { jsonOf, type TaskRow } from "../results/task-row.ts";

export async function explain(env: Env, row: TaskRow, now: number): Promise<Explanation> {
  const reasons = await reasonsFor(env, row, now);
  return { state: row.state, summary: summaryOf(reasons), reasons };
}

async function reasonsFor(env: Env, row: TaskRow, now: number): Promise<Reason[]> {
  switch (row.state) {
    case "succeeded":
    case "failed":
    case "cancelled":
    case "expired":
      return [{ code: "ended", state: row.state, at: iso(row.finishedAt) }];
    case "running":
      return [
        {
          code: "running",
          attempt: row.attempt,
          leaseUntil: iso(row.leaseUntil),
          ...(row.undo === null ? {} : { undoing: true }),
          ...(row.cancelRequestedAt === null ? {} : { cancelRequestedAt: iso(row.cancelRequestedAt) }),
        },
      ];
    case "scheduled":
      return [{ code: "scheduled", runAt: iso(row.runAt) }];
    case "retrying":
      return [{ code: "retrying", runAt: iso(row.runAt), failures: row.failures, maxAttempts: row.maxAttempts }];
    case "waiting":
      return waitingFor(env, row);
    case "queued":
      return heldBack(env, row, now);
  }
}

async function waitingFor(env: Env, row: TaskRow): Promise<Reason[]> {
  const wait = jsonOf<Omit<Partial<Wait>, "type"> & { type: string }>(row.waitingFor);
  if (wait === null || wait.type === "needs") {
    const { ids, more } = await readUnfinishedNeeds(env.DB, row.id);
    return [{ code: "waiting_tasks", taskIds: ids, more }];
  }
  const reasons: Reason[] = [];
  const until = iso(wait.until ?? null);
  for (const name of wait.signals ?? []) reasons.push({ code: "waiting_signal", name, until });
  for (const taskIds of wait.tasks ?? [])
    reasons.push({ code: "waiting_tasks", taskIds: taskIds.slice(0, 100), more: taskIds.length > 100 });
  return reasons.length > 0 ? reasons : [{ code: "sleeping", until }];
}

async function heldBack(env: Env, row: TaskRow, now: number): Promise<Reason[]> {
  const { concurrency, rates, circuit, lane } = await readConstraints(env.DB, row.id, row.lane, now);
  const reasons: Reason[] = [];
  if (lane !== null) {
    reasons.push({ code: "lane_paused", lane: row.lane, reason: lane.reason, until: iso(lane.until) });
  }
  if (circuit !== null) {
    const { openUntil, probe } = circuit;
    reasons.push({ code: "circuit_open", task: row.task, until: iso(openUntil), probe });
  }
  const limits = jsonOf<KeyLimit[]>(concurrency) ?? [];
  for (const state of await readKeyStates(
    env.DB,
    row.id,
    limits.map((each) => each.key),
  )) {
    if (state.heldBy.length < state.limit) continue;
    const { limit, heldBy, ahead } = state;
    reasons.push({ code: "concurrency", key: ownKey(state.key), limit, heldBy, ahead });
  }
  const own = jsonOf<Rate[]>(rates) ?? [];
  for (const bucket of await readBuckets(
    env.DB,
    own.map((each) => each.key),
  )) {
    const at = bucket.tat - bucket.tolerance;
    if (at > now)
      reasons.push({ code: "rate_limit", key: ownKey(bucket.key), until: iso(Math.max(at, row.dueAt ?? at)) });
  }
  const batch = await readGathering(env.DB, row.id);
  if (batch !== null && batch.gathered < batch.size && batch.until > now) {
    reasons.push({ code: "batching", ...batch, until: iso(batch.until) });
  }
  if (reasons.length > 0) return reasons;
  const undoing = row.undo === null ? {} : { undoing: true };
  return [{ code: "queued", since: iso(row.runAt), lane: row.lane, ...undoing }];
}

function summaryOf(reasons: Reason[]): string {
  return `${reasons.map(sentence).join(", and ")}.`.replace(/^./, (first) => first.toUpperCase());
}

function sentence(reason: Reason): string {
  const said = (member: string) => {
    const value = reason[member];
    return typeof value === "string" || typeof value === "number" ? String(value) : "";
  };
  const until = said("until") === "" ? "" : ` until ${said("until")}`;
  switch (reason.code) {
    case "running":
      if (reason["undoing"]) return `it is undoing its steps, as attempt ${said("attempt")}, and then ends`;
      return `it is running, as attempt ${said("attempt")}, on a lease until ${said("leaseUntil")}`;
    case "ended":
      return `it has ended: ${said("state")} at ${said("at")}`;
    case "queued":
      return `it is queued on the lane ${said("lane")} and ${reason["undoing"] ? "undoes its steps" : "starts"} as soon as a worker takes it`;
    case "scheduled":
      return `it is scheduled to start at ${said("runAt")}`;
    case "retrying":
      return `it failed ${said("failures")} of ${said("maxAttempts")} times and is tried again at ${said("runAt")}`;
    case "lane_paused":
      return `the lane ${said("lane")} is paused${until}`;
    case "concurrency":
      return `the key ${said("key")} has all of its ${said("limit")} places taken, and ${said("ahead")} wait before it`;
    case "rate_limit":
      return `the rate limit of ${said("key") || "its task"} lets it start at ${said("until")}`;
    case "waiting_tasks":
      return `it waits for ${(reason["taskIds"] as string[]).length}${reason["more"] ? " or more" : ""} tasks`;
    case "waiting_signal":
      return `it waits for the signal ${said("name")}${until}`;
    case "sleeping":
      return `it sleeps${until}`;
    case "circuit_open":
      return said("probe") === ""
        ? `${said("task")} fails too often and is held back${until}`
        : `${said("task")} failed too often, and ${said("probe")} tries whether it does still`;
    case "batching":
      return `it gathers with others of its task${until}: ${said("gathered")} of ${said("size")} are there`;
  }
}

function iso(at: number | null): string | null {
  return at === null ? null : new Date(at).toISOString();
}
