/** Counts what tenants use, in stretches: tasks that have not ended through the indexes that hold them, bytes through the tables. */

import { LIVE_STATES, sqlStates } from "../core/states.ts";
import type { Use } from "../core/quotas.ts";
import { Batch, persist } from "./d1.ts";
import type { TenantUse } from "./usage.ts";

/** Rows that one statement looks at; each may lead to a row of another table. */
const STRETCH = 1_500;

// Lengths are read from a row's header, so a large value costs no more than a small one.
const bytesOf = (...columns: string[]) => columns.map((each) => `COALESCE(octet_length(${each}), 0)`).join(" + ");

/** Each is SQL of the rows after the place `?1` (a JSON array), in order. */
const WALKS = {
  rows: `
SELECT tenant, 0 AS tasks, ${bytesOf("input", "result", "sealed", "sealed_result", "error", "history", "options", "progress")} AS bytes,
  signals, json_array(id) AS place
FROM tasks WHERE id > COALESCE(?1->>0, '') ORDER BY id`,
  payloads: `
SELECT tasks.tenant, 0 AS tasks, octet_length(payloads.body) AS bytes, 0 AS signals, json_array(payloads.task_id, payloads.kind) AS place
FROM payloads CROSS JOIN tasks ON tasks.id = payloads.task_id
WHERE (payloads.task_id, payloads.kind) > (COALESCE(?1->>0, ''), COALESCE(?1->>1, '')) ORDER BY payloads.task_id, payloads.kind`,
  signals: `
SELECT tasks.tenant, 0 AS tasks, octet_length(signals.body) AS bytes, 0 AS signals, json_array(signals.task_id, signals.seq) AS place
FROM signals CROSS JOIN tasks ON tasks.id = signals.task_id
WHERE (signals.task_id, signals.seq) > (COALESCE(?1->>0, ''), COALESCE(?1->>1, 0)) ORDER BY signals.task_id, signals.seq`,
  flows: `
SELECT tenant, 0 AS tasks, ${bytesOf("ids", "sources", "result", "on_error")} AS bytes, 0 AS signals, json_array(id) AS place
FROM flows WHERE id > COALESCE(?1->>0, '') ORDER BY id`,
  // A task that has not ended has a timer or waits without one, so these two indexes find it without a walk over all ended ones.
  timed: `
SELECT tenant, state IN ${sqlStates(LIVE_STATES)} AS tasks, 0 AS bytes, 0 AS signals, json_array(due_at, id) AS place
FROM tasks INDEXED BY tasks_due
WHERE due_at IS NOT NULL AND (due_at, id) > (COALESCE(?1->>0, -1), COALESCE(?1->>1, '')) ORDER BY due_at, id`,
  untimed: `
SELECT tenant, 1 AS tasks, 0 AS bytes, 0 AS signals, json_array(tenant, task, lane, id) AS place FROM tasks INDEXED BY tasks_waiting
WHERE state = 'waiting' AND due_at IS NULL
  AND (tenant, task, lane, id) > (COALESCE(?1->>0, ''), COALESCE(?1->>1, ''), COALESCE(?1->>2, ''), COALESCE(?1->>3, ''))
ORDER BY tenant, task, lane, id`,
} as const;

export type Walk = keyof typeof WALKS;

/** Tasks come and end fast, so they are counted last, shortly before the count is stored. */
export const WALKS_IN_TURN: readonly (readonly Walk[])[] = [
  ["rows", "payloads", "signals", "flows"],
  ["timed", "untimed"],
];

/** Where each walk goes on: a JSON array. */
export type Places = Partial<Record<Walk, string>>;

/** Adds a stretch of each of these walks to `counted`, in one round trip; answers the places of the walks that are not complete. */
export async function countStretch(db: D1Database, places: Places, counted: Map<string, Use>): Promise<Places> {
  const walks = Object.entries(places) as [Walk, string][];
  const batch = new Batch(db);
  const stretches = walks.map(([walk, place]) => ({
    walk,
    uses: batch.rows<TenantUse & { next: string | null }>(db.prepare(stretchOf(WALKS[walk])).bind(place)),
  }));
  await batch.run(persist);
  const left: Places = {};
  for (const { walk, uses } of stretches) {
    for (const { tenant, tasks, bytes, signals, next } of uses()) {
      const own = counted.get(tenant) ?? { tasks: 0, bytes: 0, signals: 0 };
      counted.set(tenant, { tasks: own.tasks + tasks, bytes: own.bytes + bytes, signals: own.signals + signals });
      if (next !== null) left[walk] = next;
    }
  }
  return left;
}

function stretchOf(walk: string): string {
  return `
WITH looked AS MATERIALIZED (${walk} LIMIT ${STRETCH})
SELECT tenant, SUM(tasks) AS tasks, SUM(bytes) AS bytes, SUM(signals) AS signals,
  (SELECT place FROM looked LIMIT 1 OFFSET ${STRETCH - 1}) AS next
FROM looked GROUP BY tenant`;
}
