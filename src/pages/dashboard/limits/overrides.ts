/** Who has set limits in place of the code, and when: from the audit log, which keys with `admin` read. */

import type { AuditEntry } from "../../../contract/audit.ts";
import { usePolled } from "../polled.ts";
import { client, may } from "../session.ts";

/** The latest changes that are looked at; an older one is in the audit log. */
const LOOKED = 100;
const EVERY_MS = 30_000;

/** By the ids of the limits; empty where the key may not know, or none of them is overridden. */
export function useOverrides(isAny: boolean): ReadonlyMap<string, AuditEntry> {
  const read = usePolled(
    `overrides ${isAny}`,
    async (signal) =>
      isAny && may("admin")
        ? (await client().audit.list({ action: "limit.put", limit: LOOKED, signal }).page()).items
        : [],
    EVERY_MS,
  );
  // The newest first: an older entry does not replace it.
  const latest = new Map<string, AuditEntry>();
  for (const entry of read.data ?? []) {
    if (entry.target !== null && !latest.has(entry.target)) latest.set(entry.target, entry);
  }
  return latest;
}
