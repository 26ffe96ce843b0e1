/** Why a task is where it is. */

import { z } from "zod";
import { STATES } from "../core/states.ts";

export const REASON_CODES = [
  "running",
  "ended",
  "queued",
  "scheduled",
  "retrying",
  "lane_paused",
  "concurrency",
  "rate_limit",
  "waiting_tasks",
  "waiting_signal",
  "sleeping",
  "circuit_open",
  "batching",
] as const;

/** Further members depend on the code: ids, keys, instants. */
export const reasonSchema = z.looseObject({ code: z.enum(REASON_CODES) }).meta({ id: "Reason" });

export const explanationSchema = z
  .object({
    state: z.enum(STATES),
    /** One sentence. */
    summary: z.string(),
    reasons: z.array(reasonSchema),
  })
  .meta({ id: "Explanation" });

export type Reason = z.output<typeof reasonSchema>;
export type Explanation = z.output<typeof explanationSchema>;
