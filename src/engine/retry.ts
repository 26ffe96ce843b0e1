/** Runs ended tasks again. */

import type { Audit } from "../results/audit.ts";
import { readFlowsToReopen } from "../results/flows/reopen.ts";
import { retryTasks, type NewInput, type RetryFrom } from "../results/retry-tasks.ts";
import { announce } from "./announce.ts";
import { withFreshIds } from "./flows/error-tasks.ts";
import type { Background } from "./store.ts";

/**
 * Starts a new run of those of `ids` that failed, were cancelled or expired, and answers their ids. Where they are members of
 * flows, the tasks that depend on them wait for them again, and flows that have ended are open again. `from` is
 * the place in its journal from which a single task goes on.
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
