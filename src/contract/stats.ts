/** Figures: how many tasks there are, how many end, and how long they wait and run. */

import { z } from "zod";
import { QUOTA_NAMES, type QuotaName } from "../core/quotas.ts";
import { STATES, TERMINAL_STATES } from "../core/states.ts";

/** In ms; null where nothing was measured. */
export const quantilesSchema = z.object({ p50: z.int().nullable(), p95: z.int().nullable() });

/** A count for each of these. */
export function countsOf<const Name extends string>(names: readonly Name[]) {
  return z.object(Object.fromEntries(names.map((name) => [name, z.int()])) as Record<Name, z.ZodInt>);
}

const windowSchema = z
  .object({
    /** Where it begins: on a full minute or hour. */
    since: z.iso.datetime(),
    ended: countsOf(TERMINAL_STATES),
    /** Tasks that ended in it, for each minute of it. */
    perMinute: z.number(),
    /** From when an attempt could have started until it did. */
    waitMs: quantilesSchema,
    /** From an attempt's start to its end. */
    runMs: quantilesSchema,
  })
  .meta({ id: "StatsWindow" });

const figures = {
  /** The tasks that have not ended now, and those that ended in the last day. */
  states: countsOf(STATES),
  lastHour: windowSchema,
  lastDay: windowSchema,
};

const quotaSchema = z.object({ used: z.int(), limit: z.int() }).meta({ id: "QuotaUse" });

export const statsSchema = z
  .object({
    at: z.iso.datetime(),
    /** True where too many tasks have not ended to count them all: those counts are then lower bounds. */
    capped: z.boolean(),
    /** What the tenant uses of each quota, and how much there is. Tasks, bytes and signals are counted now and then. */
    quotas: z.object(
      Object.fromEntries(QUOTA_NAMES.map((name) => [name, quotaSchema])) as Record<QuotaName, typeof quotaSchema>,
    ),
    /** When they were last counted; changes since then are known roughly. Null before the first count. */
    quotasCountedAt: z.iso.datetime().nullable(),
    ...figures,
    tasks: z.array(z.object({ task: z.string(), ...figures })),
    lanes: z.array(z.object({ lane: z.string(), ...figures })),
  })
  .meta({ id: "Stats" });

export type Stats = z.output<typeof statsSchema>;

export type StatsWindow = z.output<typeof windowSchema>;
