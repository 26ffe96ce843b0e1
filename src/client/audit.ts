/** The client's verb on the audit log. It needs the scope `admin`. */

import type { AuditAction, AuditEntry } from "../contract/audit.ts";
import type { Connection } from "./connection.ts";
import type { Pages } from "./pages.ts";
import { resource, type ListOptions } from "./resource.ts";

export interface AuditQuery extends ListOptions {
  action?: AuditAction;
  /** The actor's id: that of a key, or `deployment`. */
  actor?: string;
  /** The object's id or name. */
  target?: string;
  since?: Date;
  until?: Date;
  /** For the service's own key, which sees every tenant's entries unless it names one. */
  tenant?: string;
}

export interface AuditVerbs {
  /**
   * Lists who changed what, newest first.
   *
   * @example
   * for await (const { at, actor, action, target } of client.audit.list({ action: "key.revoke" })) {
   *   console.log(at, actor.id, action, target);
   * }
   */
  list(query?: AuditQuery): Pages<AuditEntry>;
}

export function auditVerbs(connection: Connection): AuditVerbs {
  const { list } = resource(connection, "/v1/audit");
  return {
    list: ({ action, actor, target, since, until, tenant, ...options } = {}) =>
      list([], {
        ...options,
        query: { action, actor, target, tenant, since: since?.toISOString(), until: until?.toISOString() },
      }),
  };
}
