/**
 * Random programs for the engine: what callers, workers, the queue and the clock do with a handful of
 * tasks, in any order, in virtual time, with troubles at any call to D1. After every step the rows are
 * compared with the model, as far as the step was done, and with what must always hold.
 */

import { vi } from "vitest";
import fc from "fast-check";
import { settle, type Ending } from "../../src/core/settle.ts";
import { isTerminal } from "../../src/core/states.ts";
import { since } from "../../src/core/timeline.ts";
import { OBJECT } from "../../src/core/wake.ts";
import { Suspects } from "../../src/clock/suspects.ts";
import { tick } from "../../src/clock/tick.ts";
import { cancel } from "../../src/engine/cancel.ts";
import { claim } from "../../src/engine/claim.ts";
import { commit } from "../../src/engine/commit.ts";
import { newTaskIds } from "../../src/engine/ids.ts";
import { prepare } from "../../src/engine/prepare.ts";
import { retry } from "../../src/engine/retry.ts";
import { storeAll } from "../../src/engine/store.ts";
import type { Snapshot } from "../../src/progress/snapshot.ts";
import type { ClaimedTask } from "../../src/results/claim-tasks.ts";
import { noteLateEnd, type Commit } from "../../src/results/commit-attempts.ts";
import { readNextDue } from "../../src/results/due-tasks.ts";
import { LEASE_MS } from "../../src/core/bounds.ts";
import { renewLeases } from "../../src/results/leases.ts";
import { markObject } from "../../src/results/read-tasks.ts";
import { historyOf, livedOf } from "../../src/results/task-row.ts";
import * as model from "../core/model-task.ts";
import type { ModelTask } from "../core/model-task.ts";
import { Actor, type Trouble } from "./actor.ts";
import { databaseOver, type Execute } from "./database-over.ts";
import { look, wrongMoves, wrongWith, type Seen } from "./witness.ts";

/** What a step does; the numbers choose among what there is at that moment. */
export type Step = (
  | {
      do: "submit";
      tasks: { delayMs: number; expiresInMs: number | null; maxAttempts: number; retention: string | null }[];
    }
  | { do: "bell"; pick: number; keep: boolean }
  | { do: "drop"; pick: number }
  | { do: "end"; picks: number[]; ending: Ending }
  | { do: "beat"; picks: number[] }
  | { do: "cancel"; picks: number[]; undo: boolean }
  | { do: "mark"; picks: number[] }
  | { do: "retry"; picks: number[] }
  | { do: "listen"; pick: number }
  | { do: "tick"; doubtful: boolean; unreachable: boolean }
  | { do: "wait"; ms: number }
  | { do: "resume"; pick: number; how: "live" | "die" }
) & { trouble: Trouble | null };

const picks = fc.array(fc.nat({ max: 20 }), { minLength: 1, maxLength: 3 });
const pick = fc.nat({ max: 20 });

const error = { type: "Error", message: "as asked" };

const endings = fc.constantFrom<Ending>(
  { outcome: "succeeded", result: '"done"' },
  { outcome: "failed", error, retryable: true },
  { outcome: "failed", error, retryable: true },
  { outcome: "failed", error, retryable: false },
  { outcome: "failed", error, retryable: true, delayMs: 20_000 },
  { outcome: "timeout", error: { type: "timeout", message: "late" } },
  { outcome: "snoozed", delayMs: 5_000 },
  { outcome: "crashed" },
);

const wishes = fc.record({
  delayMs: fc.constantFrom(0, 0, 0, 2_000, 50_000),
  expiresInMs: fc.constantFrom(null, null, 60_000),
  maxAttempts: fc.integer({ min: 1, max: 3 }),
  retention: fc.constantFrom(null, null, "20s"),
});

const troubles = fc.option(
  fc.record({
    kind: fc.constantFrom("die" as const, "fail" as const, "pause" as const),
    call: fc.integer({ min: 1, max: 5 }),
    when: fc.constantFrom("before" as const, "after" as const),
  }),
  { freq: 2, nil: null },
);

const weighted = <T>(weight: number, arbitrary: fc.Arbitrary<T>) => ({ weight, arbitrary });

const steps: fc.Arbitrary<Step> = fc
  .tuple(
    fc.oneof(
      weighted(
        3,
        fc.record({ do: fc.constant("submit" as const), tasks: fc.array(wishes, { minLength: 1, maxLength: 3 }) }),
      ),
      weighted(7, fc.record({ do: fc.constant("bell" as const), pick, keep: fc.boolean() })),
      weighted(1, fc.record({ do: fc.constant("drop" as const), pick })),
      weighted(8, fc.record({ do: fc.constant("end" as const), picks, ending: endings })),
      weighted(2, fc.record({ do: fc.constant("beat" as const), picks })),
      weighted(3, fc.record({ do: fc.constant("cancel" as const), picks, undo: fc.boolean() })),
      weighted(4, fc.record({ do: fc.constant("mark" as const), picks })),
      weighted(3, fc.record({ do: fc.constant("retry" as const), picks })),
      weighted(1, fc.record({ do: fc.constant("listen" as const), pick })),
      weighted(6, fc.record({ do: fc.constant("tick" as const), doubtful: fc.boolean(), unreachable: fc.boolean() })),
      weighted(
        5,
        fc.record({
          do: fc.constant("wait" as const),
          ms: fc.constantFrom(300, 2_000, 16_000, 30_000, 200_000, 9 * 86_400_000),
        }),
      ),
      weighted(
        2,
        fc.record({ do: fc.constant("resume" as const), pick, how: fc.constantFrom("live" as const, "die" as const) }),
      ),
    ),
    troubles,
  )
  .map(([step, trouble]) => ({ ...step, trouble }));

const firstSteps: fc.Arbitrary<Step> = fc
  .array(wishes, { minLength: 1, maxLength: 4 })
  .map((tasks) => ({ do: "submit", tasks, trouble: null }));

export const programs: fc.Arbitrary<Step[]> = fc
  .tuple(firstSteps, fc.array(steps, { minLength: 6, maxLength: 28, size: "max" }))
  .map(([first, rest]) => [first, ...rest]);

/** Virtual time begins here in every world. */
const BEGIN = Date.UTC(2030, 0, 1);

/** Rounds of clock and bells after which everything must have ended. */
const DRAIN_ROUNDS = 90;

/** What happened, for the count at the end. */
export interface Tally {
  steps: number;
  claims: number;
  died: number;
  failed: number;
  paused: number;
  fenced: number;
  undone: number;
}

/** One program's world: its tasks, its queue, its workers, its listeners. */
export class World {
  readonly tally: Tally = { steps: 0, claims: 0, died: 0, failed: 0, paused: 0, fenced: 0, undone: 0 };
  readonly #execute: Execute;
  readonly #base: Env;
  readonly #kv = new Map<string, unknown>();
  readonly #suspects = new Suspects();
  readonly #claimed = new Set<string>();
  /** What a listener has heard of each task: the marks of its events. */
  readonly #heard = new Map<string, number[]>();
  readonly #listened = new Set<string>();
  readonly #ended = new Set<string>();
  #now = BEGIN;
  #due = new Map<string, number | null>();
  /** When the clock ticks next, as far as it was told. */
  #alarm: number | null = null;
  #ids: string[] = [];
  #bells: string[][] = [];
  #held: ClaimedTask[] = [];
  #paused: Actor[] = [];
  #model = new Map<string, ModelTask>();
  #lastMove = 0;
  #isUnreachable = false;

  constructor(base: Env, execute: Execute) {
    this.#base = base;
    this.#execute = execute;
  }

  /** Runs the program, then lets clock, queue and workers go on in peace until nothing is left. Throws at the first wrong. */
  async run(program: readonly Step[]): Promise<void> {
    for (const step of program) await this.#step(step);
    await this.#drain();
  }

  async #step(step: Step): Promise<void> {
    this.tally.steps++;
    if (step.do === "wait") this.#now += step.ms;
    else if (step.do === "drop") this.#bells.splice(step.pick % (this.#bells.length || 1), 1);
    else if (step.do === "resume") await this.#resume(step.pick, step.how);
    else await this.#act(step);
  }

  /** A verb by an actor of its own, which may be in trouble. */
  async #act(step: Exclude<Step, { do: "wait" | "drop" | "resume" }>): Promise<void> {
    // Nothing happens twice in one millisecond, as a manual retry takes it for granted.
    this.#now++;
    const actor = new Actor(this.#execute, step.trouble);
    const env = this.#envOf(actor);
    const expected = new Map(this.#model);
    const expect = (id: string, change: (task: ModelTask) => ModelTask | null) => {
      const task = expected.get(id);
      const changed = task && change(task);
      if (changed === null) expected.delete(id);
      else if (changed) expected.set(id, changed);
    };
    const work = this.#workOf(step, env, expect);
    if (work === null) return;
    const fate = await actor.run(work);
    if (step.trouble?.kind === "fail") this.tally.failed++;
    if (fate === "died") this.tally.died++;
    if (fate === "paused") {
      this.tally.paused++;
      this.#paused.push(actor);
    }
    // Where a call has failed, heartbeats may have failed as well: the clock does not trust what it saw.
    const isUnsure = step.do === "tick" && step.trouble?.kind === "fail";
    await this.#check(step, fate === "done" && !isUnsure ? expected : null);
  }

  #workOf(
    step: Exclude<Step, { do: "wait" | "drop" | "resume" }>,
    env: Env,
    expect: (id: string, change: (task: ModelTask) => ModelTask | null) => void,
  ): (() => Promise<void>) | null {
    const now = this.#now;
    switch (step.do) {
      case "submit":
        return this.#submit(step.tasks, env);
      case "bell": {
        const n = step.pick % (this.#bells.length || 1);
        const ids = this.#bells[n];
        if (!ids) return null;
        if (!step.keep) this.#bells.splice(n, 1);
        for (const id of ids) expect(id, (task) => model.claimed(task, now));
        return async () => this.#answered((await at(now, () => claim(env, ids))).claimed);
      }
      case "end": {
        const ending = step.ending;
        const ends = this.#choose(this.#held, step.picks);
        if (ends.length === 0) return null;
        this.#held = this.#held.filter((task) => !ends.includes(task));
        for (const task of ends) {
          expect(task.id, (known) => model.ended(known, task.attempt, model.endingFor(task, ending), now));
        }
        return () => this.#end(env, ends, ending, now);
      }
      case "beat": {
        const beating = this.#choose(this.#held, step.picks);
        if (beating.length === 0) return null;
        for (const task of beating) expect(task.id, (known) => model.renewed(known, task.attempt, now));
        const renewals = beating.map(({ id, attempt }) => ({ id, attempt, until: now + LEASE_MS }));
        // A heartbeat that failed is followed by another.
        const renew = async () => void (await renewLeases(env.DB, renewals));
        return async () => renew().catch(renew);
      }
      case "cancel": {
        const ids = this.#choose(this.#ids, step.picks);
        if (ids.length === 0) return null;
        for (const id of ids) expect(id, (task) => model.cancelled(task, now, step.undo));
        return async () => void (await at(now, () => cancel(env, ids, null, now, step.undo)));
      }
      case "mark": {
        const ids = this.#choose(this.#held, step.picks).map((task) => task.id);
        if (ids.length === 0) return null;
        for (const id of ids) expect(id, model.undoable);
        return async () => {
          for (const id of new Set(ids)) await markObject(env.DB, id, OBJECT.undo);
        };
      }
      case "retry": {
        const ids = this.#choose(this.#ids, step.picks);
        if (ids.length === 0) return null;
        for (const id of ids) expect(id, (task) => model.retried(task, now));
        return async () => void (await at(now, () => retry(env, background, ids, null, now)));
      }
      case "listen": {
        const [id] = this.#choose(this.#ids, [step.pick]);
        if (!id) return null;
        expect(id, (task) => ({ ...task, object: task.object | OBJECT.listened }));
        return async () => {
          const row = await markObject(env.DB, id, OBJECT.listened);
          // A caller that comes after the end reads the row.
          if (row && !isTerminal(row.state)) this.#listened.add(id);
        };
      }
      case "tick": {
        this.#isUnreachable = step.unreachable;
        if (step.doubtful) this.#suspects.doubt(now);
        for (const [id, task] of this.#model) {
          const isDue = (this.#due.get(id) ?? Infinity) <= now;
          if (isDue) expect(id, () => model.looked(task, now, this.#suspects.isRipe({ id, ...task }, now, 0)));
        }
        if (this.#alarm !== null && this.#alarm <= now) this.#alarm = null;
        return async () => {
          const next = await at(now, () => tick(env, this.#storage(), now, this.#suspects, { stopwatch: () => 0 }));
          if (next !== null) this.#wakeBy(next);
        };
      }
    }
  }

  #submit(wishes: Extract<Step, { do: "submit" }>["tasks"], env: Env): () => Promise<void> {
    const now = this.#now;
    const ids = newTaskIds(wishes.length);
    const tasks = wishes.map(({ delayMs, expiresInMs, maxAttempts, retention }, i) => {
      const options = {
        delay: delayMs,
        maxAttempts,
        ...(expiresInMs === null ? {} : { expiresIn: expiresInMs }),
        ...(retention === null ? {} : { retention }),
      };
      const prepared = prepare(env, { task: "test.noop", options }, { tenant: "t", traceparent: null }, ids[i]!, now);
      if (!prepared.ok) throw new Error(JSON.stringify(prepared.problem));
      return prepared.task;
    });
    this.#ids.push(...ids);
    return () => at(now, async () => void (await storeAll(env, background, tasks)));
  }

  async #end(env: Env, ends: ClaimedTask[], ending: Ending, now: number): Promise<void> {
    const commits = ends.map((task): Commit => ({
      ...settle({ ...task, undoing: model.undoingOf(task) }, model.endingFor(task, ending), model.POLICY, now, 0),
      id: task.id,
      attempt: task.attempt,
      startedAt: task.startedAt,
      at: now,
      progress: null,
      object: 0,
      mayRelease: task.mayRelease === 1,
      concurrency: task.concurrency,
    }));
    const running = ends.filter(({ id, attempt }) => {
      const known = this.#model.get(id);
      return known?.state === "running" && known.attempt === attempt;
    });
    const held = await at(now, () => commit(env, commits));
    const holds = ({ id, attempt }: ClaimedTask) => held.some((each) => each.id === id && each.attempt === attempt);
    // An actor that paused or died may find the row in another state; but none is told that a fenced end holds.
    for (const task of ends) {
      if (holds(task) && !running.includes(task))
        throw new Error(`${task.id} attempt ${task.attempt} was fenced, and held`);
    }
    this.tally.undone += ends.filter((each) => each.undo !== null && holds(each)).length;
    for (const task of ends.filter((each) => !holds(each))) {
      this.tally.fenced++;
      await noteLateEnd(env.DB, task.id, task.attempt, { outcome: ending.outcome, at: now });
    }
  }

  #answered(claimed: ClaimedTask[]): void {
    for (const task of claimed) {
      const attempt = `${task.id} attempt ${task.attempt}`;
      if (this.#claimed.has(attempt)) throw new Error(`${attempt} was given to two workers`);
      this.#claimed.add(attempt);
      this.#held.push(task);
      this.tally.claims++;
    }
  }

  async #resume(n: number, how: "live" | "die"): Promise<void> {
    const [actor] = this.#paused.splice(n % (this.#paused.length || 1), 1);
    if (!actor) return;
    await actor.resume(how);
    await this.#check({ do: "resume", how }, null);
  }

  /** Everything in peace: no actor dies, no bell is lost, every attempt succeeds. An actor that stood still goes on when all is over. */
  async #drain(): Promise<void> {
    await this.#finish();
    while (this.#paused.length > 0) {
      await this.#resume(0, "live");
      await this.#finish();
    }
    await this.#checkListeners();
  }

  async #finish(): Promise<void> {
    const calm = { trouble: null };
    for (let round = 0; round < DRAIN_ROUNDS; round++) {
      while (this.#bells.length > 0) await this.#step({ do: "bell", pick: 0, keep: false, ...calm });
      const all = this.#held.map((_, i) => i);
      if (all.length > 0) {
        await this.#step({ do: "end", picks: all, ending: { outcome: "succeeded", result: '"done"' }, ...calm });
      }
      const lives = [...this.#model.values()].some((task) => !isTerminal(task.state));
      if (!lives && this.#bells.length === 0) return;
      const next = await readNextDue(databaseOver(this.#execute));
      if (next === null) throw new Error("tasks live, and nothing is ever due");
      this.#now = Math.max(this.#now, next, this.#suspects.nextAt() ?? 0);
      await this.#step({ do: "tick", doubtful: false, unreachable: false, ...calm });
    }
    throw new Error(`never ended: ${JSON.stringify([...this.#model].filter(([, task]) => !isTerminal(task.state)))}`);
  }

  /** Every listener whose object could be reached at last has heard of the end. */
  async #checkListeners(): Promise<void> {
    this.#now += 10_000;
    await this.#step({ do: "tick", doubtful: false, unreachable: false, trouble: null });
    for (const [id, task] of this.#model) {
      if (this.#listened.has(id) && isTerminal(task.state) && !this.#ended.has(id)) {
        throw new Error(`the listener of ${id} was not told that it is ${task.state}`);
      }
    }
  }

  /** The rows as they are now; `expected` is null where the step may have been done in part. */
  async #check(step: object, expected: Map<string, ModelTask> | null): Promise<void> {
    const { rows, moves } = await look(this.#execute, this.#lastMove);
    this.#lastMove = moves.at(-1)?.n ?? this.#lastMove;
    const wrong = [...wrongMoves(moves, this.#now), ...[...rows.values()].flatMap((row) => wrongWith(row, this.#now))];
    const actual = new Map([...rows].map(([id, row]) => [id, modelOf(row)]));
    if (expected !== null) wrong.push(...differences(expected, actual));
    // The clock looks at an attempt that may have been cut off when it said, not when the row did.
    const suspects = new Set(this.#suspects.unripe(0));
    const others = [...rows.values()].filter((row) => row.state !== "running" || !suspects.has(row.id));
    const looks = others.map((row) => row.dueAt ?? Infinity);
    const due = Math.min(...looks, this.#suspects.nextAt() ?? Infinity);
    if (expected === null) this.#wakeBy(due);
    else if (due < (this.#alarm ?? Infinity))
      wrong.push(`the clock sleeps until ${this.#alarm}, and something is due at ${due}`);
    if (wrong.length > 0) {
      throw new Error(`after ${JSON.stringify(step)} at +${this.#now - BEGIN} ms:\n  ${wrong.join("\n  ")}`);
    }
    this.#model = actual;
    this.#due = new Map([...rows].map(([id, row]) => [id, row.dueAt]));
  }

  /** As the clock itself does it. A watchdog looks where an actor died before telling it. */
  #wakeBy(time: number): void {
    if (time < (this.#alarm ?? Infinity)) this.#alarm = time;
  }

  #choose<T>(from: readonly T[], picks: readonly number[]): T[] {
    if (from.length === 0) return [];
    return [...new Set(picks.map((n) => from[n % from.length]!))];
  }

  #envOf(actor: Actor): Env {
    const queue = {
      sendBatch: async (messages: Iterable<{ body: { ids: string[] } }>) => {
        for (const { body } of messages) this.#bells.push(body.ids);
      },
    };
    const wakeBy = async (time: number) => {
      this.#wakeBy(time);
      // No actor learns when it ticks next: the worlds share one memory of that, and their times differ.
      return 0;
    };
    return {
      ...this.#base,
      DB: databaseOver(actor.execute),
      LANE_DEFAULT: queue as unknown as Queue,
      CLOCK: { getByName: () => ({ wakeBy }) } as unknown as Env["CLOCK"],
      PROGRESS: { getByName: (id: string) => this.#objectOf(id) } as unknown as Env["PROGRESS"],
    };
  }

  #objectOf(id: string) {
    return {
      sync: async (snapshot: Snapshot) => {
        if (this.#isUnreachable) throw new Error("the object is overloaded");
        const heard = this.#heard.get(id) ?? [];
        const fresh = since(snapshot.moments, heard.at(-1) ?? -1).map((moment) => moment.seq);
        this.#heard.set(id, [...heard, ...fresh]);
        if (snapshot.ended) this.#ended.add(id);
        else if (fresh.length > 0) this.#ended.delete(id);
      },
      destroy: async () => {},
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

const background = { waitUntil: (promise: Promise<unknown>) => void promise };

/** Other worlds have other times: what reads the clock at once reads this one. */
async function at<T>(now: number, verb: () => Promise<T>): Promise<T> {
  vi.setSystemTime(now);
  return verb();
}

function modelOf(row: Seen): ModelTask {
  return { ...livedOf(row), ...row, history: historyOf(row) };
}

const COMPARED = [
  "state",
  "run",
  "attempt",
  "failures",
  "crashes",
  "runAt",
  "startedAt",
  "finishedAt",
  "expiresAt",
  "leaseUntil",
  "retainUntil",
  "cancelRequestedAt",
  "object",
  "undo",
  "cancelUndo",
] as const;

function differences(expected: Map<string, ModelTask>, actual: Map<string, ModelTask>): string[] {
  const known = [...actual].flatMap(([id, task]) => {
    const model = expected.get(id);
    if (!model) return [];
    const fields = COMPARED.filter((field) => model[field] !== task[field]);
    const wrong = fields.map((field) => `${id}: ${field} should be ${model[field]} and is ${task[field]}`);
    const outcomes = (each: ModelTask) =>
      each.history.map((entry) => `${entry.number} ${entry.outcome} ${entry.to}`).join(", ");
    return outcomes(model) === outcomes(task)
      ? wrong
      : [...wrong, `${id}: history should be ${outcomes(model)} and is ${outcomes(task)}`];
  });
  // Whether a removal was right is the witness's to say; when it comes is the retention walk's.
  const gone = [...expected]
    .filter(([id, task]) => !actual.has(id) && !isTerminal(task.state))
    .map(([id]) => `${id} is gone`);
  return [...known, ...gone];
}
