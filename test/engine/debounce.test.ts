/** The last submission of a debounced task counts, whole: every column that a submission writes, and what is kept beside the row. */
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import type { OptionsInput } from "../../src/contract/submission.ts";
import { rateOf } from "../../src/core/share.ts";
import { newTaskIds } from "../../src/engine/ids.ts";
import { prepare } from "../../src/engine/prepare.ts";
import { holdLane, resumeLane } from "../../src/results/lanes/lanes.ts";
import type { NewTask } from "../../src/results/new-task.ts";
import { storeShared } from "../../src/results/shared-tasks.ts";
import { SUBMITTED } from "../../src/results/submission-columns.ts";
import { limitedTask, newKey } from "./limited-tasks.ts";

/** What makes a row that task, and places it among others. */
const FIRST = `id tenant task state created_at parent_id root_id flow_id node_key node waiting_for object`.split(" ");

/** What a row gets in the course of its life. */
const LIVED = `run attempt failures crashes lease_until holder started_at finished_at retain_until cancel_requested_at
  cancel_reason cancel_undo undo signals children history progress error error_group result sealed_result paused_at`.split(
  /\s+/,
);

const NOW = Date.parse("2026-11-01T00:00:00Z");

async function rowOf(id: string | null): Promise<Record<string, unknown>> {
  return (await env.DB.prepare("SELECT * FROM tasks WHERE id = ?1").bind(id).first<Record<string, unknown>>())!;
}

/** A submission at `now` whose wait is 4 s. */
function submission(options: OptionsInput, now: number, key: string, input: unknown = null): NewTask {
  const body = { task: "test.identity", input, options: { ...options, debounce: { key, wait: "4s" } } };
  const prepared = prepare(env, body, { tenant: "debounced", traceparent: null }, newTaskIds(1)[0]!, now);
  if (!prepared.ok) throw new Error(JSON.stringify(prepared.problem));
  return prepared.task;
}

const shareOf = (key: string) => ({ kind: "debounce", key, ms: 4_000 }) as const;

describe("the columns of a submission", () => {
  it("are listed, all that the table has, with whose word counts", async () => {
    const { results } = await env.DB.prepare("SELECT name FROM pragma_table_info('tasks')").all<{ name: string }>();
    expect([...SUBMITTED.map(({ column }) => column), ...LIVED].toSorted()).toEqual(
      results.map(({ name }) => name).toSorted(),
    );
    expect(SUBMITTED.flatMap(({ column, counts }) => (counts === "first" ? column : [])).toSorted()).toEqual(
      FIRST.toSorted(),
    );
  });

  it("are the last submission's, but for those that make it that task", async () => {
    const key = newKey();
    const at = (now: number, word: string, number: number, input: string) => {
      const own = { concurrency: [{ key: newKey(), limit: number }], rates: [rateOf(newKey(), number, 1_000, 1)] };
      return limitedTask(own, {
        state: "scheduled",
        tenant: "debounced",
        lane: number === 1 ? "bulk" : "high",
        createdAt: now,
        runAt: now + 4_000,
        dueAt: now + 4_000,
        expiresAt: now + 5_000,
        leaseMs: 20_000 + number,
        retentionMs: 1_000 + number,
        maxAttempts: number,
        traceparent: word,
        options: JSON.stringify({ timeoutMs: number }),
        tags: JSON.stringify({ a: word }),
        circuit: JSON.stringify({ failures: number }),
        batch: JSON.stringify({ size: number }),
        sealed: JSON.stringify({ a: word }),
        input: JSON.stringify(input),
      });
    };
    const first = at(NOW, "first", 1, "small");
    const last = at(NOW + 2_500, "last", 2, "large".repeat(10_000));
    const id = await storeShared(env.DB, first, shareOf(key), NOW);
    const before = await rowOf(id);
    expect(await storeShared(env.DB, last, shareOf(key), NOW + 2_500)).toBe(id);
    const after = await rowOf(id);

    // The same submission alone, as it would be stored by itself.
    const alone = await rowOf(await storeShared(env.DB, last, shareOf(newKey()), NOW + 2_500));
    for (const { column, counts } of SUBMITTED) {
      expect([column, after[column]]).toEqual([column, counts === "first" ? before[column] : alone[column]]);
    }
    // Where they agree it would not show whose it is.
    const same = SUBMITTED.filter(({ column, counts }) => counts === "last" && before[column] === alone[column]);
    expect(same).toEqual([]);
    const body = await env.DB.prepare("SELECT body FROM payloads WHERE task_id = ?1").bind(id).first("body");
    expect(body).toBe(last.input);
  });
});

describe("a debounced task", () => {
  it("leaves nothing of a large input behind where the last one is small", async () => {
    const key = newKey();
    const large = submission({}, NOW, key, "large".repeat(10_000));
    const id = await storeShared(env.DB, large, shareOf(key), NOW);
    await storeShared(env.DB, submission({}, NOW + 1, key, "small"), shareOf(key), NOW + 1);
    expect(await rowOf(id)).toMatchObject({ input: '"small"', overflow: 0 });
    const left = await env.DB.prepare("SELECT COUNT(*) AS n FROM payloads WHERE task_id = ?1").bind(id).first("n");
    expect(left).toBe(0);
  });

  it("expires as the last submission said, so one that came in time is started", async () => {
    const key = newKey();
    const options = { expiresIn: "5500ms" };
    const id = await storeShared(env.DB, submission(options, NOW, key), shareOf(key), NOW);
    await storeShared(env.DB, submission(options, NOW + 2_500, key), shareOf(key), NOW + 2_500);
    expect(await rowOf(id)).toMatchObject({ run_at: NOW + 6_500, due_at: NOW + 6_500, expires_at: NOW + 8_000 });
  });

  it.each<[string, OptionsInput, Record<string, unknown>]>([
    ["expiry", { expiresIn: "1h" }, { expires_at: null }],
    ["attempts", { maxAttempts: 9 }, { max_attempts: 3 }],
    ["lane", { lane: "bulk" }, { lane: "default" }],
    ["retention", { retention: "1s" }, { retention_ms: 7 * 86_400_000 }],
    ["tags", { tags: { a: "b" } }, { tags: null }],
    ["timeout, retry and webhook", { timeout: "1s", webhook: { url: "https://example.com/" } }, { options: null }],
    ["concurrency", { concurrency: { key: "k", limit: 1 } }, { concurrency: null }],
  ])("loses the first submission's %s where the last names none", async (_, options, expected) => {
    const key = newKey();
    const id = await storeShared(env.DB, submission(options, NOW, key), shareOf(key), NOW);
    await storeShared(env.DB, submission({}, NOW + 1, key), shareOf(key), NOW + 1);
    expect(await rowOf(id)).toMatchObject(expected);
  });

  it("changes the rate of a key as a task of its own would", async () => {
    const [key, rated] = [newKey(), newKey()];
    await env.DB.prepare("INSERT INTO buckets (key, tat, interval, tolerance) VALUES (?1, 0, 1000, 0)")
      .bind(rated)
      .run();
    const at = (limit: number) =>
      limitedTask(
        { rates: [rateOf(rated, limit, 1_000, 1)] },
        { state: "scheduled", tenant: "debounced", runAt: NOW + 4_000 },
      );
    await storeShared(env.DB, at(1), shareOf(key), NOW);
    await storeShared(env.DB, at(4), shareOf(key), NOW + 1);
    expect(await env.DB.prepare("SELECT interval FROM buckets WHERE key = ?1").bind(rated).first("interval")).toBe(250);
  });

  it("is not moved into a lane that drains: that submission is refused, and the one before it stands", async () => {
    const key = newKey();
    const id = await storeShared(env.DB, submission({}, NOW, key, "kept"), shareOf(key), NOW);
    await holdLane(env.DB, "draining", { name: "long", reason: null, until: null }, NOW);
    const moved = submission({ lane: "long", concurrency: { key, limit: 1 } }, NOW + 1, key, "refused");
    expect(await storeShared(env.DB, moved, shareOf(key), NOW + 1)).toBeNull();
    expect(await rowOf(id)).toMatchObject({ lane: "default", input: '"kept"', run_at: NOW + 4_000, concurrency: null });
    expect(await storeShared(env.DB, submission({}, NOW + 2, key, "next"), shareOf(key), NOW + 2)).toBe(id);
    await resumeLane(env.DB, "long");
    expect(await storeShared(env.DB, { ...moved, id: newTaskIds(1)[0]! }, shareOf(key), NOW + 3)).toBe(id);
    expect(await rowOf(id)).toMatchObject({ lane: "long", input: '"refused"' });
  });
});
