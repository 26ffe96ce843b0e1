/** What the clock does now and then and is not urgent, in one round trip: forgetting, folding counts, the retention walk's look. */

import { forgetAudit } from "./audit.ts";
import { forgetBuckets } from "./limits/buckets.ts";
import { persist, rowsOf } from "./d1.ts";
import { forgetLimits } from "./limits/slots.ts";
import { forgetEmptyFlows } from "./flows/purge.ts";
import { forgetKeys, walkStatement, type Met } from "./purge-tasks.ts";
import { foldStatements, forgetRollups } from "./rollups.ts";
import { forgetWindows } from "./shared-tasks.ts";

/** Where each chore goes on; undefined: it is not to be done, or is done. */
export interface Chores {
  /** The last id that the retention walk has dealt with. */
  walk?: string | undefined;
  fold?: true | undefined;
  /** Idempotency keys. */
  keys?: true | undefined;
  windows?: true | undefined;
  /** Flows without tasks. */
  flows?: true | undefined;
  rollups?: true | undefined;
  /** The first id of the audit log that is kept. */
  audit?: string | undefined;
  /** The last key of a limit, and of a bucket, that was looked at. */
  limits?: string | undefined;
  buckets?: string | undefined;
}

/** The end of a stretch of keys; none where the table ends in it. */
const lastKey = (table: "limits" | "buckets") =>
  `SELECT key FROM ${table} WHERE key > ?1 ORDER BY key LIMIT 1 OFFSET ?2`;

/** What of these is left, each where it goes on, and the rows that the walk has met. */
export interface Done {
  left: Chores;
  met: Met[];
}

/** Does each of these for at most `chunk` rows, the walk for at most `rows`. All or nothing, and safe to repeat. */
export async function doChores(
  db: D1Database,
  chores: Chores,
  now: number,
  chunk: number,
  rows: number,
): Promise<Done> {
  const statements: D1PreparedStatement[] = [];
  const left: Chores = {};
  const met: Met[] = [];
  const readers: ((results: D1Result[]) => void)[] = [];
  const add = (own: D1PreparedStatement[], read: (results: D1Result[]) => void) => {
    const from = statements.length;
    statements.push(...own);
    readers.push((results) => read(results.slice(from, from + own.length)));
  };
  const forget = (chore: "keys" | "windows" | "flows" | "rollups", statement: D1PreparedStatement) =>
    add([statement], ([result]) => {
      if (result!.meta.changes >= chunk) left[chore] = true;
    });
  const sweep = (table: "limits" | "buckets", after: string, statement: D1PreparedStatement) =>
    add([db.prepare(lastKey(table)).bind(after, chunk - 1), statement], (results) => {
      left[table] = rowsOf<{ key: string }>(results, 0)[0]?.key;
    });
  const { walk, limits, buckets, audit } = chores;
  if (walk !== undefined) add([walkStatement(db, walk, rows)], (results) => met.push(...rowsOf<Met>(results, 0)));
  if (chores.fold) {
    add(foldStatements(db, FOLDED), (results) => {
      if (rowsOf(results, results.length - 1).length > 0) left.fold = true;
    });
  }
  if (chores.keys) forget("keys", forgetKeys(db, now, chunk));
  if (chores.windows) forget("windows", forgetWindows(db, now, chunk));
  if (chores.flows) forget("flows", forgetEmptyFlows(db, now, chunk));
  if (chores.rollups) forget("rollups", forgetRollups(db, now, chunk));
  if (audit !== undefined) {
    add([forgetAudit(db, audit, chunk)], ([result]) => {
      if (result!.meta.changes >= chunk) left.audit = audit;
    });
  }
  if (limits !== undefined) sweep("limits", limits, forgetLimits(db, limits, chunk));
  if (buckets !== undefined) sweep("buckets", buckets, forgetBuckets(db, now, buckets, chunk));
  const results = await persist(() => db.batch(statements));
  for (const read of readers) read(results);
  return { left, met };
}

/** Minutes of tenants folded in one go: each may hold hundreds of counters. */
const FOLDED = 500;
