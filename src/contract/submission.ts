/** What a client sends to have a task run. */

import { z } from "zod";
import { durationSchema } from "../core/duration.ts";
import { LANES, MAX_ATTEMPTS, MAX_BATCH, MAX_TIMEOUT_MS, MAX_RETENTION_MS, MIN_RETENTION_MS } from "../core/bounds.ts";
import { retrySchema } from "../core/retry.ts";
import { taskWebhookSchema } from "./webhook.ts";

/** An instant on the wire; parses to ms since the epoch. */
export const instantSchema = z.iso.datetime({ offset: true }).transform((text) => Date.parse(text));

const TAG_NAME = /^[a-z0-9_.-]{1,40}$/;

// A record would silently leave out a member of this name.
const UNSEEN = "__proto__";

/** Tags of one task, and of one filter. */
export const MAX_TAGS = 16;

export const tagsSchema = z.preprocess(
  (tags: Record<string, string>, check) => {
    if (typeof tags !== "object" || tags === null || Array.isArray(tags)) return tags;
    if (Object.hasOwn(tags, UNSEEN)) {
      check.addIssue({ code: "custom", path: [UNSEEN], message: "no tag may have this name" });
    }
    // Checked before the tags themselves: a body has room for 100,000.
    if (Object.keys(tags).length > MAX_TAGS) check.addIssue({ code: "custom", message: `at most ${MAX_TAGS} tags` });
    return tags;
  },
  z.record(z.string().regex(TAG_NAME, "a tag's name is 1 to 40 of a-z, 0-9, _, . and -"), z.string().max(200)),
);

/** How this run differs from what the task's definition says. Durations parse to ms, instants to ms since the epoch. */
export const optionsSchema = z
  .strictObject({
    delay: durationSchema().optional(),
    runAt: instantSchema.optional(),
    expiresIn: durationSchema(1).optional(),
    expiresAt: instantSchema.optional(),
    lane: z.enum(LANES).optional(),
    tags: tagsSchema.optional(),
    maxAttempts: z.int().min(1).max(MAX_ATTEMPTS).optional(),
    timeout: durationSchema(1, MAX_TIMEOUT_MS).optional(),
    softTimeout: durationSchema(1, MAX_TIMEOUT_MS).optional(),
    retention: durationSchema(MIN_RETENTION_MS, MAX_RETENTION_MS).optional(),
    retry: retrySchema.optional(),
    concurrency: z.strictObject({ key: z.string().min(1).max(200), limit: z.int().min(1).max(10_000) }).optional(),
    debounce: z
      .strictObject({
        key: z.string().min(1).max(200),
        wait: durationSchema(1),
        maxWait: durationSchema(1).optional(),
      })
      .optional(),
    throttle: z.strictObject({ key: z.string().min(1).max(200), per: durationSchema(1) }).optional(),
    webhook: taskWebhookSchema.optional(),
  })
  .meta({ id: "TaskOptions" });

/** `input` may be left out where the task's schema takes nothing. */
export const submissionSchema = z
  .strictObject({
    task: z.string().min(1).max(100),
    input: z.unknown().optional(),
    options: optionsSchema.optional(),
  })
  .meta({ id: "Submission" });

/** Items are checked one by one, so that the valid ones are accepted beside an invalid one. */
export const batchSchema = z
  .strictObject({
    tasks: z
      .array(z.unknown().meta({ id: "BatchItem" }))
      .min(1)
      .max(MAX_BATCH),
  })
  .meta({ id: "BatchSubmission" });

export type Submission = z.output<typeof submissionSchema>;
export type SubmissionInput = z.input<typeof submissionSchema>;
export type OptionsInput = z.input<typeof optionsSchema>;
