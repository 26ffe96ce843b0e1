/** How many tasks a filter finds: counted as far as one statement can look, and estimated beyond that. */

import { estimateOver, sampleTimes, type Sample } from "../core/count-estimate.ts";
import { firstIdAt, idTime } from "../core/id-time.ts";
import { Batch, persistOr503 } from "./d1.ts";
import { countMatches } from "./list-tasks.ts";
import { conditionOf, placeOf, type TaskFilter } from "./task-filter.ts";

/** Tasks that are counted; samples of the rest, and tasks that each of them looks at. Few enough to be read in one call with a page. */
const COUNTED = 700;
const SAMPLES = 4;
const SAMPLE = 400;

/** `isExact`: no sample was needed. */
export interface CountEstimate {
  estimate: number;
  isExact: boolean;
}

interface Looked {
  looked: number;
  found: number;
  last: string | null;
}

export async function estimateCount(db: D1Database, filter: TaskFilter): Promise<CountEstimate> {
  const place = await placeOf(db, filter, COUNTED);
  const { found, next } = await countMatches(db, filter, null, 1, COUNTED, place);
  if (next === null) return { estimate: found, isExact: true };
  const rest = place(next);
  // The filter names more ids than are looked at; what was found among the first is a lower bound.
  if (rest.last !== undefined) return { estimate: found, isExact: false };
  const oldest = await persistOr503(() =>
    db
      .prepare(`SELECT id FROM tasks WHERE ${rest.sql} ORDER BY id LIMIT 1`)
      .bind(...rest.values)
      .first<string>("id"),
  );
  if (oldest === null) return { estimate: found, isExact: true };
  const [from, to] = [idTime(oldest), idTime(next)];
  const times = sampleTimes(from, to, SAMPLES);
  const condition = conditionOf(filter);
  const batch = new Batch(db);
  const looks = times.map((time) => {
    const window = place(firstIdAt("task", time));
    const sql = `SELECT COUNT(*) AS looked, COUNT(*) FILTER (WHERE hit) AS found, MIN(id) AS last FROM (
      SELECT id, ${condition.sql} AS hit FROM tasks WHERE ${window.sql} ORDER BY id DESC LIMIT ${SAMPLE})`;
    return batch.first<Looked>(db.prepare(sql).bind(...condition.values, ...window.values));
  });
  await batch.run(persistOr503);
  const samples = times.flatMap((time, i): Sample[] => {
    const { looked, found: hits, last } = looks[i]!()!;
    if (last === null) return [];
    return [{ found: hits, spanMs: time - (looked < SAMPLE ? from : idTime(last)) }];
  });
  return { estimate: found + estimateOver(to - from, samples), isExact: false };
}
