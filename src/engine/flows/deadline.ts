/** A deadline for a whole flow. */

import type { Deadline } from "../../contract/flow.ts";
import { MAX_HORIZON_MS } from "../../core/bounds.ts";
import type { Fault } from "../../core/problems.ts";
import { markOverdue, noteStopped } from "../../results/flows/deadlines.ts";
import { cancel } from "../cancel.ts";

/** Members cancelled in one transaction. */
const CHUNK = 1_000;

/** A deadline in ms since the epoch, or what is wrong with it. */
export function deadlineAt(given: Deadline, now: number): number | Fault {
  const at = "at" in given ? given.at : now + given.after;
  if (at <= now) return { pointer: "/deadline", detail: "this is in the past" };
  if (at > now + MAX_HORIZON_MS) return { pointer: "/deadline", detail: "this is more than ten years ahead" };
  return at;
}

/**
 * Ends a flow whose deadline has passed: it fails, and its members that have not ended are cancelled. Safe to
 * repeat, also after an invocation that died midway. `now` is ms since the epoch.
 */
export async function endOverdue(env: Env, flowId: string, now: number): Promise<void> {
  const ids = await markOverdue(env.DB, flowId, now);
  for (let i = 0; i < ids.length; i += CHUNK) {
    await cancel(env, ids.slice(i, i + CHUNK), "the deadline of its flow has passed", now);
  }
  await noteStopped(env.DB, flowId);
}
