/** The chores of the clock: work that is not urgent, done in rounds. Part of a tick. */

import { firstKeptAudit } from "../engine/audit.ts";
import { purgeIds } from "../engine/delete.ts";
import { doChores, type Chores } from "../results/chores.ts";
import { timePurges, walkOver } from "../results/purge-tasks.ts";
import type { TickBudget } from "../core/plan.ts";

/** Between two rounds of chores, and between two folds of the counts. */
const CHORES_EVERY_MS = 15_000;
const FOLD_EVERY_MS = 60_000;

/** Between two looks at what is kept for a month: groups of errors, and hours. */
const SWEEP_EVERY_MS = 3_600_000;

/** Stretches of keys that one round scans at most. */
const MAX_STRETCHES = 20;

/** Steps of the retention walk in one tick: each row may be a request to an object, of which an event may make 10,000. */
const MAX_STEPS = 4;

/** Where the retention walk stands. */
interface WalkState {
  /** The last id that the walk has passed. */
  cursor: string;
  /** When the next row is old enough to purge, in ms since the epoch; null: the walk found no such row. */
  nextAt: number | null;
}

/** The keys from which the sweeps of unused limits and buckets continue. */
interface Sweeps {
  limits: string;
  buckets: string;
}

/** What the clock remembers of its chores between two ticks. */
interface State {
  doneAt: number;
  foldedAt: number;
  sweeps: Sweeps;
  /** When the last sweep of what is kept for a month began; absent: none has. */
  sweptAt?: number;
  /** The chores that a tick left to the next one. */
  left: Chores | null;
}

const NEVER: State = { doneAt: 0, foldedAt: 0, sweeps: { limits: "", buckets: "" }, left: null };

/**
 * Does a round of chores where it is time for one, as long as `mayGoOn` allows; returns when the next is due, in ms since the
 * epoch, null where no chore needs a tick. `unfolded`: counts wait to be folded.
 */
export async function doRound(
  env: Env,
  kv: SyncKvStorage,
  now: number,
  unfolded: boolean,
  { rows, chunk }: TickBudget,
  mayGoOn: () => boolean,
): Promise<number | null> {
  const state: State = { ...(kv.get<State>("chores") ?? NEVER) };
  let walk = kv.get<WalkState>("walk") ?? { cursor: "", nextAt: null };
  if (state.left === null && now - state.doneAt < CHORES_EVERY_MS) return nextRound(state, walk, unfolded);

  const isWalking = walk.nextAt === null || walk.nextAt <= now;
  const isFolding = unfolded && now - state.foldedAt >= FOLD_EVERY_MS;
  const isSweeping = now - (state.sweptAt ?? 0) >= SWEEP_EVERY_MS;
  if (state.left === null && isSweeping) state.sweptAt = now;
  let left: Chores = state.left ?? {
    walk: isWalking ? walk.cursor : undefined,
    fold: isFolding ? true : undefined,
    keys: true,
    windows: true,
    flows: true,
    rollups: true,
    audit: firstKeptAudit(env, now),
    errors: isSweeping ? ["", ""] : undefined,
    days: isSweeping ? true : undefined,
    ...state.sweeps,
  };
  for (let stretch = 1; isAnyLeft(left); stretch++) {
    if (!mayGoOn() || (left.walk !== undefined && stretch > MAX_STEPS)) {
      kv.put<State>("chores", { ...state, left });
      return now;
    }
    const done = await doChores(env.DB, left, now, chunk, rows);
    const walked = walkOver(done.met, now);
    if (left.walk !== undefined) {
      // A row that must stay for a while, such as a member of a running flow, gets a timer: the walk does not come back to it.
      const { kept, left } = await purgeIds(env, walked.over, now, chunk);
      await timePurges(env.DB, [...walked.kept, ...kept.keys(), ...left]);
      walk = { cursor: walked.cursor ?? walk.cursor, nextAt: walked.nextAt };
      kv.put<WalkState>("walk", walk);
    }
    const isMore = done.met.length === rows && walked.nextAt === null;
    left = { ...done.left, walk: isMore ? walk.cursor : undefined };
    state.sweeps = { limits: left.limits ?? "", buckets: left.buckets ?? "" };
    if (stretch >= MAX_STRETCHES) left = { ...left, limits: undefined, buckets: undefined };
  }
  const done: State = { ...state, doneAt: now, foldedAt: isFolding ? now : state.foldedAt, left: null };
  kv.put<State>("chores", done);
  return nextRound(done, walk, unfolded && !isFolding);
}

function isAnyLeft(chores: Chores): boolean {
  return Object.values(chores).some((chore) => chore !== undefined);
}

function nextRound({ doneAt, foldedAt }: State, walk: WalkState, unfolded: boolean): number | null {
  const wanted = [...(walk.nextAt === null ? [] : [walk.nextAt]), ...(unfolded ? [foldedAt + FOLD_EVERY_MS] : [])];
  return wanted.length === 0 ? null : Math.max(doneAt + CHORES_EVERY_MS, Math.min(...wanted));
}
