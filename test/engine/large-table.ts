/** A large table of ended tasks, among which a few are to be found. Filled inside D1, so that a million rows take seconds. */

const ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz";

/** SQL of the id of the row `n` that is made at `at`; both are SQL of integers. */
const idOf = (at: string, n: string) =>
  `'task_' || ${Array.from({ length: 10 }, (_, i) => `substr('${ALPHABET}', 1 + ((${at} >> ${45 - 5 * i}) & 31), 1)`).join(" || ")}
   || printf('%016d', ${n})`;

/** Every so many rows there is one of these kinds, so that there are ten of each. */
const isOf = { bad: "n % ?4 = 7", other: "n % ?4 = 11", live: "n % ?4 = 13" } as const;

const FILL = `
WITH RECURSIVE rows (n) AS (SELECT ?1 UNION ALL SELECT n + 1 FROM rows WHERE n + 1 < ?2)
INSERT INTO tasks (id, tenant, task, lane, state, max_attempts, due_at, created_at, run_at, started_at, finished_at, retention_ms,
  attempt, options, tags, history, input, result)
SELECT ${idOf("(?3 + n)", "n")}, iif(${isOf.other}, 'other', 'default'), iif(${isOf.bad}, 'test.fail', 'test.noop'),
  iif(${isOf.bad}, 'bulk', 'default'),
  CASE WHEN ${isOf.bad} THEN 'failed' WHEN ${isOf.live} THEN 'scheduled' ELSE 'succeeded' END, 3,
  iif(${isOf.live}, 4000000000000, NULL), ?3 + n, iif(${isOf.live}, 4000000000000, ?3 + n), iif(${isOf.live}, NULL, ?3 + n),
  iif(${isOf.live}, NULL, ?3 + n), 604800000, 1, '{}', iif(${isOf.bad}, '{"plot":"rare"}', '{}'),
  '[{"number":1,"outcome":"succeeded","error":null,"startedAt":1700000000000,"finishedAt":1700000000000,"to":"succeeded","run":1}]',
  '{"name":"herb garden"}', 'null'
FROM rows`;

/** Rows that one statement inserts. */
const CHUNK = 50_000;

/**
 * Fills the table with `count` tasks, one for each millisecond from `since` on, that have succeeded and are the default tenant's; but for
 * ten that have failed, on a lane of their own and with a tag, ten that are scheduled for the year 2096, and ten of the tenant `other`.
 */
export async function fillTable(db: D1Database, count: number, since: number): Promise<void> {
  for (let from = 0; from < count; from += CHUNK) {
    await db
      .prepare(FILL)
      .bind(from, Math.min(count, from + CHUNK), since, count / 10)
      .run();
  }
}

/** One task that is made at `madeAt` under an id of the time `idAt`, as a child of a task of that time is. */
export async function addChild(db: D1Database, n: number, idAt: number, madeAt: number): Promise<void> {
  await db
    .prepare(
      `INSERT INTO tasks (id, tenant, task, lane, state, max_attempts, created_at, run_at, retention_ms, tags, node)
       SELECT ${idOf("?1", "?2")}, 'default', 'test.noop', 'default', 'succeeded', 3, ?3, ?3, 604800000, '{}',
         jsonb('{"wakes":"task_01"}')`,
    )
    .bind(idAt, n, madeAt)
    .run();
}
