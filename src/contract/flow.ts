/** Flows: a graph of tasks as data, and the resource that tells how it stands. */

import { z } from "zod";
import { STATES } from "../core/states.ts";
import { optionsSchema } from "./submission.ts";
import { taskErrorSchema, taskSchema } from "./task.ts";

/** A reference inside an input: the value passed by a predecessor or a needed node, or a part of it. */
export const referenceSchema = z
  .strictObject({ $from: z.string(), path: z.string().optional() })
  .meta({ id: "Reference" });

/** A graph. The compiler in `core/flow.ts` checks it, with a pointer to every fault; this describes it. */
export const nodeSchema: z.ZodType = z
  .union([
    z.strictObject({ task: z.string(), input: z.unknown().optional(), options: optionsSchema.optional() }),
    z.strictObject({ chain: z.array(z.lazy(() => nodeSchema)).min(1) }),
    z.strictObject({ group: z.array(z.lazy(() => nodeSchema)) }),
    z.strictObject({
      chord: z.strictObject({ header: z.array(z.lazy(() => nodeSchema)), body: z.lazy(() => nodeSchema) }),
    }),
    z.strictObject({
      map: z.strictObject({ task: z.string(), inputs: z.array(z.unknown()), options: optionsSchema.optional() }),
    }),
    z.strictObject({
      dag: z.record(
        z.string(),
        z.strictObject({
          node: z.lazy(() => nodeSchema),
          needs: z.array(z.string()).optional(),
          onFailure: z.enum(["fail", "ignore"]).optional(),
        }),
      ),
    }),
  ])
  .meta({ id: "FlowNode" });

export const FLOW_STATES = ["running", "succeeded", "failed", "cancelled"] as const;

export const flowSchema = z
  .object({
    id: z.string(),
    state: z.enum(FLOW_STATES),
    result: z.unknown(),
    error: taskErrorSchema.nullable(),
    counts: z.partialRecord(z.enum(STATES), z.int()),
    nodes: z.array(z.object({ key: z.string(), needs: z.array(z.string()), task: taskSchema })),
    nextCursor: z.string().nullable(),
    createdAt: z.iso.datetime(),
    finishedAt: z.iso.datetime().nullable(),
    cancelRequestedAt: z.iso.datetime().nullable(),
    links: z.object({ self: z.string(), events: z.string(), cancel: z.string() }),
  })
  .meta({ id: "Flow" });

export type FlowResource = z.output<typeof flowSchema>;
