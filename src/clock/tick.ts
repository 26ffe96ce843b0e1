/** One tick: looks at every row that is due, and does what the rules in core/wake.ts say. */

import { log } from "../core/log.ts";
import { budgetOf, type TickBudget } from "../core/plan.ts";
import { earliest, nextPurge, wake } from "../core/wake.ts";
import { announce } from "../engine/announce.ts";
import { moveCircuits } from "../engine/limits/circuits.ts";
import { purge } from "../engine/delete.ts";
import { deliverOwed } from "../engine/webhooks/deliver.ts";
import { expire } from "../engine/expire.ts";
import { start } from "../engine/start.ts";
import { writeCounts } from "../engine/stats/observe.ts";
import { rescue } from "../engine/rescue.ts";
import { tellObjects } from "../engine/events/tell.ts";
import { readDue, readNextDue, type DueTask } from "../results/due-tasks.ts";
import { startTasks, type Postponed } from "../results/start-tasks.ts";
import { glance, type Glance } from "../results/glance.ts";
import { Metered, type Stopwatch } from "../results/metered.ts";
import { SpentError } from "../results/trouble.ts";
import { TENANT_COST, watchAlerts } from "./alerts.ts";
import { doRound } from "./chores.ts";
import { keepDeadlines } from "./deadlines.ts";
import { heldLanes, openLanes, type HeldLanes } from "./lanes.ts";
import { noteDeploy } from "./deploys.ts";
import { keepWaiters } from "./waiters.ts";
import { keepSchedules } from "./schedules.ts";
import { sealEndpoints } from "./sealing.ts";
import type { Suspects } from "./suspects.ts";
import { countUsage } from "./usage.ts";

/** D1 statements that each part of a tick makes at most, about. A part that would exceed the budget is left to the next tick. */
const COST = {
  look: 42,
  deliver: 25,
  schedules: 22,
  lane: 3,
  flow: 14,
  chores: 34,
  sealing: 11,
  circuits: 8,
  usage: 12,
  deploy: 1,
} as const;

/** At most in one tick: ends whose webhooks are delivered, and keys with a free slot for which a message is sent. */
const MAX_OWED = 100;
const MAX_KEYS = 100;

/** Chunks of rows in one tick: each row may be a request to an object, of which an event may make 10,000. */
const MAX_CHUNKS = 5;

/** Pause before an object that could not be told is told again. */
const TELL_AGAIN_MS = 5_000;

/** Pause before the clock looks again at ends that could not be delivered. */
const STILL_OWED_MS = 2_000;

/** Pause before expiries that failed are tried again. */
const EXPIRE_AGAIN_MS = 5_000;

/** Between two looks at a task kept past its retention because its flow or parent has not ended; a tenth of the time past it, if longer. */
const KEPT_MS = 30_000;

/** What a tick may use, and how it measures time; a test gives its own. */
export interface Allowance {
  budget?: TickBudget;
  stopwatch?: Stopwatch;
}

/**
 * Does all that is due at `now` and returns when to tick next, both in ms since the epoch; null where nothing will be due.
 * Throws where D1 does not answer; `suspects`, the attempts that may have been cut off, is then empty.
 */
export async function tick(
  env: Env,
  kv: SyncKvStorage,
  now: number,
  suspects: Suspects,
  { budget = budgetOf(env).tick, stopwatch }: Allowance = {},
): Promise<number | null> {
  const meter = new Metered(env.DB, stopwatch, budgetOf(env).statements);
  try {
    const next = await new Tick({ ...env, DB: meter.db }, kv, now, suspects, budget, meter).run();
    if (meter.isShaky) suspects.doubt(now);
    return next;
  } catch (error) {
    if (meter.hasFailed) suspects.forget();
    // Work that was begun is still due, and the next tick has statements for it.
    if (error instanceof SpentError) return now;
    throw error;
  }
}

class Tick {
  readonly #env: Env;
  readonly #kv: SyncKvStorage;
  readonly #now: number;
  readonly #suspects: Suspects;
  readonly #budget: TickBudget;
  readonly #meter: Metered;
  /** Whether the next tick must follow at once. */
  #isMore = false;

  constructor(env: Env, kv: SyncKvStorage, now: number, suspects: Suspects, budget: TickBudget, meter: Metered) {
    this.#env = env;
    this.#kv = kv;
    this.#now = now;
    this.#suspects = suspects;
    this.#budget = budget;
    this.#meter = meter;
  }

  /** Urgent work comes first: work that exceeds the budget is left to the next tick. */
  async run(): Promise<number | null> {
    const [env, kv, now] = [this.#env, this.#kv, this.#now];
    const seen = await glance(env.DB, now, this.#budget.rows, this.#suspects.unripe(now));
    const reserve = seen.due.length > 0 ? COST.look : 0;
    const looks = [
      await this.#deliver(seen, reserve),
      await this.#ifAffordable(COST.schedules + reserve, (mayGoOn) => keepSchedules(env, kv, now, seen, mayGoOn)),
    ];
    const held = heldLanes(seen.lanes, now);
    const keys = Math.min(MAX_KEYS, this.#budget.rows);
    if (await openLanes(env, now, seen.lanes, this.#affords(COST.lane + reserve))) this.#isMore = true;
    looks.push(
      await this.#lookAtAll(seen, held),
      earliest(seen.lanes.map(({ name, until }) => (held.has(name) ? until : null))),
      await this.#ifAffordable(COST.flow, (mayGoOn) => keepDeadlines(env, now, seen.nextDeadline, mayGoOn)),
      await this.#ifAffordable(keys + 2, () => keepWaiters(env, now, seen.hasWaiters, keys)),
      await this.#ifAffordable(COST.circuits, () => moveCircuits(env, now, seen.tripped)),
      await this.#ifAffordable(COST.chores, (mayGoOn) => doRound(env, kv, now, seen.unfolded, this.#budget, mayGoOn)),
      await countUsage(env, kv, now, this.#affords(COST.usage)),
      // A tick may take long: what waits is as old as it is when it is looked at.
      await watchAlerts(env, kv, now + this.#meter.elapsedMs, seen.watched, this.#affords(TENANT_COST)),
      await this.#ifAffordable(COST.sealing, () => sealEndpoints(env, kv, now)),
    );
    if (this.#affords(COST.deploy)()) await noteDeploy(env, kv, now);
    return this.#isMore ? now : earliest([...looks, this.#suspects.nextAt()]);
  }

  /** Whether the budget has `cost` more statements. */
  #affords(cost: number): () => boolean {
    return () => this.#meter.statements + cost <= this.#budget.statements;
  }

  async #ifAffordable(cost: number, work: (mayGoOn: () => boolean) => Promise<number | null>): Promise<number | null> {
    const mayGoOn = this.#affords(cost);
    if (mayGoOn()) return work(mayGoOn);
    this.#isMore = true;
    return null;
  }

  /** Delivers owed webhooks. Never throws: webhooks must not hold up the tasks. */
  async #deliver({ owes }: Glance, reserve: number): Promise<number | null> {
    if (!owes) return null;
    return this.#ifAffordable(COST.deliver + reserve, async (mayGoOn) => {
      try {
        const { failed, more } = await deliverOwed(this.#env, Math.min(MAX_OWED, this.#budget.rows), mayGoOn);
        if (more) this.#isMore = true;
        return failed ? this.#now + STILL_OWED_MS : null;
      } catch (error) {
        log("outbox_not_read", { error });
        return this.#now + STILL_OWED_MS;
      }
    });
  }

  /** Looks at all rows that are due; returns when the next row is due. */
  async #lookAtAll({ due, nextDue }: Glance, held: HeldLanes): Promise<number | null> {
    const { rows } = this.#budget;
    const now = this.#now;
    let next = nextDue;
    let isLate = false;
    let hasEnded = false;
    let chunk = due;
    for (let n = 1; ; n++) {
      if (chunk.length > 0) {
        const looked = await this.#look(chunk, held);
        if (looked.nextDue !== undefined) [next, isLate] = [looked.nextDue, false];
        // A rescue sets timers after `nextDue` was read.
        isLate ||= looked.hasRescued;
        hasEnded ||= looked.hasRescued || looked.hasExpired;
      }
      if (chunk.length < rows) {
        this.#suspects.clear(now);
        break;
      }
      if (n === MAX_CHUNKS || !this.#affords(COST.look)()) {
        this.#isMore = true;
        break;
      }
      chunk = await readDue(this.#env.DB, now, rows, this.#suspects.unripe(now));
    }
    if (hasEnded) await writeCounts(this.#env);
    return isLate ? readNextDue(this.#env.DB, now) : next;
  }

  async #look(due: DueTask[], held: HeldLanes): Promise<Looked> {
    const [env, now] = [this.#env, this.#now];
    const looked = due.map((row) => ({ row, wake: wake(row, now, held.get(row.lane)) }));
    const rowsTo = (verb: string) => looked.filter((each) => each.wake.do === verb).map((each) => each.row);
    const idsTo = (verb: string) => rowsTo(verb).map((row) => row.id);

    // Purges first: a full database has no room for the other writes.
    const later = await this.#purge(rowsTo("purge"));
    // Then sets the timers, so that a row whose work fails below is looked at again.
    const untold = new Set(await tellObjects(env, rowsTo("tell")));
    const timers = looked.flatMap(({ row, wake }) => {
      if (!("dueAt" in wake)) return [];
      return [postpone(row, untold.has(row.id) ? now + TELL_AGAIN_MS : wake.dueAt)];
    });
    const [starting, expired, postponed] = [idsTo("start"), rowsTo("expire"), [...later, ...timers]];
    let nextDue: number | null | undefined;
    if (starting.length + postponed.length > 0) nextDue = await start(env, starting, postponed, now, held);
    await announce(env, { ring: rowsTo("ring") }, now);
    const crashed = this.#confirm(rowsTo("rescue"));
    await rescue(env, crashed, now);
    if (expired.length > 0) nextDue = await this.#expire(expired, held);
    return { nextDue, hasExpired: expired.length > 0, hasRescued: crashed.length > 0 };
  }

  /**
   * Ends expired tasks, in one transaction; returns when the next row is due. An expiry may end a whole flow: where that
   * fails, the two halves are tried apart, and so on, so that one that always fails holds up no other for long.
   */
  async #expire(rows: DueTask[], held: HeldLanes): Promise<number | null> {
    const [env, now] = [this.#env, this.#now];
    try {
      return await expire(
        env,
        rows.map((row) => row.id),
        now,
        held,
      );
    } catch (error) {
      if (error instanceof SpentError) throw error;
      log("expiry_not_written", { tasks: rows.length, error });
      const half = rows.length / 2;
      const again = rows.map((row, i) => postpone(row, now + (i < half ? 1 : 2) * EXPIRE_AGAIN_MS));
      return (await startTasks(env.DB, [], now, again)).nextDue;
    }
  }

  /** Those of `rows`, whose leases have expired, that no worker is expected to renew. */
  #confirm(rows: DueTask[]): DueTask[] {
    if (this.#meter.isShaky) this.#suspects.doubt(this.#now);
    return this.#suspects.confirm(rows, this.#now, Number(this.#env.BOOT_AT ?? 0));
  }

  /** Purges tasks; returns those that must stay, with the time of the next look. */
  async #purge(rows: DueTask[]): Promise<Postponed[]> {
    const { kept, left } = await purge(this.#env, rows, this.#now, this.#budget.chunk);
    if (left.length > 0) this.#isMore = true;
    return rows.flatMap((row) => {
      if (!kept.has(row.id)) return [];
      const until = kept.get(row.id);
      if (until !== undefined) return [postpone(row, until)];
      const overdue = this.#now - (row.retainUntil ?? this.#now);
      return [postpone(row, nextPurge(this.#now + Math.max(KEPT_MS, Math.floor(overdue / 10))))];
    });
  }
}

/** The outcome of a look at a chunk of rows. */
interface Looked {
  /** When the next row is due, null where none is; undefined where it was not read. */
  nextDue?: number | null | undefined;
  hasExpired: boolean;
  hasRescued: boolean;
}

function postpone({ id, state, dueAt: seen }: DueTask, dueAt: number | null): Postponed {
  return { id, state, seen, dueAt };
}
