/** Hands the work that an event has no time for to objects. */

import { log } from "../core/log.ts";
import { placed } from "../core/location.ts";
import type { ClaimedTask } from "../results/claim-tasks.ts";
import type { Commit } from "../results/commit-attempts.ts";

const TRIES = 3;
const AGAIN_MS = 100;

/** Runs these claimed tasks in a new object. Throws where no object can be reached; then their leases run out. */
export async function startApart(env: Env, tasks: ClaimedTask[]): Promise<void> {
  await withNewObject(env, async (object) => object.start(tasks));
}

/** Lets a new object commit these ends, for as long as it takes. Throws where no object can be reached. */
export async function handOver(env: Env, commits: Commit[]): Promise<void> {
  log("commits_handed_over", { taskIds: commits.map((entry) => entry.id) });
  await withNewObject(env, async (object) => object.commit(commits));
}

async function withNewObject(
  env: Env,
  call: (object: DurableObjectStub<import("./attempt-object.ts").AttemptObject>) => Promise<void>,
): Promise<void> {
  for (let n = 1; ; n++) {
    try {
      await call(env.ATTEMPTS.get(env.ATTEMPTS.newUniqueId(), placed(env)));
      return;
    } catch (error) {
      if (n === TRIES) throw error;
      await scheduler.wait(AGAIN_MS * n * n);
    }
  }
}
