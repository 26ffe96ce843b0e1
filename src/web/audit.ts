/** `/v1/audit`: who changed what. The service's own key sees every tenant's entries, any other admin key its own tenant's. */

import { z } from "zod";
import { AUDIT_ACTIONS, auditListSchema, type AuditAction, type AuditEntry } from "../contract/audit.ts";
import { tenantSchema } from "../contract/key.ts";
import { instantSchema } from "../contract/submission.ts";
import { firstIdAt } from "../core/id-time.ts";
import { isAuditId } from "../engine/audit.ts";
import { LATEST_AUDIT, listAudit, type AuditRow } from "../results/audit.ts";
import { operation } from "./operation.ts";
import { cursorAfter, page, pageQuery, readCursor } from "./paging.ts";
import { refuse } from "./problem.ts";

export const listAuditOperation = operation({
  id: "listAudit",
  method: "get",
  path: "/v1/audit",
  tag: "operations",
  summary: "List who changed what, newest first",
  description:
    "One entry for each change that a call has made: none for a read, for a plain submit, or for a call that was refused or changed nothing. A verb on many has one entry with `changed` in its detail. The service's own key (`API_KEY`) sees the entries of every tenant, and may name one. Entries are kept for 90 days, or as long as the deployment's `AUDIT_RETENTION` says.",
  scope: "admin",
  query: z.strictObject({
    ...pageQuery,
    action: z.enum(AUDIT_ACTIONS).optional(),
    actor: z.string().max(100).optional().meta({ description: "The actor's id: that of a key, or `deployment`" }),
    target: z.string().max(300).optional().meta({ description: "The object's id or name" }),
    since: instantSchema.optional().meta({ description: "Not before this" }),
    until: instantSchema.optional().meta({ description: "Not after this" }),
    tenant: tenantSchema.optional(),
  }),
  answers: { 200: { description: "A page of entries", schema: auditListSchema, headers: ["Link"] } },
  problems: ["invalid-cursor"],
  async handle({ c, env, principal, query }) {
    const { cursor, limit = 50, since, until, tenant, ...filter } = query;
    if (tenant !== undefined && tenant !== principal.tenant && !principal.isServiceKey) {
      refuse("forbidden", "Only the service's own key may name another tenant.");
    }
    const last = until === undefined ? LATEST_AUDIT : firstIdAt("audit", until + 1);
    const after = readCursor(cursor, isAuditId) ?? LATEST_AUDIT;
    const { rows, next } = await listAudit(
      env.DB,
      {
        ...filter,
        tenant: tenant ?? (principal.isServiceKey ? null : principal.tenant),
        from: firstIdAt("audit", since ?? 0),
        before: after < last ? after : last,
      },
      limit,
    );
    return page(c, rows.map(present), next === null ? null : cursorAfter(next));
  },
});

function present({ actorKind, actorId, at, action, detail, ...row }: AuditRow): AuditEntry {
  return {
    id: row.id,
    at: new Date(at).toISOString(),
    tenant: row.tenant,
    actor: { kind: actorKind, id: actorId },
    action: action as AuditAction,
    target: row.target,
    detail: detail === null ? null : (JSON.parse(detail) as Record<string, unknown>),
    ip: row.ip,
  };
}
