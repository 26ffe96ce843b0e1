/** One tick: look at every row that is due, and do what the rules say. */

import { earliest } from "../broker/poke.ts";
import { budgetOf, type TickBudget } from "../core/plan.ts";
import { nextPurge, wake } from "../core/wake.ts";
import { moveCircuits } from "../engine/circuits.ts";
import { deleteEnded } from "../engine/delete.ts";
import { deliverOwed } from "../engine/deliver.ts";
import { expire } from "../engine/expire.ts";
import { writeCounts } from "../engine/observe.ts";
import { rescue } from "../engine/rescue.ts";
import { ring, start } from "../engine/start.ts";
import { tellObjects } from "../engine/tell.ts";
import { postponeTasks, readDue, readNextDue, type DueTask } from "../results/due-tasks.ts";
import { glance, type Glance } from "../results/glance.ts";
import { Metered, type Stopwatch } from "../results/metered.ts";

import { doRound } from "./chores.ts";
import { keepDeadlines } from "./deadlines.ts";
import { heldLanes, openLanes, type HeldLanes } from "./lanes.ts";
import { keepLine } from "./line.ts";
import { keepSchedules } from "./schedules.ts";
import type { Suspects } from "./suspects.ts";

/** Statements that a piece of the work makes at most, about. A piece that would exceed the budget is left to the next tick. */
const COST = { look: 34, deliver: 25, schedules: 22, lane: 2, flow: 14, chores: 24, circuits: 8 } as const;

/** Ends delivered, and keys with an idle place rung for, in one go: at most. */
const MAX_OWED = 100;
const MAX_KEYS = 100;

/** Chunks of rows in one tick: each row may be a request to an object, of which an event may make 10,000. */
const MAX_CHUNKS = 5;

/** When an object that could not be told is told again. */
const TELL_AGAIN_MS = 5_000;

/** When the clock looks again at ends that could not be delivered. */
const STILL_OWED_MS = 2_000;

/** Between two looks at a task that is kept beyond its retention because its flow or its parent lives; or a tenth of the time so far. */
const KEPT_MS = 30_000;

/** What a tick may use, and how it measures time; a test gives its own. */
export interface Allowance {
  budget?: TickBudget;
  stopwatch?: Stopwatch;
}

/**
 * Does all that is due at `now` and answers when to tick next, both in ms since the epoch; null when nothing ever is. Throws
 * where D1 does not answer: `suspects`, the clock's memory of attempts that may have been cut off, then begins anew.
 */
export async function tick(
  env: Env,
  kv: SyncKvStorage,
  now: number,
  suspects: Suspects,
  { budget = budgetOf(env).tick, stopwatch }: Allowance = {},
): Promise<number | null> {
  const meter = new Metered(env.DB, stopwatch);
  try {
    const next = await new Tick({ ...env, DB: meter.db }, kv, now, suspects, budget, meter).run();
    if (meter.isShaky) suspects.doubt(now);
    return next;
  } catch (error) {
    if (meter.hasFailed) suspects.forget();
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

  /** What is urgent comes first: what the budget does not allow is the next tick's. */
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
      await this.#ifAffordable(keys + 2, () => keepLine(env, now, seen.inLine, keys)),
      await this.#ifAffordable(COST.circuits, () => moveCircuits(env, now, seen.tripped)),
      await this.#ifAffordable(COST.chores, (mayGoOn) => doRound(env, kv, now, seen.unfolded, this.#budget, mayGoOn)),
    );
    return this.#isMore ? now : earliest([...looks, this.#suspects.nextAt()]);
  }

  /** Whether so many statements are left. */
  #affords(cost: number): () => boolean {
    return () => this.#meter.statements + cost <= this.#budget.statements;
  }

  async #ifAffordable(cost: number, work: (mayGoOn: () => boolean) => Promise<number | null>): Promise<number | null> {
    const mayGoOn = this.#affords(cost);
    if (mayGoOn()) return work(mayGoOn);
    this.#isMore = true;
    return null;
  }

  /** Webhooks must not hold up the tasks. */
  async #deliver({ owes }: Glance, reserve: number): Promise<number | null> {
    if (!owes) return null;
    return this.#ifAffordable(COST.deliver + reserve, async (mayGoOn) => {
      try {
        const { failed, more } = await deliverOwed(this.#env, Math.min(MAX_OWED, this.#budget.rows), mayGoOn);
        if (more) this.#isMore = true;
        return failed ? this.#now + STILL_OWED_MS : null;
      } catch (error) {
        console.warn(JSON.stringify({ event: "outbox_not_read", error: String(error) }));
        return this.#now + STILL_OWED_MS;
      }
    });
  }

  /** Looks at all that is due; answers when the next row is. */
  async #lookAtAll({ due, nextDue }: Glance, held: HeldLanes): Promise<number | null> {
    const { rows } = this.#budget;
    const now = this.#now;
    const timers = [nextDue];
    let isMoved = false;
    let chunk = due;
    for (let n = 1; ; n++) {
      const looked = chunk.length > 0 ? await this.#look(chunk, held) : { timers: [], isMoved: false };
      timers.push(...looked.timers);
      isMoved ||= looked.isMoved;
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
    // Whatever has moved rows has set timers of theirs, too.
    if (!isMoved) return earliest(timers);
    await writeCounts(this.#env);
    return readNextDue(this.#env.DB, now);
  }

  async #look(due: DueTask[], held: HeldLanes): Promise<{ timers: (number | null)[]; isMoved: boolean }> {
    const [env, now] = [this.#env, this.#now];
    const looked = due.map((row) => ({ row, wake: wake(row, now, held.get(row.lane)) }));
    const rowsTo = (verb: string) => looked.filter((each) => each.wake.do === verb).map((each) => each.row);
    const idsTo = (verb: string) => rowsTo(verb).map((row) => row.id);

    // What is past its retention goes first: a full database has no room for the rest.
    await this.#purge(rowsTo("purge"));
    // Then the timers: whatever fails below is looked at again when they come.
    const untold = new Set(await tellObjects(env, rowsTo("tell")));
    const timers = looked.flatMap(({ row, wake }) => {
      if (!("dueAt" in wake)) return [];
      return [{ ...row, seen: row.dueAt, dueAt: untold.has(row.id) ? now + TELL_AGAIN_MS : wake.dueAt }];
    });
    await postponeTasks(env.DB, timers);
    await ring(env, rowsTo("ring"));
    await start(env, idsTo("start"), now, held);
    await expire(env, idsTo("expire"), now);
    const crashed = this.#confirm(rowsTo("rescue"));
    await rescue(env, crashed, now);
    const isMoved = crashed.length > 0 || ["start", "expire", "purge"].some((verb) => rowsTo(verb).length > 0);
    return { timers: timers.map((timer) => timer.dueAt), isMoved };
  }

  /** Those of `rows`, whose leases are over, that no worker can be about to renew. */
  #confirm(rows: DueTask[]): DueTask[] {
    if (this.#meter.isShaky) this.#suspects.doubt(this.#now);
    return this.#suspects.confirm(rows, this.#now, Number(this.#env.BOOT_AT ?? 0));
  }

  /** What cannot go yet is looked at again later. */
  async #purge(rows: DueTask[]): Promise<void> {
    const ids = rows.map((row) => row.id);
    if ((await deleteEnded(this.#env, ids, this.#now)) === rows.length) return;
    const later = rows.map((row) => {
      const overdue = this.#now - (row.retainUntil ?? this.#now);
      const dueAt = nextPurge(this.#now + Math.max(KEPT_MS, Math.floor(overdue / 10)));
      return { ...row, seen: row.dueAt, dueAt };
    });
    await postponeTasks(this.#env.DB, later);
  }
}
