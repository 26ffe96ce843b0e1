/** Entries of the audit log, before they are stored, and how long they are kept. */

import { log } from "../core/log.ts";
import type { AuditAction } from "../contract/audit.ts";
import { durationMs } from "../core/duration.ts";
import { firstIdAt } from "../core/id-time.ts";
import type { Audit } from "../results/audit.ts";
import { newIdAt } from "./ids.ts";

const AUDIT_ID = /^audit_[0-7][0-9a-hjkmnp-tv-z]{25}$/;

const DEFAULT_RETENTION_MS = 90 * 86_400_000;

/** Who acts, and from where. */
export interface Actor {
  kind: Audit["actorKind"];
  id: string | null;
  ip: string | null;
}

/** The actor of what the deployment itself does, at its start and by its rules. */
export function systemActor(part: string): Actor {
  return { kind: "system", id: part, ip: null };
}

/** What is changed. */
export interface Changed {
  tenant: string;
  target: string | null;
  detail?: Record<string, unknown>;
  /** The change is made in parts, and the log's entry gets the number of things that they change. */
  isCounted?: boolean;
}

/** `now`: ms since the epoch. */
export function auditOf(actor: Actor, action: AuditAction, changed: Changed, now: number): Audit {
  const { tenant, target, detail = null, isCounted = false } = changed;
  const { kind, id, ip } = actor;
  // The log is read by the times in its ids, so an id must hold the time of its entry.
  const entry = newIdAt("audit", now);
  return { id: entry, tenant, at: now, actorKind: kind, actorId: id, action, target, detail, ip, isCounted };
}

export function isAuditId(text: string): boolean {
  return AUDIT_ID.test(text);
}

/** The first id that is still kept at `now`. `AUDIT_RETENTION` is a duration such as `"90d"`, which is the default. */
export function firstKeptAudit({ AUDIT_RETENTION }: Pick<Env, "AUDIT_RETENTION">, now: number): string {
  return firstIdAt("audit", now - retentionOf(AUDIT_RETENTION));
}

function retentionOf(text: string | undefined): number {
  if (!text) return DEFAULT_RETENTION_MS;
  try {
    return durationMs(text);
  } catch {
    log("audit_retention_not_read", { text });
    return DEFAULT_RETENTION_MS;
  }
}
