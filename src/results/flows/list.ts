/** Lists a tenant's flows, newest first. A statement looks at a bounded number of them, and the next one goes on behind. */

import { firstIdAt, ID_SLACK_MS } from "../../core/id-time.ts";
import { persistOr503 } from "../d1.ts";
import type { FlowRow, FlowState } from "./flows.ts";

/** Instants are ms since the epoch, exclusive. */
export interface FlowFilter {
  tenant: string;
  states?: readonly FlowState[] | undefined;
  createdAfter?: number | undefined;
  createdBefore?: number | undefined;
  finishedAfter?: number | undefined;
  finishedBefore?: number | undefined;
}

/** A flow without what grows with its members. */
export type FlowSummary = Omit<FlowRow, "tenant" | "result" | "overdue">;

/** Flows of all tenants that are looked at for one page, along their ids: an index would cost a written row for each flow. */
const MOST = 4_500;

/** After every id of a flow. */
const NEWEST = "flow_z";

const FIND = `
SELECT COUNT(*) AS looked, MIN(id) AS last, json_group_array(json_object('id', id, 'state', state, 'createdAt', created_at,
  'finishedAt', finished_at, 'cancelRequestedAt', cancel_requested_at, 'deadline', deadline, 'retainUntil', retain_until)) FILTER (
    WHERE tenant = ?3 AND instr(?4, '|' || state || '|') AND created_at > ?5 AND created_at < ?6
      AND (?7 IS NULL OR finished_at > ?7) AND (?8 IS NULL OR finished_at < ?8)) AS found
FROM (SELECT id, tenant, state, created_at, finished_at, cancel_requested_at, deadline, retain_until FROM flows
  WHERE id < ?1 AND id >= ?2 ORDER BY id DESC LIMIT ?9)`;

const ALL: readonly FlowState[] = ["running", "succeeded", "failed", "cancelled"];

/** A page of up to `limit` of the flows before `cursor` (an id), and the last id that was looked at; null where there are no more. */
export async function listFlows(
  db: D1Database,
  filter: FlowFilter,
  cursor: string | null,
  limit: number,
): Promise<{ items: FlowSummary[]; next: string | null }> {
  const { tenant, states = ALL, createdAfter, createdBefore, finishedAfter, finishedBefore } = filter;
  const oldest = createdAfter === undefined ? "" : firstIdAt("flow", createdAfter - ID_SLACK_MS);
  // A flow that ended before a time was created before it.
  const latest = Math.min(createdBefore ?? Infinity, finishedBefore ?? Infinity);
  const newest = latest === Infinity ? NEWEST : firstIdAt("flow", latest + ID_SLACK_MS);
  const conditions = [
    tenant,
    `|${states.join("|")}|`,
    createdAfter ?? -1,
    createdBefore ?? Number.MAX_SAFE_INTEGER,
    finishedAfter ?? null,
    finishedBefore ?? null,
  ];
  const items: FlowSummary[] = [];
  let before = cursor !== null && cursor < newest ? cursor : newest;
  let left = MOST;
  // Where most flows match, a few are enough.
  for (let size = 2 * (limit + 1); left > 0; size = left) {
    const stretch = Math.min(size, left);
    const find = db.prepare(FIND).bind(before, oldest, ...conditions, stretch);
    const row = await persistOr503(() => find.first<{ looked: number; last: string | null; found: string }>());
    const { looked, last, found } = row!;
    items.push(...(JSON.parse(found) as FlowSummary[]).toSorted((a, b) => (a.id < b.id ? 1 : -1)));
    if (items.length > limit) return { items: items.slice(0, limit), next: items[limit - 1]!.id };
    if (looked < stretch || last === null) return { items, next: null };
    before = last;
    left -= looked;
  }
  return { items, next: before };
}
