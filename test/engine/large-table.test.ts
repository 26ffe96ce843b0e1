/**
 * Lists, counts and bulk verbs on a large table in which little is to be found: no statement reads more than 5,000 rows, and
 * no list reads more than that in all, and following the cursors finds exactly what is there. `LARGE_TABLE=1000000 vitest run test/engine/large-table.test.ts` makes it larger.
 */

import { env } from "cloudflare:workers";
import { afterAll, beforeAll, describe, expect, inject, it, vi } from "vitest";
import type { FlowList } from "../../src/contract/flow.ts";
import type { TaskList } from "../../src/contract/task.ts";
import { firstIdAt } from "../../src/core/id-time.ts";
import { ANY_WAITER, readIdleKeys, readNextWaiters } from "../../src/results/limits/slots.ts";
import { AssembledWorker } from "./assembled-worker.ts";
import { addChild, fillTable } from "./large-table.ts";

const COUNT = inject("largeTable");

vi.setConfig({ testTimeout: 300_000, hookTimeout: 300_000 });

/** Long ago: a real task is newer than all of these. */
const SINCE = 1_700_000_000_000;

const MAX_ROWS = 5_000;

/** Of one request; the platform's limit is 1,000. */
const MAX_STATEMENTS = 650;

interface Cost {
  requests: number;
  statements: number;
  /** The most statements of one request. */
  inOne: number;
  rows: number;
  /** The most rows that one statement read. */
  most: number;
}

let statements: { sql: string; rows: number; found: number }[] = [];

const service = new AssembledWorker({
  database: (execute) => async (asked) => {
    const results = await execute(asked);
    results.forEach(({ meta, results: found }, i) =>
      statements.push({ sql: asked[i]!.sql, rows: meta.rows_read, found: found.length }),
    );
    return results;
  },
});

const table: Record<string, Cost> = {};

afterAll(() => {
  const lines = Object.entries(table).map(
    ([name, { requests, statements: all, inOne, rows, most }]) =>
      `${name}: ${requests} requests, ${all} statements (${inOne} in one request), ${rows} rows read (${most} in one statement)`,
  );
  console.log([`In a table of ${COUNT} tasks:`, ...lines].join("\n"));
});

beforeAll(async () => {
  await fillTable(env.DB, COUNT, SINCE);
});

/** What the requests do, and what they cost; each statement is held to its bound. */
async function costing<T>(name: string, run: (spent: () => void) => Promise<T>): Promise<T> {
  const cost = (table[name] = { requests: 0, statements: 0, inOne: 0, rows: 0, most: 0 });
  statements = [];
  return run(() => {
    cost.requests++;
    cost.statements += statements.length;
    cost.inOne = Math.max(cost.inOne, statements.length);
    for (const { rows } of statements) {
      cost.rows += rows;
      cost.most = Math.max(cost.most, rows);
    }
    expect(statements.find(({ rows }) => rows > MAX_ROWS)).toBeUndefined();
    expect(statements.length).toBeLessThanOrEqual(MAX_STATEMENTS);
    // The dashboard's calls are reads: all statements of one together.
    const most = name.startsWith("GET") ? MAX_ROWS : Infinity;
    expect(statements.reduce((sum, { rows }) => sum + rows, 0)).toBeLessThanOrEqual(most);
    statements = [];
  });
}

/** Follows a list to its end; answers the ids, which must be the newest first. */
async function listAll(query: string, headers = {}): Promise<string[]> {
  const ids = await readAll(query, headers);
  expect(ids).toEqual([...new Set(ids)].toSorted().toReversed());
  return ids;
}

async function readAll(query: string, headers = {}): Promise<string[]> {
  return costing(`GET ?${query}`, async (spent) => {
    const ids: string[] = [];
    let cursor: string | null = null;
    do {
      const path: string = `/v1/tasks?${query}${cursor === null ? "" : `&cursor=${cursor}`}`;
      const response = await service.fetch(path, { headers });
      expect(response.status).toBe(200);
      const page: TaskList = await response.json();
      spent();
      ids.push(...page.items.map((task) => task.id));
      cursor = page.nextCursor;
    } while (cursor !== null);
    return ids;
  });
}

/** Repeats a bulk request until it is complete; answers the sums. */
async function bulk(verb: string, body: object): Promise<{ matched: number; changed: number }> {
  return costing(`${verb} ${JSON.stringify(body)}`, async (spent) => {
    const sum = { matched: 0, changed: 0 };
    let cursor: string | undefined;
    do {
      const response = await service.fetch(`/v1/tasks/${verb}`, { body: { ...body, cursor } });
      const answer = await response.json<{ matched: number; changed: number; nextCursor?: string }>();
      expect({ status: response.status, ...answer }).toMatchObject({ status: 200 });
      spent();
      sum.matched += answer.matched;
      sum.changed += answer.changed;
      cursor = answer.nextCursor;
    } while (cursor !== undefined);
    return sum;
  });
}

/** The id of the row `n`, as the table is filled. */
const idAt = (at: number, n: number) => firstIdAt("task", at).slice(0, 15) + String(n).padStart(16, "0");

async function countMade(after: number): Promise<number> {
  const rows = `SELECT COUNT(*) AS count FROM tasks
    WHERE tenant = 'default' AND task = 'test.noop' AND state = 'succeeded' AND created_at > ?1 AND created_at < ?2`;
  return (await env.DB.prepare(rows)
    .bind(after, SINCE + COUNT)
    .first<number>("count"))!;
}

const iso = (ms: number) => new Date(ms).toISOString();

describe("a list in a large table", () => {
  it.each([
    "state=failed",
    "state=scheduled",
    "task=test.fail",
    "lane=bulk",
    "tag.plot=rare",
    "state=failed&state=scheduled&tag.plot=rare",
  ])("finds the ten of %s", async (query) => {
    expect(await listAll(query)).toHaveLength(10);
  });

  it("finds what was made in a span of time", async () => {
    const from = SINCE + COUNT / 2;
    expect(await listAll(`createdAfter=${iso(from)}&createdBefore=${iso(from + 11)}`)).toHaveLength(10);
    expect(await listAll(`createdAfter=${iso(SINCE + COUNT - 11)}`)).toHaveLength(10);
    expect(await listAll(`createdBefore=${iso(SINCE + 10)}`)).toHaveLength(10);
    for (const name of Object.keys(table).filter((each) => each.includes("created"))) {
      // An id is not further from its row's time than a few seconds.
      expect(table[name]!.rows).toBeLessThanOrEqual(150_000);
    }
  });

  it("finds what ended in a span of time, and by its error", async () => {
    const middle = iso(SINCE + COUNT / 2);
    await env.DB.prepare(`UPDATE tasks SET error = '{"type":"TypeError"}' WHERE state = 'failed' AND finished_at < ?1`)
      .bind(SINCE + COUNT / 5)
      .run();

    expect(await listAll(`state=failed&finishedAfter=${middle}`)).toHaveLength(5);
    expect(await listAll(`state=failed&finishedBefore=${middle}`)).toHaveLength(5);
    expect(await listAll(`finishedAfter=${iso(SINCE - 1)}&finishedBefore=${iso(SINCE + 10)}`)).toHaveLength(10);
    expect(await listAll("state=failed&error=TypeError")).toHaveLength(2);
    expect(await bulk("retry", { filter: { error: "TypeError", finishedBefore: middle }, dryRun: true })).toMatchObject(
      {
        matched: 2,
      },
    );
  });

  it("finds children by the time when they were made, however old their ids are", async () => {
    const made = SINCE + COUNT + 3_600_000;
    for (let n = 0; n < 10; n++) await addChild(env.DB, 2 * COUNT + n, SINCE + n * 100, made + n);
    expect(await listAll(`createdAfter=${iso(made - 1)}&limit=3`)).toHaveLength(10);
    await env.DB.prepare("DELETE FROM tasks WHERE created_at >= ?1").bind(made).run();
  });

  it("finds another tenant's, and no others", async () => {
    const { key } = await (
      await service.fetch("/v1/keys", { body: { name: "other", scopes: ["read"], tenant: "other" } })
    ).json<{ key: string }>();
    statements = [];
    const own = { authorization: `Bearer ${key}` };
    expect(await listAll("limit=50", own)).toHaveLength(10);
    expect(await listAll("limit=3&task=test.noop", own)).toHaveLength(10);
    expect(await listAll("state=failed&limit=51", own)).toEqual([]);
    expect(table["GET ?limit=50"]!.requests).toBe(1);
  });

  it("finds the members of a flow", async () => {
    const inputs = Array.from({ length: 10 }, () => ({}));
    const body = { map: { task: "test.noop", inputs } };
    const { id } = await (await service.fetch("/v1/flows", { body })).json<{ id: string }>();
    for (let i = 0; i < 5; i++) await service.fetch("/v1/tasks", { body: { task: "test.noop" } });
    statements = [];
    expect(await listAll(`flowId=${id}&limit=4`)).toHaveLength(10);
    expect(await listAll(`flowId=${id}&state=failed`)).toEqual([]);
    expect(table[`GET ?flowId=${id}&state=failed`]!.requests).toBe(1);
  });

  it("finds children and all that goes back to a task, also where that task or one between is gone", async () => {
    const now = SINCE + COUNT;
    // A tree: the root has three children, the second of them two of its own. Ids of children have their parent's time.
    const [root, a, b, c, b1, b2] = [1, 2, 3, 4, 5, 6].map((n) => idAt(now, 3 * COUNT + n)) as [string, ...string[]];
    const add = async (id: string, parent: string | null, children: (string | undefined)[]) =>
      env.DB.prepare(
        `INSERT INTO tasks (id, tenant, task, lane, state, max_attempts, created_at, run_at, retention_ms, parent_id, root_id, children, node)
         VALUES (?1, 'default', 'test.noop', 'default', 'succeeded', 3, ?2, ?2, 604800000, ?3, ?4, ?5, jsonb(?6))`,
      )
        .bind(
          id,
          now,
          parent,
          root,
          JSON.stringify(children),
          parent === null ? null : JSON.stringify({ wakes: parent }),
        )
        .run();
    await add(root, null, [a, b, c]);
    for (const [id, own] of [
      [a, []],
      [b, [b1, b2]],
      [c, []],
    ] as const)
      await add(id!, root, [...own]);
    for (const id of [b1, b2]) await add(id!, b!, []);
    const all = [b2, b1, c, b, a, root];

    expect(await listAll(`parentId=${root}`)).toEqual([c, b, a]);
    expect(await listAll(`rootId=${root}&limit=2`)).toEqual(all);
    expect(table[`GET ?rootId=${root}&limit=2`]!.rows).toBeLessThanOrEqual(150);
    expect(await bulk("delete", { filter: { rootId: root }, dryRun: true })).toEqual({ matched: 6, changed: 0 });
    await env.DB.prepare("DELETE FROM tasks WHERE id = ?1").bind(b).run();
    expect(await listAll(`rootId=${root}&state=succeeded`)).toEqual(all.filter((id) => id !== b));
    expect(await listAll(`parentId=${b}`)).toEqual([b2, b1]);
    await env.DB.prepare("DELETE FROM tasks WHERE id = ?1").bind(root).run();
    expect(await listAll(`parentId=${root}`)).toEqual([c, a]);
    await env.DB.prepare("DELETE FROM tasks WHERE root_id = ?1").bind(root).run();
  });

  it("finds what goes back to a task over a hundred generations, and in one of many, with a bounded number of reads", async () => {
    const now = SINCE + COUNT;
    const ids = Array.from({ length: 500 }, (_, n) => idAt(now, 4 * COUNT + n));
    // Each of the first hundred has the next one as its child; the hundredth has all the others.
    const children = (n: number) => (n < 99 ? [ids[n + 1]] : n === 99 ? ids.slice(100) : []);
    const rows = ids.map((id, n) => ({ id, parent: n === 0 ? null : ids[Math.min(n - 1, 99)], children: children(n) }));
    await env.DB.prepare(
      `INSERT INTO tasks (id, tenant, task, lane, state, max_attempts, created_at, run_at, retention_ms, parent_id, root_id, children)
       SELECT value->>'id', 'default', 'test.noop', 'default', 'succeeded', 3, ?2, ?2, 604800000, value->>'parent', ?3,
         value->>'children' FROM json_each(?1)`,
    )
      .bind(JSON.stringify(rows), now, ids[0])
      .run();
    expect(await listAll(`rootId=${ids[0]}&limit=200`)).toEqual(ids.toReversed());
    expect(table[`GET ?rootId=${ids[0]}&limit=200`]!.inOne).toBeLessThanOrEqual(30);
    const seen: number[] = [];
    await costing(`GET ?rootId=${ids[99]}`, async (spent) => {
      await service.fetch(`/v1/tasks?rootId=${ids[99]}&limit=10`);
      seen.push(...statements.map(({ found }) => found));
      spent();
    });
    expect(Math.max(...seen)).toBeLessThanOrEqual(100);
    await env.DB.prepare("DELETE FROM tasks WHERE root_id = ?1").bind(ids[0]).run();
  });

  it("finds what waited or ran for long", async () => {
    const slow = [3, 5, 7].map((n) => idAt(SINCE + COUNT - 1_000 + n, COUNT - 1_000 + n));
    await env.DB.prepare(
      `UPDATE tasks SET started_at = run_at + 600000,
         history = json_set(history, '$[#-1].finishedAt', run_at + 600000 + 60000 * CAST(substr(id, -1) AS INTEGER))
       WHERE id IN (SELECT value FROM json_each(?1))`,
    )
      .bind(JSON.stringify(slow))
      .run();
    const lately = `createdAfter=${iso(SINCE + COUNT - 1_500)}&createdBefore=${iso(SINCE + COUNT)}&limit=200`;

    expect(await listAll(`waitLongerThan=5m&${lately}`)).toEqual(slow.toReversed());
    expect(await listAll(`waitLongerThan=600000&${lately}`)).toEqual([]);
    expect(await listAll(`runLongerThan=4m&${lately}`)).toEqual([slow[2], slow[1]]);
    expect((await bulk("delete", { filter: { runLongerThan: "4m" }, dryRun: true })).matched).toBe(2);
    const longest = await readAll(`sort=duration&${lately}`);
    expect(longest.slice(0, 3)).toEqual(slow.toReversed());
    expect(longest.toSorted().toReversed()).toEqual(await listAll(`state=succeeded&state=failed&${lately}`));
  });

  it("sorts by the end, each once, in stretches that stay as they were", async () => {
    const late = idAt(SINCE + COUNT - 1_500, COUNT - 1_500);
    await env.DB.prepare("UPDATE tasks SET finished_at = ?2 WHERE id = ?1")
      .bind(late, SINCE + COUNT + 99)
      .run();
    const query = `sort=finished&task=test.noop&createdAfter=${iso(SINCE + COUNT - 20_000)}&createdBefore=${iso(SINCE + COUNT)}&limit=200`;
    const ids = await readAll(query);

    expect(ids).toHaveLength(await countMade(SINCE + COUNT - 20_000));
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids[0]).toBe(late);
    // All others ended when they were made.
    expect(ids.slice(1)).toEqual(ids.slice(1).toSorted().toReversed());
  });

  it("sorts a bounded stretch where a made-up cursor asks for all of the table", async () => {
    const place = `1:finished:${firstIdAt("task", SINCE + COUNT)}:${firstIdAt("task", 0)}:`;
    const name = "GET ?sort=finished with a made-up cursor";
    const ids = await costing(name, async (spent) => {
      let cursor = btoa(place);
      const pages: string[][] = [];
      for (let i = 0; i < 2; i++) {
        const page: TaskList = await (await service.fetch(`/v1/tasks?sort=finished&limit=200&cursor=${cursor}`)).json();
        spent();
        pages.push(page.items.map((task) => task.id));
        cursor = page.nextCursor!;
      }
      return pages.flat();
    });
    expect(new Set(ids).size).toBe(400);
    expect(table[name]!.inOne).toBeLessThanOrEqual(40);
  });

  it("counts exactly what is little, and estimates what is much", async () => {
    const count = async (query: string) => {
      const counted = await costing(`GET ?${query}`, async (spent) => {
        const page: TaskList = await (await service.fetch(`/v1/tasks?${query}`)).json();
        spent();
        return page.count!;
      });
      expect(table[`GET ?${query}`]!.statements).toBeLessThanOrEqual(30);
      return counted;
    };
    expect(await count("count=estimate&state=failed")).toEqual({ estimate: 10, isExact: true });
    const made = `createdAfter=${iso(SINCE + COUNT - 101)}&createdBefore=${iso(SINCE + COUNT)}`;
    // Ids of other tasks may have the times of these, and there is one for each millisecond.
    expect(await count(`count=estimate&${made}`)).toMatchObject({ estimate: 100 });
    const { estimate, isExact } = await count("count=estimate&task=test.noop&limit=1");
    expect(isExact).toBe(false);
    expect(estimate / COUNT).toBeGreaterThan(0.8);
    expect(estimate / COUNT).toBeLessThan(1.2);
  });

  it("has full pages where most match, for few rows", async () => {
    await costing("GET ?limit=200", async (spent) => {
      const page: TaskList = await (await service.fetch("/v1/tasks?limit=200")).json();
      spent();
      expect(page.items).toHaveLength(200);
    });
    expect(table["GET ?limit=200"]).toMatchObject({ requests: 1, inOne: 1 });
    expect(table["GET ?limit=200"]!.rows).toBeLessThanOrEqual(1_000);
  });

  it.each([
    ["state=failed", 100],
    ["state=scheduled", 200],
  ])("needs few rows for %s", (query, rows) => {
    expect(table[`GET ?${query}`]).toMatchObject({ requests: 1 });
    expect(table[`GET ?${query}`]!.rows).toBeLessThanOrEqual(rows);
  });
});

describe("a list of many flows", () => {
  const FLOWS = 9_000;
  const flowAt = (n: number) => `flow_${"0".repeat(22)}${String(n).padStart(4, "0")}`;

  beforeAll(async () => {
    await env.DB.prepare(
      `WITH RECURSIVE rows (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM rows WHERE n + 1 < ${FLOWS})
       INSERT INTO flows (id, tenant, state, created_at, finished_at, ids, result)
       SELECT 'flow_' || printf('%026d', n), iif(n % 1000 = 5, 'other', 'default'), iif(n % 1000 = 7, 'failed', 'succeeded'),
         n, n + 100, jsonb('[]'), '{}' FROM rows`,
    ).run();
  });

  async function flows(query: string): Promise<{ ids: string[]; pages: number }> {
    return costing(`GET flows ?${query}`, async (spent) => {
      const ids: string[] = [];
      let pages = 0;
      let cursor: string | null = null;
      do {
        const path: string = `/v1/flows?${query}${cursor === null ? "" : `&cursor=${cursor}`}`;
        const response = await service.fetch(path);
        expect(response.status).toBe(200);
        const page: FlowList = await response.json();
        spent();
        pages++;
        ids.push(...page.items.map((flow) => flow.id));
        cursor = page.nextCursor;
      } while (cursor !== null);
      return { ids, pages };
    });
  }

  it("finds the few of a state, newest first, over pages that hold few", async () => {
    const { ids, pages } = await flows("state=failed");

    expect(ids).toEqual([8, 7, 6, 5, 4, 3, 2, 1, 0].map((n) => flowAt(n * 1_000 + 7)));
    expect(pages).toBeLessThanOrEqual(3);
  });

  it("goes through all of them, but for another tenant's, each once", async () => {
    const { ids } = await flows("limit=200&state=failed&state=succeeded");

    expect(ids).toHaveLength(FLOWS - 9);
    expect(ids).toEqual([...new Set(ids)].toSorted().toReversed());
  });

  it("finds those of a span of time", async () => {
    expect((await flows(`finishedAfter=${iso(150)}&finishedBefore=${iso(161)}`)).ids).toHaveLength(10);
    expect((await flows(`createdAfter=${iso(99)}&createdBefore=${iso(101)}`)).ids).toEqual([flowAt(100)]);
  });
});

describe("a bulk verb in a large table", () => {
  it.each([
    ["retry", { tags: { plot: "rare" } }, 10],
    ["cancel", { lane: "default" }, 25],
    ["delete", { task: "test.fail" }, 10],
    ["delete", { createdBefore: iso(SINCE + 10) }, 10],
  ])("counts what %s would find by %o", async (verb, filter, matched) => {
    expect(await bulk(verb, { filter, dryRun: true })).toEqual({ matched, changed: 0 });
  });

  it("looks for ten thousand named tasks, and reads each once", async () => {
    const ids = Array.from({ length: 10_000 }, (_, i) => `task_01jzzzzzzzzzzzzzzzzzzz${String(i).padStart(7, "0")}`);
    expect(await bulk("cancel", { filter: { ids } })).toEqual({ matched: 0, changed: 0 });
  });

  it("counts many, a bounded number at a time", async () => {
    expect((await bulk("delete", { filter: { task: "test.noop" }, dryRun: true })).matched).toBe(COUNT - 30);
  });

  it("acts on exactly what it counted", async () => {
    const filter = { task: "test.fail" };
    expect(await bulk("retry", { filter })).toEqual({ matched: 10, changed: 10 });
    expect(await bulk("cancel", { filter })).toEqual({ matched: 10, changed: 10 });
    expect(await bulk("delete", { filter })).toEqual({ matched: 10, changed: 10 });
    expect(await listAll("task=test.fail&limit=200")).toEqual([]);
  });
});

describe("lines of a large table", () => {
  const KEYS = 300;
  const PLACES = 12_000;

  beforeAll(async () => {
    // Each of the first key's tasks starts later, and the last one waits; every other key has one that waits.
    await env.DB.batch([
      env.DB.prepare(
        `INSERT INTO places (key, task_id, running) SELECT 'long', id, 0 FROM (SELECT id FROM tasks ORDER BY id LIMIT ${PLACES})`,
      ),
      env.DB.prepare(
        `WITH RECURSIVE n (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM n WHERE n + 1 < ${KEYS})
         INSERT INTO limits (key, max) SELECT printf('some-%04d', n), 1 FROM n UNION ALL SELECT 'long', 1`,
      ),
      env.DB.prepare(
        "UPDATE tasks SET state = 'queued' WHERE id = (SELECT MAX(task_id) FROM places WHERE key = 'long')",
      ),
    ]);
  });

  afterAll(async () => {
    const queued = "SELECT task_id FROM places WHERE key = 'long' ORDER BY task_id DESC LIMIT 1";
    await env.DB.batch([
      env.DB.prepare(`UPDATE tasks SET state = 'succeeded' WHERE id = (${queued})`),
      env.DB.prepare("DELETE FROM places WHERE key = 'long'"),
      env.DB.prepare("DELETE FROM limits WHERE key = 'long' OR key LIKE 'some-%'"),
    ]);
  });

  it("are looked through in stretches, from where the last look stopped", async () => {
    const db = service.env.DB;
    await costing("the next in line", async (spent) => {
      // Ten thousand that start later are enough: behind them a task's own timer counts.
      expect(await readNextWaiters(db, ["long"])).toEqual([]);
      spent();
      await env.DB.prepare(
        "DELETE FROM places WHERE key = 'long' AND task_id < (SELECT MIN(task_id) FROM (SELECT task_id FROM places WHERE key = 'long' ORDER BY task_id DESC LIMIT 9500))",
      ).run();
      expect(await readNextWaiters(db, ["long"])).toHaveLength(1);
      spent();
    });
    await costing("keys with room", async (spent) => {
      let rounds = 0;
      for (let after: string | null = ""; after !== null; rounds++) {
        const { keys, next }: { keys: string[]; next: string } = await readIdleKeys(db, 100, after);
        spent();
        expect(keys).toEqual([]);
        after = next === "" ? null : next;
      }
      expect(rounds).toBe(1);
    });
    await costing("whether anyone waits", async (spent) => {
      expect((await db.prepare(ANY_WAITER).all()).results).toHaveLength(1);
      spent();
    });
  });
});

describe("a request", () => {
  const withTags = async (count: number) => {
    const query = Array.from({ length: count }, (_, i) => `tag.t${i}=x`).join("&");
    return service.fetch(`/v1/tasks?${query}&limit=1`);
  };

  it("may ask for 16 tags", async () => {
    expect((await withTags(16)).status).toBe(200);
  });

  it.each([17, 50, 120])("is refused with %i tags", async (count) => {
    const response = await withTags(count);
    expect(response.status).toBe(400);
    const { errors } = await response.json<{ errors: { pointer: string }[] }>();
    expect(errors.map((error) => error.pointer)).toContain("/query/tag.t16");
  });

  it("is refused with a cursor that no answer held", async () => {
    const response = await service.fetch("/v1/tasks/cancel", { body: { filter: { task: "test.noop" }, cursor: "x" } });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ errors: [{ pointer: "/cursor" }] });
  });
});
