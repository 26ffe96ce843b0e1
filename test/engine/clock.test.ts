import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type * as Poke from "../../src/broker/poke.ts";
import { BELL_MS } from "../../src/core/bounds.ts";
import { NO_START } from "../../src/core/settle.ts";
import type { Clock } from "../../src/clock/object.ts";
import { auditOf } from "../../src/engine/audit.ts";
import { newTaskIds } from "../../src/engine/ids.ts";
import { prepare } from "../../src/engine/prepare.ts";
import { insertTasks } from "../../src/results/submit-tasks.ts";

/** A future in which no alarm rings by itself. */
const BEGIN = Date.UTC(2031, 0, 1);

/** Isolates of the Worker, each with its own knowledge of the clock. */
const ISOLATES = 2;

let now = BEGIN;
const isolates: (typeof Poke)[] = [];

beforeAll(async () => {
  vi.useFakeTimers({ toFake: ["Date"], now });
  for (let n = 0; n < ISOLATES; n++) {
    vi.resetModules();
    isolates.push(await import("../../src/broker/poke.ts"));
  }
  // The object was made of modules that are gone now, and says so once.
  await alarmOf().catch(() => null);
});

afterAll(() => void vi.useRealTimers());

function pass(ms: number): void {
  now += ms;
  vi.setSystemTime(now);
}

const clock = () => env.CLOCK.getByName("clock");

async function alarmOf(): Promise<number | null> {
  return runInDurableObject(clock(), (_: Clock, state) => state.storage.getAlarm());
}

/** Time passes to this moment, and the alarm rings whenever it is due. All goes well meanwhile: rows end before their time. */
async function passUntil(at: number): Promise<void> {
  for (;;) {
    const alarm = await alarmOf();
    if (alarm === null || alarm > at) break;
    pass(Math.max(0, alarm - now));
    await env.DB.prepare("DELETE FROM tasks WHERE due_at <= ?1").bind(now).run();
    await runDurableObjectAlarm(clock());
  }
  pass(Math.max(0, at - now));
}

/** Stores a task as a submit does, and tells the clock as an isolate does. Answers its id. */
async function submitIn(isolate: typeof Poke, delay: number): Promise<string> {
  const id = newTaskIds(1)[0]!;
  const options = { delay };
  const prepared = prepare(env, { task: "test.noop", options }, { tenant: "t", traceparent: null }, id, now);
  if (!prepared.ok) throw new Error(prepared.problem.detail);
  await insertTasks(env.DB, [prepared.task]);
  await isolate.pokeClock(env, prepared.task.dueAt!);
  return id;
}

/** As far as the clock is concerned, it has ended. */
async function remove(id: string): Promise<void> {
  await env.DB.prepare("DELETE FROM tasks WHERE id = ?1").bind(id).run();
}

/** A clock that sleeps, and isolates that know nothing of it any more. */
async function forgetAll(): Promise<void> {
  pass(3_600_000);
  await env.DB.prepare("DELETE FROM tasks").run();
  await runInDurableObject(clock(), (_: Clock, state) => state.storage.deleteAlarm());
}

async function nextDue(): Promise<number> {
  return (await env.DB.prepare("SELECT MIN(due_at) AS due FROM tasks").first<number>("due")) ?? Infinity;
}

describe("the clock", () => {
  it("keeps a tick that it has promised, also when it ticks before", async () => {
    await forgetAll();
    const [one, another] = isolates as [typeof Poke, typeof Poke];
    const promised = now + BELL_MS;
    await remove(await submitIn(one, 0));
    expect(await alarmOf()).toBe(promised);
    await remove(await submitIn(another, 2_000));
    await passUntil(now + 3_000);
    // The first isolate still counts on the tick that it knows of, and does not ask again.
    await submitIn(one, 0);
    expect(await alarmOf()).toBe(promised);
  });

  it("ticks in time for every row, whichever isolate stored it and whatever each of them knows", async () => {
    const steps = fc.array(
      fc.record({
        isolate: fc.nat({ max: ISOLATES - 1 }),
        delay: fc.constantFrom(0, 0, 2_000, 9_000, 40_000, 400_000),
        ends: fc.constantFrom(true, true, false),
        wait: fc.constantFrom(0, 500, 3_000, 8_000),
      }),
      { minLength: 3, maxLength: 8 },
    );
    await fc.assert(
      fc.asyncProperty(steps, async (program) => {
        await forgetAll();
        for (const { isolate, delay, ends, wait } of program) {
          const id = await submitIn(isolates[isolate]!, delay);
          expect(await alarmOf()).toBeLessThanOrEqual(await nextDue());
          if (ends) await remove(id);
          await passUntil(now + wait);
        }
      }),
      { numRuns: 25 },
    );
  });

  it("is asked once a minute, not for each of the tasks that start far ahead", async () => {
    await forgetAll();
    const [isolate] = isolates as [typeof Poke];
    let asked = 0;
    const wakeBy = async (at: number) => {
      asked++;
      return at;
    };
    const bindings = { CLOCK: { getByName: () => ({ wakeBy }) } } as unknown as Env;
    for (let second = 0; second < 120; second++) {
      for (let n = 0; n < 10; n++) await isolate.pokeClock(bindings, now + 3_600_000);
      pass(1_000);
    }
    expect(asked).toBeLessThanOrEqual(3);
  });

  it("looks again within a day where all that is ahead is due after any alarm, such as a paused task", async () => {
    await forgetAll();
    await submitIn(isolates[0]!, 0);
    await env.DB.prepare("UPDATE tasks SET state = 'scheduled', paused_at = ?1, due_at = ?2").bind(now, NO_START).run();
    await passUntil(now + BELL_MS);
    for (let day = 0; day < 2; day++) {
      await runDurableObjectAlarm(clock());
      const alarm = await alarmOf();
      expect(alarm).toBeGreaterThan(now);
      expect(alarm).toBeLessThanOrEqual(now + 86_400_000);
      pass(alarm! - now);
    }
    expect((await clock().status()).error).toBe(null);
  });

  it("is woken by its watchdog for a row that it was not told of", async () => {
    await forgetAll();
    await clock().wakeBy(now + 86_400_000);
    const [id] = newTaskIds(1);
    const prepared = prepare(env, { task: "test.noop" }, { tenant: "t", traceparent: null }, id!, now);
    if (!prepared.ok) throw new Error(prepared.problem.detail);
    await insertTasks(env.DB, [prepared.task]);
    await clock().watch();
    expect(await alarmOf()).toBeLessThanOrEqual(prepared.task.dueAt!);
  });
});

describe("a new key that signs links", () => {
  it("is in the audit log though D1 took no entry when it was made", async () => {
    const entry = auditOf(
      { kind: "key", id: "deployment", ip: null },
      "link-key.rotate",
      { tenant: "t", target: null },
      now,
    );
    const isThere = () => env.DB.prepare("SELECT 1 AS there FROM audit WHERE id = ?1").bind(entry.id).first("there");
    expect(await clock().rotateLinkKey(0, entry)).toHaveLength(1);
    expect(await isThere()).toBeNull();
    await passUntil(now + 3_000);
    expect(await isThere()).toBe(1);
    expect(await runInDurableObject(clock(), (_: Clock, state) => state.storage.kv.get("owedAudit"))).toEqual([]);
  });
});
