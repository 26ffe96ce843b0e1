/** Chores of the clock that are not urgent, in one round trip: it removes old rows, folds counts and reads rows for the retention walk. */

import { forgetAudit } from "./audit.ts";
import { addForgetGroups, type GroupPlace } from "./error-groups.ts";
import { forgetBuckets } from "./limits/buckets.ts";
import { Batch, persist } from "./d1.ts";
import { forgetLimits } from "./limits/slots.ts";
import { forgetEmptyFlows } from "./flows/purge.ts";
import { forgetKeys, walkStatement, type Met } from "./purge-tasks.ts";
import { addDays, addFold, forgetRollups } from "./rollups.ts";
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
  /** Old hours, which become days. */
  days?: true | undefined;
  /** The first id of the audit log that is kept. */
  audit?: string | undefined;
  /** The last group of errors that was looked at. */
  errors?: GroupPlace | undefined;
  /** The last key of a limit, and of a bucket, that was looked at. */
  limits?: string | undefined;
  buckets?: string | undefined;
}

/** The last key of a stretch; no row where the table ends before that. */
const lastKey = (table: "limits" | "buckets") =>
  `SELECT key FROM ${table} WHERE key > ?1 ORDER BY key LIMIT 1 OFFSET ?2`;

/** The chores that are left, each with where it goes on, and the rows that the walk has met. */
export interface Done {
  left: Chores;
  met: Met[];
}

/** Does each of these chores for at most `chunk` rows, the walk for at most `rows`. All or nothing, and safe to repeat. */
export async function doChores(
  db: D1Database,
  chores: Chores,
  now: number,
  chunk: number,
  rows: number,
): Promise<Done> {
  const batch = new Batch(db);
  /** What is left of each chore once the batch has run. */
  const rests: (() => Chores)[] = [];
  const { walk, fold, keys, windows, flows, rollups, limits, buckets, audit, errors, days } = chores;
  const forget = (statement: D1PreparedStatement, rest: Chores) => {
    const forgotten = batch.changes(statement);
    rests.push(() => (forgotten() >= chunk ? rest : {}));
  };
  const sweep = (table: "limits" | "buckets", after: string, statement: D1PreparedStatement) => {
    const last = batch.first<{ key: string }>(db.prepare(lastKey(table)).bind(after, chunk - 1));
    batch.add(statement);
    rests.push(() => ({ [table]: last()?.key }));
  };
  const met = walk === undefined ? () => [] : batch.rows<Met>(walkStatement(db, walk, rows));
  if (fold) {
    const unfolded = addFold(batch, db, FOLDED);
    rests.push(() => (unfolded() ? { fold } : {}));
  }
  if (keys) forget(forgetKeys(db, now, chunk), { keys });
  if (windows) forget(forgetWindows(db, now, chunk), { windows });
  if (flows) forget(forgetEmptyFlows(db, now, chunk), { flows });
  if (rollups) forget(forgetRollups(db, now, chunk), { rollups });
  if (audit !== undefined) forget(forgetAudit(db, audit, chunk), { audit });
  if (days) {
    const isMore = addDays(batch, db, now, FOLDED);
    rests.push(() => (isMore() ? { days } : {}));
  }
  if (errors !== undefined) {
    const next = addForgetGroups(batch, db, now, errors, chunk);
    rests.push(() => ({ errors: next() }));
  }
  if (limits !== undefined) sweep("limits", limits, forgetLimits(db, limits, chunk));
  if (buckets !== undefined) sweep("buckets", buckets, forgetBuckets(db, now, buckets, chunk));
  await batch.run(persist);
  return { left: Object.assign({}, ...rests.map((rest) => rest())) as Chores, met: met() };
}

/** Minutes of tenants folded in one go: each may hold hundreds of counters. */
const FOLDED = 500;
