/** Schedules: what a client puts, and what it reads. */

import { z } from "zod";
import { durationSchema } from "../core/duration.ts";
import { MAX_HORIZON_MS } from "../core/bounds.ts";
import { whyNoCron } from "../core/rhythm.ts";
import { CATCH_UPS, OVERLAPS } from "../core/schedule.ts";
import { isZone } from "../core/zone.ts";
import { instantSchema, optionsSchema, type OptionsInput } from "./submission.ts";

const SCHEDULE_ID = /^[A-Za-z0-9_][A-Za-z0-9_.:-]{0,99}$/;

/** Its owner chooses it: letters, digits, `_`, `-`, `.` and `:`. */
export const scheduleIdSchema = z
  .string()
  .regex(SCHEDULE_ID, "a schedule's id is 1 to 100 of A-Z, a-z, 0-9, _, ., : and -");

const MIN_INTERVAL_MS = 1_000;

const MAX_CRON = 200;

const cronSchema = z
  .string()
  .max(MAX_CRON)
  .superRefine((text, ctx) => {
    // A text that is too long was refused before; it is not parsed.
    const why = text.length > MAX_CRON ? null : whyNoCron(text);
    if (why !== null) ctx.addIssue(why);
  })
  .meta({ description: "Five fields, or six with seconds first", examples: ["30 2 * * MON-FRI"] });

/** Without the options that name one instant or share a task with other submissions, because each tick makes a task of its own. */
const tickOptionsSchema = optionsSchema
  .omit({ runAt: true, expiresAt: true, debounce: true, throttle: true })
  .meta({ id: "TickOptions", description: "As in a submission; `delay` and `expiresIn` are counted from the tick" });

const specShape = {
  cron: cronSchema.optional(),
  every: durationSchema(MIN_INTERVAL_MS, MAX_HORIZON_MS).optional(),
  timezone: z.string().max(100).refine(isZone, "must be an IANA time zone, such as Europe/Berlin").default("UTC"),
  task: z.string().min(1).max(100),
  options: tickOptionsSchema.optional(),
  overlap: z.enum(OVERLAPS).default("skip"),
  catchUp: z.enum(CATCH_UPS).default("last"),
  startAt: instantSchema.optional(),
  endAt: instantSchema.optional(),
};

/** Everything about a schedule but its input and whether it is paused. Durations parse to ms, instants to ms since the epoch. */
export const scheduleSpecSchema = z.object(specShape);

export type ScheduleSpec = z.output<typeof scheduleSpecSchema>;

export const putScheduleSchema = z
  .strictObject({ ...specShape, input: z.unknown().optional(), paused: z.boolean().optional() })
  .superRefine(({ cron, every, startAt, endAt }, ctx) => {
    if (cron === undefined && every === undefined) ctx.addIssue("give cron or every");
    if (cron !== undefined && every !== undefined) {
      ctx.addIssue({ code: "custom", path: ["every"], message: "give cron or every, not both" });
    }
    if (startAt !== undefined && endAt !== undefined && endAt <= startAt) {
      ctx.addIssue({ code: "custom", path: ["endAt"], message: "is not after startAt" });
    }
  })
  .meta({ id: "PutSchedule" });

/** A schedule as it is written: in a request, or in `src/app/schedules.ts`. */
export type ScheduleInput = Omit<z.input<typeof putScheduleSchema>, "options"> & {
  options?: Omit<OptionsInput, "runAt" | "expiresAt" | "debounce" | "throttle">;
};

/** A schedule that the deployment declares. */
export type DeclaredSchedule = ScheduleInput & { id: string };

const instant = z.iso.datetime();

export const scheduleSchema = z
  .object({
    id: z.string(),
    cron: z.string().nullable(),
    /** As it was put. */
    every: z.union([z.int(), z.string()]).nullable(),
    timezone: z.string(),
    task: z.string(),
    input: z.unknown(),
    options: z.record(z.string(), z.unknown()),
    overlap: z.enum(OVERLAPS),
    catchUp: z.enum(CATCH_UPS),
    startAt: instant.nullable(),
    endAt: instant.nullable(),
    paused: z.boolean(),
    /** Null while it is paused, and after its last tick. */
    nextRunAt: instant.nullable(),
    nextRuns: z.array(instant),
    /** The latest ticks, newest first. One that was missed has no task, and says why. */
    lastRuns: z.array(z.object({ tick: instant, taskId: z.string().nullable(), missed: z.string().optional() })),
    /** `code`: declared by the deployment, which alone can change it. */
    source: z.enum(["api", "code"]),
    createdAt: instant,
    updatedAt: instant,
  })
  .meta({ id: "Schedule" });

export type ScheduleResource = z.output<typeof scheduleSchema>;

export const scheduleListSchema = z
  .object({ items: z.array(scheduleSchema), nextCursor: z.string().nullable() })
  .meta({ id: "ScheduleList" });
