/**
 * Random programs for batches, in virtual time: items are submitted, rung for, lost, cancelled, ended; workers and other
 * actors die at any call to D1. Every claim is looked at: which tasks it lets start together, and when.
 */

import { vi } from "vitest";
import fc from "fast-check";
import { Suspects } from "../../src/clock/suspects.ts";
import { tick } from "../../src/clock/tick.ts";
import type { TaskDefinition } from "../../src/core/task.ts";
import { DEFAULT_RETRY } from "../../src/core/retry.ts";
import { settle, type Ending } from "../../src/core/settle.ts";
import { cancel } from "../../src/engine/cancel.ts";
import { claim } from "../../src/engine/claim.ts";
import { commit } from "../../src/engine/commit.ts";
import { newTaskIds } from "../../src/engine/ids.ts";
import { prepare } from "../../src/engine/prepare.ts";
import { storeAll } from "../../src/engine/store.ts";
import type { ClaimedTask } from "../../src/results/claim-tasks.ts";
import { readNextDue } from "../../src/results/due-tasks.ts";
import { callsOf } from "../../src/worker/batch-call.ts";
import { Actor, type Trouble } from "./actor.ts";
import { databaseOver, type Execute } from "./database-over.ts";

const SIZE = 3;
const WAIT_MS = 1_000;

/** At most so many of a limited program run at once. */
const LIMIT = 2;

export interface Program {
  limited: boolean;
  steps: Step[];
}

export type Step = (
  | { do: "submit"; items: { tenant: "a" | "b"; lane: "default" | "bulk" }[] }
  | { do: "bell"; pick: number; keep: boolean }
  | { do: "drop"; pick: number }
  | { do: "end"; pick: number; endings: Ending[] }
  | { do: "die"; pick: number }
  | { do: "cancel"; pick: number }
  | { do: "tick" }
  | { do: "wait"; ms: number }
) & { trouble: Trouble | null };

const pick = fc.nat({ max: 20 });
const error = { type: "Error", message: "as asked" };
const ending = fc.constantFrom<Ending>(
  { outcome: "succeeded", result: "1" },
  { outcome: "succeeded", result: "1" },
  { outcome: "failed", error, retryable: true, delayMs: 500 },
  { outcome: "failed", error, retryable: false },
  { outcome: "crashed" },
);
const item = fc.record({
  tenant: fc.constantFrom("a" as const, "a" as const, "b" as const),
  lane: fc.constantFrom("default" as const, "default" as const, "bulk" as const),
});
const trouble = fc.option(
  fc.record({
    kind: fc.constantFrom("die" as const, "fail" as const),
    call: fc.integer({ min: 1, max: 4 }),
    when: fc.constantFrom("before" as const, "after" as const),
  }),
  { freq: 3, nil: null },
);

const of = <Kind extends string, T extends object>(kind: Kind, more: { [K in keyof T]: fc.Arbitrary<T[K]> }) =>
  fc.record({ do: fc.constant(kind), ...more }) as fc.Arbitrary<{ do: Kind } & T>;

const step: fc.Arbitrary<Step> = fc
  .tuple(
    fc.oneof(
      { weight: 4, arbitrary: of("submit", { items: fc.array(item, { minLength: 1, maxLength: 5 }) }) },
      { weight: 6, arbitrary: of("bell", { pick, keep: fc.boolean() }) },
      { weight: 1, arbitrary: of("drop", { pick }) },
      { weight: 4, arbitrary: of("end", { pick, endings: fc.array(ending, { minLength: SIZE, maxLength: SIZE }) }) },
      { weight: 1, arbitrary: of("die", { pick }) },
      { weight: 2, arbitrary: of("cancel", { pick }) },
      { weight: 3, arbitrary: of("tick", {}) },
      { weight: 3, arbitrary: of("wait", { ms: fc.constantFrom(100, 600, 1_100, 16_000) }) },
    ),
    trouble,
  )
  .map(([what, trouble]) => ({ ...what, trouble }));

export const programs: fc.Arbitrary<Program> = fc.record({
  limited: fc.constantFrom(false, false, true),
  steps: fc.array(step, { minLength: 8, maxLength: 30, size: "max" }),
});

/** Virtual time begins here in every world. */
const BEGIN = Date.UTC(2030, 0, 1);

const DRAIN_ROUNDS = 90;

const background = { waitUntil: (promise: Promise<unknown>) => void promise };

const definition = { batch: { size: SIZE } } as TaskDefinition;

export class BatchWorld {
  readonly figures = { calls: 0, whole: 0, items: 0, deaths: 0 };
  readonly #base: Env;
  readonly #execute: Execute;
  readonly #limited: boolean;
  readonly #kv = new Map<string, unknown>();
  readonly #suspects = new Suspects();
  readonly #attempts = new Set<string>();
  #now = BEGIN;
  #ids: string[] = [];
  #bells: string[][] = [];
  #calls: ClaimedTask[][] = [];

  constructor(base: Env, execute: Execute, { limited }: Program) {
    this.#base = base;
    this.#execute = execute;
    this.#limited = limited;
  }

  /** Runs the program, then lets everything go on in peace until nothing is left. Throws at the first wrong. */
  async run(steps: readonly Step[]): Promise<void> {
    for (const each of steps) await this.#step(each);
    for (let round = 0; round < DRAIN_ROUNDS; round++) {
      while (this.#bells.length > 0) await this.#step({ do: "bell", pick: 0, keep: false, trouble: null });
      const endings: Ending[] = Array.from({ length: SIZE }, () => ({ outcome: "succeeded", result: "1" }));
      while (this.#calls.length > 0) await this.#step({ do: "end", pick: 0, endings, trouble: null });
      if (this.#bells.length > 0) continue;
      const next = await readNextDue(databaseOver(this.#execute));
      if (next === null) return this.#checkAllEnded();
      this.#now = Math.max(this.#now, next, this.#suspects.nextAt() ?? 0);
      await this.#step({ do: "tick", trouble: null });
    }
    return this.#checkAllEnded();
  }

  async #step(step: Step): Promise<void> {
    if (step.do === "wait") this.#now += step.ms;
    else if (step.do === "drop") this.#bells.splice(step.pick % (this.#bells.length || 1), 1);
    else if (step.do === "die") this.#calls.splice(step.pick % (this.#calls.length || 1), 1);
    else await this.#act(step);
  }

  async #act(step: Exclude<Step, { do: "wait" | "drop" | "die" }>): Promise<void> {
    this.#now++;
    const actor = new Actor(this.#execute, step.trouble);
    const env = this.#envOf(actor);
    const wrong: Error[] = [];
    const fate = await actor.run(async () => {
      try {
        await this.#do(step, env);
      } catch (thrown) {
        // A call that D1 did not answer is repeated; so whatever is thrown is ours.
        wrong.push(thrown as Error);
      }
    });
    if (fate === "died") this.figures.deaths++;
    for (const error of wrong) throw error;
  }

  async #do(step: Exclude<Step, { do: "wait" | "drop" | "die" }>, env: Env): Promise<void> {
    const now = this.#now;
    switch (step.do) {
      case "submit": {
        const tasks = step.items.map((each, i) => this.#itemOf(env, each, newTaskIds(step.items.length)[i]!));
        this.#ids.push(...tasks.map((task) => task.id));
        return at(now, async () => void (await storeAll(env, background, tasks)));
      }
      case "bell": {
        const n = step.pick % (this.#bells.length || 1);
        const ids = this.#bells[n];
        if (!ids) return;
        if (!step.keep) this.#bells.splice(n, 1);
        const { claimed } = await at(now, () => claim(env, ids));
        this.#checkClaim(claimed, now);
        if (step.trouble === null) await this.#checkNoneIsFull(ids);
        return;
      }
      case "end": {
        const [call] = this.#calls.splice(step.pick % (this.#calls.length || 1), 1);
        if (!call) return;
        const commits = call.map((task, i) => ({
          ...settle({ ...task, undoing: null }, step.endings[i]!, DEFAULT_RETRY, now, 0),
          id: task.id,
          attempt: task.attempt,
          startedAt: task.startedAt,
          at: now,
          progress: null,
          object: 0,
          mayRelease: false,
          concurrency: task.concurrency,
        }));
        await at(now, () => commit(env, commits));
        return;
      }
      case "cancel": {
        const id = this.#ids[step.pick % (this.#ids.length || 1)];
        if (id !== undefined) await at(now, () => cancel(env, [id], null, now));
        return;
      }
      case "tick":
        await at(now, () => tick(env, this.#storage(), now, this.#suspects, { stopwatch: () => 0 }));
    }
  }

  #itemOf(env: Env, { tenant, lane }: { tenant: string; lane: "default" | "bulk" }, id: string) {
    const limit = this.#limited ? { concurrency: { key: "one", limit: LIMIT } } : {};
    const body = { task: "test.batch", input: { value: 1 }, options: { lane, maxAttempts: 5, ...limit } };
    const prepared = prepare(env, body, { tenant, traceparent: null }, id, this.#now);
    if (!prepared.ok) throw new Error(JSON.stringify(prepared.problem));
    return { ...prepared.task, batch: JSON.stringify({ size: SIZE, wait: WAIT_MS }) };
  }

  /** Whole batches, or one that has waited; one tenant and lane each; no attempt twice. */
  #checkClaim(claimed: ClaimedTask[], now: number): void {
    for (const { id, attempt } of claimed) {
      if (this.#attempts.has(`${id}/${attempt}`)) throw new Error(`${id} attempt ${attempt} is in two calls`);
      this.#attempts.add(`${id}/${attempt}`);
    }
    // A task that has its last try alone started with the others all the same.
    const started = claimed.map((task) => ({ task: { ...task, crashes: 0 }, definition }));
    for (const attempts of callsOf(started)) {
      const call = attempts.map(({ task }) => task);
      const told = JSON.stringify(call.map(({ id, tenant, lane, runAt }) => ({ id, tenant, lane, age: now - runAt })));
      if (call.length > SIZE) throw new Error(`a call of ${call.length}: ${told}`);
      if (new Set(call.map((task) => `${task.tenant} ${task.lane}`)).size > 1) throw new Error(`a mixed call: ${told}`);
      if (call.length < SIZE && Math.min(...call.map((task) => task.runAt)) + WAIT_MS > now) {
        throw new Error(`a call that is neither whole nor late: ${told}`);
      }
      this.figures.calls++;
      this.figures.items += call.length;
      if (call.length === SIZE) this.figures.whole++;
      this.#calls.push(call);
    }
  }

  /** After a bell was heard, the tasks that gather with its tasks are too few for a batch. */
  async #checkNoneIsFull(ids: string[]): Promise<void> {
    const [found] = await this.#execute([
      {
        sql: `SELECT tenant, lane, COUNT(*) AS count, SUM(id IN (SELECT value FROM json_each(?1))) AS rung,
                (SELECT COUNT(*) FROM tasks AS other WHERE other.tenant = tasks.tenant AND state = 'running') AS running
              FROM tasks WHERE state = 'queued' GROUP BY tenant, lane`,
        params: [JSON.stringify(ids)],
      },
    ]);
    for (const row of found!.results as { count: number; rung: number; running: number }[]) {
      if (this.#limited && row.running > LIMIT) throw new Error(`${row.running} run where ${LIMIT} may`);
      if (!this.#limited && row.rung > 0 && row.count >= SIZE) throw new Error(`left behind: ${JSON.stringify(row)}`);
    }
  }

  async #checkAllEnded(): Promise<void> {
    const sql =
      "SELECT id, state, due_at FROM tasks WHERE state IN ('scheduled', 'queued', 'running', 'retrying', 'waiting')";
    const [left] = await this.#execute([{ sql, params: [] }]);
    if (left!.results.length > 0) throw new Error(`never ended: ${JSON.stringify(left!.results)}`);
  }

  #envOf(actor: Actor): Env {
    const sendBatch = async (messages: Iterable<{ body: { ids: string[] } }>) => {
      for (const { body } of messages) this.#bells.push(body.ids);
    };
    const queue = { sendBatch } as unknown as Queue;
    return {
      ...this.#base,
      DB: databaseOver(actor.execute),
      LANE_DEFAULT: queue,
      LANE_BULK: queue,
      // No actor learns when it ticks next: the worlds share one memory of that, and their times differ.
      CLOCK: { getByName: () => ({ wakeBy: async () => 0 }) } as unknown as Env["CLOCK"],
    };
  }

  #storage(): SyncKvStorage {
    const kv = this.#kv;
    return {
      get: (key: string) => kv.get(key),
      put: (key: string, value: unknown) => void kv.set(key, value),
    } as unknown as SyncKvStorage;
  }
}

/** Other worlds have other times: what reads the clock at once reads this one. */
async function at<T>(now: number, verb: () => Promise<T>): Promise<T> {
  vi.setSystemTime(now);
  return verb();
}
