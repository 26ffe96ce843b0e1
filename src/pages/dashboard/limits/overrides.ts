/** Who has overridden the code's limits, and when: from the audit log, which only keys with `admin` may read. */

import type { AuditEntry } from "../../../contract/audit.ts";
import { usePolled } from "../polled.ts";
import { client, may } from "../session.ts";

/** The most changes that are read, the latest; older ones are in the audit log. */
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
