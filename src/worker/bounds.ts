/** How long an attempt may take, and how it is retried. The submission's options override the definition's. */

import type { TaskDefinition } from "../core/task.ts";
import { DEFAULT_TIMEOUT_MS } from "../core/bounds.ts";
import { DEFAULT_RETRY, retryPolicy, type RetryPolicy } from "../core/retry.ts";
import type { RunOptions } from "../engine/run-options.ts";
import type { ClaimedTask } from "../results/claim-tasks.ts";
import { jsonOf } from "../results/task-row.ts";

/** Times in ms. */
export interface Bounds {
  hardMs: number;
  /** null: no soft limit. */
  softMs: number | null;
  policy: RetryPolicy;
}

export function boundsOf(task: ClaimedTask, definition: TaskDefinition | undefined): Bounds {
  const options = jsonOf<RunOptions>(task.options) ?? {};
  const own = typeof definition?.retry === "object" ? retryPolicy(definition.retry) : DEFAULT_RETRY;
  const hardMs = options.timeoutMs ?? definition?.timeoutMs ?? DEFAULT_TIMEOUT_MS;
  // An attempt that undoes steps has no soft limit.
  const softMs = task.undo === null ? (options.softTimeoutMs ?? definition?.softTimeoutMs ?? null) : null;
  return { hardMs, softMs, policy: retryPolicy(options.retry, own) };
}
