/** Tasks that wait for next year, and those that nap, cost the tasks of today nothing: no statement of theirs reads more rows. */
import { env } from "cloudflare:workers";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { AssembledWorker } from "./assembled-worker.ts";
import { isOfSums } from "./isolate-sums.ts";
import { jumpTo, passTime, realTime } from "./passing-time.ts";

const SCHEDULED = 20_000;
const NAPPING = 5_000;
/** As many as an event claims at once, whether or not those before them were quick. */
const TASKS = 24;

/** What is left to chance: where a page of the index ends. */
const SLACK = 20;

let isCounting = false;
const read = new Map<string, number>();

const service = new AssembledWorker({
  database: (execute) => async (statements) => {
    const results = await execute(statements);
    for (const [i, { meta }] of results.entries()) {
      const sql = statements[i]!.sql;
      // The sums of what has ended grow with what has ended.
      if (isCounting && !isOfSums(sql)) read.set(sql, (read.get(sql) ?? 0) + meta.rows_read);
    }
    return results;
  },
});

beforeAll(passTime);
afterAll(realTime);

async function submit(options: object, count: number, task = "test.noop", input: unknown = null): Promise<string[]> {
  const tasks = Array.from({ length: count }, () => ({ task, input, options }));
  const response = await service.fetch("/v1/tasks/batch", { body: { tasks } });
  const { items } = await response.json<{ items: { task: { id: string } }[] }>();
  return items.map((item) => item.task.id);
}

const stateOf = (id: string) => env.DB.prepare("SELECT state FROM tasks WHERE id = ?1").bind(id).first<string>("state");

/** Copies of a task as it stands, the real one with them. */
async function multiply(id: string, count: number): Promise<void> {
  const { results } = await env.DB.prepare("SELECT name FROM pragma_table_info('tasks') WHERE name <> 'id'").all();
  const names = results.map((row) => String(row["name"])).join(", ");
  await env.DB.prepare(
    `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)
     INSERT INTO tasks (id, ${names}) SELECT tasks.id || '-' || i, ${names} FROM n, tasks WHERE id = ?2`,
  )
    .bind(count, id)
    .run();
}

/** Rows read by each statement from the submits of some plain tasks and some that the clock starts to the end of them all. */
async function rowsRead(): Promise<Map<string, number>> {
  isCounting = true;
  const plain = await submit({}, TASKS);
  await service.deliver();
  const delayed = await submit({ delay: "5s" }, TASKS);
  jumpTo(Date.now() + 6_000);
  await service.tick(Date.now());
  await service.deliver();
  isCounting = false;
  for (const id of [...plain, ...delayed]) expect(await stateOf(id)).toBe("succeeded");
  const counts = new Map(read);
  read.clear();
  return counts;
}

describe(`${SCHEDULED} scheduled tasks and ${NAPPING} napping ones`, () => {
  it("have no statement of a submit, a claim, a tick or a commit read more rows", async () => {
    await rowsRead();
    const before = await rowsRead();
    const [scheduled] = await submit({ delay: "365d" }, 1);
    const [napping] = await submit({}, 1, "test.nap", { ms: 86_400_000 });
    await service.deliver();
    expect([await stateOf(scheduled!), await stateOf(napping!)]).toEqual(["scheduled", "waiting"]);
    await multiply(scheduled!, SCHEDULED);
    await multiply(napping!, NAPPING);

    const after = await rowsRead();
    const more = [...after].filter(([sql, rows]) => rows > (before.get(sql) ?? 0) + SLACK);
    expect(more).toEqual([]);
    expect(before.size).toBeGreaterThan(5);
  });
});
