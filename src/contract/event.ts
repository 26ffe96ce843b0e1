/** The events of a task, the same over JSON, server-sent events and WebSocket. */

import { z } from "zod";

export const EVENT_TYPES = ["state", "step", "progress", "log", "output", "signal", "done"] as const;

export const eventSchema = z
  .object({
    /** Strictly increasing over the whole life of a task or flow, and never given to another event; the SSE `id`. */
    seq: z.int().meta({
      description:
        "Grows over the whole life of the task or flow, its retries included. A number stands for one event for ever; some are left out.",
    }),
    type: z.enum(EVENT_TYPES),
    at: z.iso.datetime(),
    data: z.unknown(),
  })
  .meta({ id: "Event" });

export type TaskEvent = z.output<typeof eventSchema>;

export const eventListSchema = z.object({ items: z.array(eventSchema) }).meta({ id: "EventList" });
