/** Limits on how many tasks run at once, and on how many start in a time. */

import { z } from "zod";
import { durationSchema } from "../core/duration.ts";
import { LIMIT_KINDS } from "../core/limit-name.ts";

const DAY_MS = 86_400_000;

export const limitSchema = z
  .object({
    /**
     * `concurrency::<key>`, `concurrency:<task>` or `rate:<task>`, with `:<key>` where the definition has keys, and with
     * `@<tenant>` after the task where it is another tenant's.
     */
    id: z.string(),
    kind: z.enum(LIMIT_KINDS),
    /** Null for a limit of submissions (`options.concurrency`). */
    task: z.string().nullable(),
    /** The tenant whose tasks count; null: the tasks of all tenants, because the definition says so. */
    tenant: z.string().nullable(),
    /** Null for a limit on the whole task. */
    key: z.string().nullable(),
    /** Slots, or starts in `per`. */
    limit: z.int(),
    /** In ms; null where it is no rate. */
    per: z.number().nullable(),
    /** Starts that may come at once after a pause; null where it is no rate. */
    burst: z.int().nullable(),
    /** How many run; null where it is a rate. */
    used: z.int().nullable(),
    /** How many may start now; null where it is no rate. */
    tokens: z.int().nullable(),
    /** Queued tasks that are under it; 10,000 stand for as many or more. */
    waiting: z.int(),
    /** Up to ten tasks of the caller's tenant that run under it; empty where it is a rate. */
    heldBy: z.array(z.string()),
    /** Up to ten queued tasks of the caller's tenant that are under it, the next one first. */
    waiters: z.array(z.string()),
    /** Nothing starts before this time, because an attempt called `ctx.rateLimited`. */
    heldUntil: z.iso.datetime().nullable(),
    /** What set the limit that holds: the definition, the latest submission, or this API. */
    source: z.enum(["code", "submission", "api"]),
    /** The id of the key that has changed it through this API, `deployment` for the service's own, and when: of a change among the tenant's latest, else null. */
    changedBy: z.string().nullable(),
    changedAt: z.iso.datetime().nullable(),
  })
  .meta({ id: "Limit" });

export type LimitResource = z.output<typeof limitSchema>;

export const limitListSchema = z
  .object({ items: z.array(limitSchema), nextCursor: z.string().nullable() })
  .meta({ id: "LimitList" });

/** `per` and `burst` belong to rates; a rate needs its `per`. */
export const putLimitSchema = z
  .strictObject({
    limit: z.int().min(1).max(1_000_000),
    per: durationSchema(1, DAY_MS).optional(),
    burst: z.int().min(1).max(1_000_000).optional(),
  })
  .meta({ id: "PutLimit" });

export type LimitInput = z.input<typeof putLimitSchema>;
