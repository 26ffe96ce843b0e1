/** One tick: look at every row that is due, and do what the rules say. */

import { wake } from "../core/wake.ts";
import { deleteEnded } from "../engine/delete.ts";
import { deliverOwed } from "../engine/deliver.ts";
import { moveCircuits } from "../engine/circuits.ts";
import { expire } from "../engine/expire.ts";
import { rescue } from "../engine/rescue.ts";
import { ring, start } from "../engine/start.ts";
import { tellObjects } from "../engine/tell.ts";
import { postponeTasks, readDue, readNextDue, type DueTask } from "../results/due-tasks.ts";
import { earliest } from "../broker/poke.ts";
import { keepDeadlines } from "./deadlines.ts";
import { keepLanes, type HeldLanes } from "./lanes.ts";
import { keepLine } from "./line.ts";
import { keepRetention } from "./retention.ts";
import { keepSchedules } from "./schedules.ts";

/** How much longer than its end a lease is respected when this isolate was held up. */
const STALL_GRACE_MS = 5_000;

/** Rows looked at in one go, and goes in one tick. */
const CHUNK = 500;
const ROUNDS = 40;

/** When an object that could not be told is told again. */
const TELL_AGAIN_MS = 5_000;

/** When the clock looks again at ends that could not be delivered, or were too many for one tick. */
const STILL_OWED_MS = 2_000;

/** Between two looks at a task that is kept beyond its retention because its flow or its parent lives; or a tenth of the time so far. */
const KEPT_MS = 30_000;

/**
 * Does all that is due at `now` and answers when to tick next, both in ms since the epoch; null when
 * nothing ever is. `stalled`: this isolate could not run for a while, so its leases get another heartbeat.
 */
export async function tick(env: Env, kv: SyncKvStorage, now: number, stalled: boolean): Promise<number | null> {
  const owes = await deliverOwed(env).catch(notDelivered);
  const nextTick = await keepSchedules(env, kv, now);
  const lanes = await keepLanes(env, now);
  for (let round = 0; round < ROUNDS; round++) {
    const due = await readDue(env.DB, now, CHUNK);
    if (due.length === 0) break;
    await look(env, due, now, stalled ? STALL_GRACE_MS : 0, lanes.held);
    if (due.length < CHUNK) break;
  }
  return earliest([
    nextTick,
    await keepDeadlines(env, now),
    lanes.nextAt,
    await readNextDue(env.DB),
    await keepRetention(env, kv, now),
    await keepLine(env, now),
    await moveCircuits(env, now),
    owes ? now + STILL_OWED_MS : null,
  ]);
}

/** Webhooks must not hold up the tasks. */
function notDelivered(error: unknown): boolean {
  console.warn(JSON.stringify({ event: "outbox_not_read", error: String(error) }));
  return true;
}

async function look(env: Env, due: DueTask[], now: number, graceMs: number, held: HeldLanes): Promise<void> {
  const looked = due.map((row) => ({ row, wake: wake(row, now, graceMs, held.get(row.lane)) }));
  const rowsTo = (verb: string) => looked.filter((each) => each.wake.do === verb).map((each) => each.row);
  const idsTo = (verb: string) => rowsTo(verb).map((row) => row.id);

  // The timers first: whatever fails below is looked at again when they come.
  const timers = looked.flatMap(({ row, wake }) =>
    "dueAt" in wake ? [{ ...row, seen: row.dueAt, dueAt: wake.dueAt }] : [],
  );
  const untold = new Set(await tellObjects(env, rowsTo("tell")));
  await postponeTasks(
    env.DB,
    timers.map((timer) => (untold.has(timer.id) ? { ...timer, dueAt: now + TELL_AGAIN_MS } : timer)),
  );
  await ring(env, rowsTo("ring"));
  await start(env, idsTo("start"), now, held);
  await expire(env, idsTo("expire"), now);
  await rescue(env, rowsTo("rescue"), now);
  await purge(env, rowsTo("purge"), now);
}

/** What cannot go yet is looked at again later. */
async function purge(env: Env, rows: DueTask[], now: number): Promise<void> {
  const ids = rows.map((row) => row.id);
  if ((await deleteEnded(env, ids, now)) === rows.length) return;
  const later = rows.map((row) => {
    const overdue = now - (row.retainUntil ?? now);
    return { ...row, seen: row.dueAt, dueAt: now + Math.max(KEPT_MS, Math.floor(overdue / 10)) };
  });
  await postponeTasks(env.DB, later);
}
