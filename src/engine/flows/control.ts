/** The verbs on a whole flow. */

import type { Audit } from "../../results/audit.ts";
import { readErrorTasks, readMemberIds, requestFlowCancel, type FlowRow } from "../../results/flows/flows.ts";
import { retryMembers } from "../../results/flows/retry.ts";
import { cancel } from "../cancel.ts";
import { withFreshIds } from "./error-tasks.ts";
import { announce } from "../announce.ts";
import type { Background } from "../store.ts";

/** Members cancelled in one transaction. */
const CHUNK = 1_000;

/** Cancels the members of the flow that have not ended; with `undo` their steps are undone first. `now` is ms since the epoch. */
export async function cancelFlow(
  env: Env,
  flow: FlowRow,
  reason: string | null,
  now: number,
  undo = false,
  audit: Audit | null = null,
): Promise<void> {
  await requestFlowCancel(env.DB, flow.id, now, audit);
  const ids = (await readMemberIds(env.DB, flow.id)) ?? [];
  for (let i = 0; i < ids.length; i += CHUNK) await cancel(env, ids.slice(i, i + CHUNK), reason, now, undo, audit);
}

/**
 * Opens an ended flow again at its failed members, or at the member `from` (an id). Returns how many
 * tasks start: 0 where the flow has not ended or there is nothing to run again. `deadline` is that of the new run.
 */
export async function retryFlow(
  env: Env,
  background: Background,
  flow: FlowRow,
  from: string | null,
  now: number,
  deadline: number | null = null,
  audit: Audit | null = null,
): Promise<number> {
  const errorTasks = await readErrorTasks(env.DB, flow.id);
  const fresh = errorTasks === null ? null : withFreshIds(errorTasks);
  const released = await retryMembers(env.DB, flow, from, fresh, now, deadline, audit);
  background.waitUntil(announce(env, { moved: released, lookAt: released.length > 0 ? deadline : null }, now));
  return released.length;
}
