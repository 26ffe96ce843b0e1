/** Flows: a graph of tasks as data, and the resource that tells how it stands. */

import { z } from "zod";
import { STATES } from "../core/states.ts";
import { durationSchema } from "../core/duration.ts";
import { instantSchema, optionsSchema } from "./submission.ts";
import { taskErrorSchema, taskSchema } from "./task.ts";

/** A reference inside an input: the value passed by a predecessor or a needed node, or a part of it. */
export const referenceSchema = z
  .strictObject({ $from: z.string(), path: z.string().optional() })
  .meta({ id: "Reference" });

const node = z.lazy((): z.ZodType => nodeSchema);

const nodes = [
  z.strictObject({ task: z.string(), input: z.unknown().optional(), options: optionsSchema.optional() }),
  z.strictObject({ chain: z.array(node).min(1) }),
  z.strictObject({ group: z.array(node) }),
  z.strictObject({ chord: z.strictObject({ header: z.array(node), body: node }) }),
  z.strictObject({
    map: z.strictObject({ task: z.string(), inputs: z.array(z.unknown()), options: optionsSchema.optional() }),
  }),
  z.strictObject({
    dag: z.record(
      z.string(),
      z.strictObject({
        node,
        needs: z.array(z.string()).optional(),
        onFailure: z.enum(["fail", "ignore"]).optional(),
      }),
    ),
  }),
] as const;

/** A graph. The compiler in `core/flows/compile.ts` checks it, with a pointer to every fault; this describes it. */
export const nodeSchema: z.ZodType = z.union(nodes).meta({ id: "FlowNode" });

/** When a whole flow must have ended: so many ms from now, or at an instant in ms since the epoch. */
export type Deadline = { after: number } | { at: number };

/** Takes a duration or an instant. */
export const deadlineSchema = z
  .union([z.number(), z.string()])
  .transform((given, ctx): Deadline => {
    const after = durationSchema(1).safeParse(given);
    if (after.success) return { after: after.data };
    const at = instantSchema.safeParse(given);
    if (at.success) return { at: at.data };
    ctx.addIssue('not a deadline: write a duration such as "2h", or an instant such as "2026-11-01T12:00:00Z"');
    return z.NEVER;
  })
  .meta({ description: "A duration from now, or an instant", examples: ["2h", "2026-11-01T12:00:00.000Z"] });

/** A graph as it is submitted. */
export const flowSubmissionSchema = z
  .union(nodes.map((each) => each.extend({ onError: node.optional(), deadline: deadlineSchema.optional() })))
  .meta({
    id: "FlowSubmission",
    description: "`onError` runs once when the flow fails, which it does when it has not ended by its `deadline`",
  });

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
    retainUntil: z.iso
      .datetime()
      .nullable()
      .meta({ description: "Until when it is kept, with all of its tasks: the longest of their retentions" }),
    cancelRequestedAt: z.iso.datetime().nullable(),
    deadline: z.iso.datetime().nullable(),
    links: z.object({ self: z.string(), events: z.string(), cancel: z.string() }),
  })
  .meta({ id: "Flow" });

/** A flow in a list, without what grows with its members. */
export const flowSummarySchema = flowSchema
  .omit({ result: true, error: true, counts: true, nodes: true, nextCursor: true })
  .meta({ id: "FlowSummary" });

export const flowListSchema = z
  .object({ items: z.array(flowSummarySchema), nextCursor: z.string().nullable() })
  .meta({ id: "FlowList" });

export type FlowList = z.output<typeof flowListSchema>;
export type FlowSummaryResource = z.output<typeof flowSummarySchema>;
export type FlowResource = z.output<typeof flowSchema>;
