/** Counts a tenant's rows in small tables, no further than its quota. */

import { persistOr503 } from "./d1.ts";

const OWNED = {
  schedules: "SELECT 1 FROM schedules WHERE tenant = ?1",
  keys: `SELECT 1 FROM keys WHERE tenant = ?1 AND revoked_at IS NULL AND expires_at IS NULL
    UNION ALL SELECT 1 FROM keys WHERE tenant = ?1 AND revoked_at IS NULL AND expires_at > ?3`,
} as const;

export async function countOwned(
  db: D1Database,
  what: keyof typeof OWNED,
  tenant: string,
  max: number,
  now: number,
): Promise<number> {
  const sql = `SELECT COUNT(*) AS found, ?3 AS now FROM (${OWNED[what]} LIMIT ?2)`;
  return (await persistOr503(() => db.prepare(sql).bind(tenant, max, now).first<number>("found"))) ?? 0;
}
