/** The task resource: what a client reads. Instants are ISO 8601 UTC with milliseconds. */

import { z } from "zod";
import { OUTCOMES } from "../core/settle.ts";
import { STATES } from "../core/states.ts";

const instant = z.iso.datetime();

export const taskErrorSchema = z
  .object({ type: z.string(), message: z.string(), data: z.unknown().optional(), stack: z.string().optional() })
  .meta({ id: "TaskError" });

export const progressSchema = z
  .object({
    done: z.number(),
    total: z.number().nullable(),
    percent: z.number().nullable(),
    message: z.string().nullable(),
    data: z.unknown(),
    at: instant,
  })
  .meta({ id: "Progress" });

export const attemptSchema = z
  .object({
    number: z.int(),
    outcome: z.enum(OUTCOMES),
    error: taskErrorSchema.nullable(),
    startedAt: instant,
    finishedAt: instant,
    late: z.object({ outcome: z.enum(OUTCOMES), at: instant }).optional(),
  })
  .meta({ id: "Attempt" });

/** The members that may be too large for the place where a task is shown. */
export const OMITTABLE = ["input", "result", "progress"] as const;

export type Omittable = (typeof OMITTABLE)[number];

export const taskSchema = z
  .object({
    id: z.string(),
    task: z.string(),
    state: z.enum(STATES),
    input: z.unknown(),
    result: z.unknown(),
    error: taskErrorSchema.nullable(),
    progress: progressSchema.nullable(),
    attempt: z.int(),
    maxAttempts: z.int(),
    attempts: z.array(attemptSchema).optional(),
    lane: z.string(),
    tags: z.record(z.string(), z.string()),
    parentId: z.string().nullable(),
    rootId: z.string(),
    flowId: z.string().nullable(),
    createdAt: instant,
    runAt: instant,
    startedAt: instant.nullable(),
    finishedAt: instant.nullable(),
    expiresAt: instant.nullable(),
    retainUntil: instant.nullable(),
    cancelRequestedAt: instant.nullable(),
    pausedAt: instant.optional().describe("Since when it is held back by hand; there only while it is"),
    waitingFor: z.unknown(),
    omitted: z
      .array(z.enum([...OMITTABLE, "error", "tags"]))
      .optional()
      .describe(
        "Members that are null or empty here, whatever the task has: too large for a list or a webhook, or hidden from this key. Read the task itself",
      ),
    traceparent: z.string().nullable(),
    links: z.object({ self: z.string(), events: z.string(), cancel: z.string() }),
  })
  .meta({ id: "Task" });

/** The same under another id, which the OpenAPI document replaces by a schema per task, with its input and its result. */
export const submittedTaskSchema = taskSchema.meta({ id: "SubmittedTask" });

export type TaskResource = z.output<typeof taskSchema>;
export type AttemptResource = z.output<typeof attemptSchema>;

export const taskListSchema = z
  .object({
    items: z.array(taskSchema),
    nextCursor: z.string().nullable(),
    count: z
      .object({ estimate: z.int(), isExact: z.boolean() })
      .optional()
      .describe("How many the filter finds, with `count=estimate`: counted, or estimated where they are many"),
  })
  .meta({ id: "TaskList" });

export type TaskList = z.output<typeof taskListSchema>;

export const bulkResultSchema = z
  .object({
    matched: z.int(),
    changed: z.int(),
    nextCursor: z
      .string()
      .optional()
      .describe("Only where more is left: the same request goes on with it as its `cursor`"),
  })
  .meta({ id: "BulkResult" });

export type BulkResult = z.output<typeof bulkResultSchema>;
