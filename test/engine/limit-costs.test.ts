/** What each limit costs, in rows written as D1 bills them: nothing where there is none. */
import { env } from "cloudflare:workers";
import { afterAll, expect, it } from "vitest";
import type { Share } from "../../src/core/share.ts";
import { rateOf } from "../../src/core/share.ts";
import { claimTasks } from "../../src/results/claim-tasks.ts";
import { commitAttempts } from "../../src/results/commit-attempts.ts";
import { insertTasks } from "../../src/results/submit-tasks.ts";
import type { NewTask } from "../../src/results/new-task.ts";
import { storeShared } from "../../src/results/shared-tasks.ts";
import { countRows } from "./count-rows.ts";
import { mortal } from "./mortal-db.ts";
import { insertLimited, limitedTask, newKey, type Limits } from "./limited-tasks.ts";
import { endOf } from "./webhook-tasks.ts";

const table: Record<string, number[]> = {};

afterAll(() => console.log("rows written: submit, claim, commit", table));

/** Rows of each step of a task's life, where its keys are known already. */
async function live(limits: Limits, more: Partial<NewTask> = {}): Promise<number[]> {
  const first = limitedTask(limits, { tenant: "default", ...more });
  await insertTasks(env.DB, [first]);
  const before = await claimTasks(env.DB, [first.id], "first", Date.now() - 60_000);
  await commitAttempts(env.DB, [endOf(before.claimed[0]!)]);
  const { db, written } = countRows(env.DB);
  const task = limitedTask(limits, { tenant: "default", ...more });
  await insertTasks(db, [task]);
  const submitted = written();
  const { claimed } = await claimTasks(db, [task.id], "second", Date.now());
  const claim = written();
  await commitAttempts(db, [endOf(claimed[0]!)]);
  return [submitted, claim, written()];
}

let circuits = 0;

/** A circuit that no other test uses, to which something has happened already: there `ended` counts. */
async function circuit(hasFailed: boolean): Promise<Partial<NewTask>> {
  const task = `costs.${++circuits}`;
  if (hasFailed)
    await env.DB.prepare("INSERT INTO circuits (task, window_at, failed) VALUES (?1, 0, 1)").bind(task).run();
  return { task, circuit: JSON.stringify({ failures: 5, ratio: 0.5, window: 60_000, cooldown: 30_000 }) };
}

it.each([
  ["a circuit", false, [3, 1, 1]],
  ["a circuit that counts failures", true, [3, 1, 2]],
])("a task with %s", async (name, hasFailed, expected) => {
  table[name] = await live({}, await circuit(hasFailed));
  expect(table[name]).toEqual(expected);
});

const place = () => ({ key: newKey(), limit: 5 });

it.each<[string, () => Limits, number[]]>([
  ["none", () => ({}), [2, 1, 1]],
  ["concurrency by one key", () => ({ concurrency: [place()] }), [3, 3, 2]],
  ["concurrency by two keys", () => ({ concurrency: [place(), place()] }), [4, 5, 3]],
  ["a rate", () => ({ rates: [rateOf(newKey(), 10, 1_000, 1)] }), [3, 2, 1]],
  ["a rate and concurrency", () => ({ rates: [rateOf(newKey(), 10, 1_000, 1)], concurrency: [place()] }), [4, 4, 2]],
])("a task with %s", async (name, limits, expected) => {
  table[name] = await live(limits());
  expect(table[name]).toEqual(expected);
});

it("a turn at a rate costs a task that has to wait for it two rows", async () => {
  const ids = await insertLimited(10, { rates: [rateOf(newKey(), 10, 1_000, 1)] });
  const { db, written } = countRows(env.DB);
  const { claimed } = await claimTasks(db, ids, "turn", Date.now());
  expect(claimed).toHaveLength(1);
  table["nine turns, one claim"] = [written()];
  expect(table["nine turns, one claim"]).toEqual([2 + 9 * 2]);
});

/** Times at which this isolate has met no limits lately. */
const LONG_AFTER = 86_400_000;

it("a claim of tasks with limits is one call to D1, once the isolate has met such limits", async () => {
  const now = Date.now() + LONG_AFTER;
  const calls = await Promise.all([0, 1].map(async () => insertLimited(1, { concurrency: [place()] })));
  const counter = mortal(env.DB, { atCall: null, when: "before" });
  const counted: number[] = [];
  for (const ids of calls) {
    const before = counter.calls();
    expect((await claimTasks(counter.db, ids, crypto.randomUUID(), now)).claimed).toHaveLength(1);
    counted.push(counter.calls() - before);
  }
  expect(counted).toEqual([3, 1]);
});

it("a claim that cannot find out about limits has those that are without", async () => {
  const now = Date.now() + 2 * LONG_AFTER;
  const plain = await insertLimited(1, {});
  const limited = await insertLimited(1, { concurrency: [place()] });
  const { db } = mortal(env.DB, { atCall: 2, when: "before" });
  const { claimed } = await claimTasks(db, [...limited, ...plain], "cut off", now);
  expect(claimed.map((task) => task.id)).toEqual(plain);
  await expect(claimTasks(mortal(env.DB, { atCall: 2, when: "before" }).db, limited, "nothing", now)).rejects.toThrow(
    "died",
  );
});

it.each<[Share["kind"], number, number]>([
  ["debounce", 4, 2],
  ["throttle", 4, 0],
  ["cache", 4, 0],
])("%s: the first submit, and each that shares its task", async (kind, first, further) => {
  const share: Share = { kind, key: newKey(), ms: 60_000 };
  const { db, written } = countRows(env.DB);
  const now = Date.now();
  const task = () =>
    limitedTask({}, { state: kind === "debounce" ? "scheduled" : "queued", runAt: now + 60_000, tenant: "default" });
  await storeShared(db, task(), share, now);
  const rows = [written()];
  await storeShared(db, task(), share, now + 1);
  rows.push(written());
  table[`${kind}: first, further`] = rows;
  expect(rows).toEqual([first, further]);
});
