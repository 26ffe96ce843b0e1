/** Why a task is where it is. */

import { z } from "zod";
import { ESTIMATE_SOURCES } from "../core/estimate.ts";
import { STATES } from "../core/states.ts";

export const REASON_CODES = [
  "running",
  "ended",
  "queued",
  "scheduled",
  "paused",
  "retrying",
  "lane_paused",
  "concurrency",
  "rate_limit",
  "waiting_tasks",
  "waiting_signal",
  "sleeping",
  "circuit_open",
  "batching",
  "unknown_task",
] as const;

/**
 * Further members depend on the code: ids, keys, instants. Where tasks wait one behind the other, `position` is the
 * task's place among them, 1 for the next; `capped` says that only the first of them were read, and the task may stand further back.
 */
export const reasonSchema = z.looseObject({ code: z.enum(REASON_CODES) }).meta({ id: "Reason" });

export const explanationSchema = z
  .object({
    state: z.enum(STATES),
    /** One sentence. */
    summary: z.string(),
    reasons: z.array(reasonSchema),
    /** When it is likely to start, where that can be told; null otherwise. Never in the past. */
    estimatedStartAt: z.iso.datetime().nullable(),
    /** When a running task is likely to end, where that can be told; null otherwise. */
    estimatedEndAt: z.iso.datetime().nullable(),
    /** What the estimate was made from; null where there is none. */
    estimatedFrom: z.enum(ESTIMATE_SOURCES).nullable(),
  })
  .meta({ id: "Explanation" });

export type Reason = z.output<typeof reasonSchema>;
export type Explanation = z.output<typeof explanationSchema>;
