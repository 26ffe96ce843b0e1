/** Runs ended tasks again. */

import type { Audit } from "../results/audit.ts";
import { readFlowsToReopen } from "../results/flows/reopen.ts";
import { retryTasks, type NewInput, type RetryFrom } from "../results/retry-tasks.ts";
import { announce } from "./announce.ts";
import { withFreshIds } from "./flows/error-tasks.ts";
import type { Background } from "./store.ts";

/**
 * Starts a new run of those that failed, were cancelled or expired; answers which. What depends on members of flows
 * runs after them again, and flows that have ended are open again. `from`: where in its journal the one task begins.
 */
export async function retry(
  env: Env,
  background: Background,
  ids: string[],
  input: NewInput | null,
  now: number,
  audit: Audit | null = null,
  from: RetryFrom | null = null,
): Promise<string[]> {
  const flows = (await readFlowsToReopen(env.DB, ids)).map((flow) => ({
    ...flow,
    onError: flow.onError === null ? null : withFreshIds(flow.onError),
  }));
  const again = await retryTasks(env.DB, ids, input, crypto.randomUUID(), flows, now, audit, from);
  background.waitUntil(announce(env, { moved: again }, now));
  return again.filter((task) => task.asked === 1).map((task) => task.id);
}
