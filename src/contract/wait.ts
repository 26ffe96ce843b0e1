/** A task's wait for a signal. Instants are ISO 8601 UTC with milliseconds. */

import { z } from "zod";

const instant = z.iso.datetime();

export const signalWaitSchema = z
  .object({
    taskId: z.string(),
    task: z.string(),
    name: z.string().describe("Of the signal: `POST /v1/tasks/{taskId}/signals/{name}`"),
    schema: z.unknown().describe("The JSON Schema of its body; null where the wait has none"),
    since: instant,
    until: instant.nullable().describe("When the wait times out"),
  })
  .meta({ id: "SignalWait" });

export type SignalWait = z.output<typeof signalWaitSchema>;

export const signalWaitListSchema = z
  .object({ items: z.array(signalWaitSchema), nextCursor: z.string().nullable() })
  .meta({ id: "SignalWaitList" });
