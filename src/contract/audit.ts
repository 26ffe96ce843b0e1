/** The audit log: what an entry tells. Instants are ISO 8601 UTC with milliseconds. */

import { z } from "zod";

/** The name of every change that the API can make: the kind of object, and what is done to it. */
export const AUDIT_ACTIONS = [
  "task.cancel",
  "task.retry",
  "task.delete",
  "task.signal",
  "task.change",
  "task.run-now",
  "task.pause",
  "task.resume",
  "tasks.cancel",
  "tasks.retry",
  "tasks.delete",
  "flow.cancel",
  "flow.retry",
  "flow.delete",
  "schedule.put",
  "schedule.delete",
  "schedule.pause",
  "schedule.resume",
  "schedule.run",
  "lane.pause",
  "lane.drain",
  "lane.resume",
  "error.resolve",
  "error.ignore",
  "limit.put",
  "limit.delete",
  "key.create",
  "key.revoke",
  "link-key.rotate",
  "webhook.create",
  "webhook.change",
  "webhook.delete",
  "webhook.rotate",
  "webhook.test",
  "webhook.replay",
] as const;

export type AuditAction = (typeof AUDIT_ACTIONS)[number];

const auditEntrySchema = z
  .object({
    id: z.string(),
    at: z.iso.datetime(),
    tenant: z.string().describe("The tenant that the object belongs to"),
    actor: z.object({
      kind: z.enum(["key", "link", "system"]),
      id: z
        .string()
        .nullable()
        .describe(
          "Of a key, `deployment` for the service's own; of a link, its own name; of the system, the part of it",
        ),
    }),
    action: z.enum(AUDIT_ACTIONS),
    target: z.string().nullable().describe("The id or the name of the object; null for verbs on many"),
    detail: z
      .record(z.string(), z.unknown())
      .nullable()
      .describe("What else is known of the change; nothing that is secret"),
    ip: z.string().nullable().describe("The caller's address, where the platform tells it"),
  })
  .meta({ id: "AuditEntry" });

export type AuditEntry = z.output<typeof auditEntrySchema>;

export const auditListSchema = z
  .object({ items: z.array(auditEntrySchema), nextCursor: z.string().nullable() })
  .meta({ id: "AuditList" });
