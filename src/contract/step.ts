/** The journal of a durable task, as readers see it. Instants are ISO 8601 UTC with milliseconds. */

import { z } from "zod";
import { STEP_KINDS, type StepPhase } from "../core/journal.ts";
import { taskErrorSchema } from "./task.ts";

const instant = z.iso.datetime();

export const stepSchema = z
  .object({
    name: z
      .string()
      .describe(
        "As the handler gave it, with `#n` for the nth of its name from the second on. A sleep is called `sleep`, a child by its task",
      ),
    kind: z.enum(STEP_KINDS),
    startedAt: instant.nullable().describe("Null where an older release wrote it"),
    finishedAt: instant.nullable().describe("Null while it is not over, or where its attempt was cut off"),
    attempt: z.int().describe("The attempt that did it last"),
    error: taskErrorSchema.nullable(),
    until: instant.nullable().describe("When a sleep ends, or a wait for a signal times out"),
    taskIds: z.array(z.string()).optional().describe("The children; of more than a hundred the first hundred"),
    undoneAt: instant.nullable().optional(),
    undoError: taskErrorSchema.nullable().optional().describe("Why it could not be undone"),
  })
  .meta({ id: "Step" });

export type StepResource = z.output<typeof stepSchema>;

/** The data of an event `step`. */
export type StepEventData = StepResource & { phase: StepPhase };

export const stepListSchema = z
  .object({ items: z.array(stepSchema), nextCursor: z.string().nullable() })
  .meta({ id: "StepList" });
