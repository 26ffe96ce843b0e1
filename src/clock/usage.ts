/** Counts how much of their quotas tenants use, as part of a tick. A pass over large tables takes several ticks. */

import { log } from "../core/log.ts";
import type { Use } from "../core/quotas.ts";
import { countStretch, WALKS_IN_TURN, type Places } from "../results/census.ts";
import { storeCount } from "../results/usage.ts";

/** From the end of a pass to the next one; four times as long as the pass took, if that is longer. */
const EVERY_MS = 60_000;

/** The same where a submission is about to be refused. */
const WANTED_AFTER_MS = 5_000;

/** Between two steps of a pass, and round trips of one. */
const STEP_MS = 2_000;
const TRIPS = 8;

/** Tenants that one value of the storage holds: a value may be 2 MB. */
const TENANTS_A_VALUE = 10_000;

interface State {
  /** When the last pass ended, and how long it took. */
  endedAt: number;
  tookMs: number;
  isWanted: boolean;
  /** The pass that is under way; null between two. */
  pass: Pass | null;
}

interface Pass {
  beganAt: number;
  steppedAt: number;
  /** The index into {@link WALKS_IN_TURN}, and where the walks of that turn go on. */
  turn: number;
  places: Places;
}

const NEVER: State = { endedAt: 0, tookMs: 0, isWanted: false, pass: null };

/** Makes the next tick begin a pass, unless one runs or has just ended; returns whether it will. */
export function wantCount(kv: SyncKvStorage, now: number): boolean {
  const state = kv.get<State>("usage") ?? NEVER;
  if (state.isWanted || state.pass !== null || now - state.endedAt < WANTED_AFTER_MS) return false;
  kv.put<State>("usage", { ...state, isWanted: true });
  return true;
}

/** Continues the count where it is time, as long as `mayGoOn` allows; returns when it needs a tick (ms since the epoch). Never fails. */
export async function countUsage(
  env: Env,
  kv: SyncKvStorage,
  now: number,
  mayGoOn: () => boolean,
): Promise<number | null> {
  const state = kv.get<State>("usage");
  if (state === undefined) {
    kv.put<State>("usage", { ...NEVER, endedAt: now });
    return null;
  }
  const rest = state.isWanted ? WANTED_AFTER_MS : EVERY_MS;
  if (state.pass === null && now - state.endedAt < Math.max(rest, 4 * state.tookMs)) return null;
  if (state.pass !== null && now - state.pass.steppedAt < STEP_MS) return state.pass.steppedAt + STEP_MS;
  if (!mayGoOn()) return now + STEP_MS;
  try {
    const counted = state.pass === null ? new Map<string, Use>() : loadCounted(kv);
    const pass: Pass = { beganAt: now, turn: 0, places: beginningOf(0), ...state.pass, steppedAt: now };
    for (let trip = 0; trip < TRIPS && mayGoOn() && pass.turn < WALKS_IN_TURN.length; trip++) {
      pass.places = await countStretch(env.DB, pass.places, counted);
      if (Object.keys(pass.places).length === 0) pass.places = beginningOf(++pass.turn);
    }
    if (pass.turn < WALKS_IN_TURN.length) {
      saveCounted(kv, counted);
      kv.put<State>("usage", { ...state, pass });
      return now + STEP_MS;
    }
    await storeCount(env.DB, counted, now);
    if (state.pass !== null) saveCounted(kv, new Map());
    kv.put<State>("usage", { endedAt: now, tookMs: now - pass.beganAt, isWanted: false, pass: null });
    return null;
  } catch (error) {
    // The next tick continues from what was saved.
    log("usage_not_counted", { error });
    return null;
  }
}

function beginningOf(turn: number): Places {
  return Object.fromEntries((WALKS_IN_TURN[turn] ?? []).map((walk) => [walk, "[]"]));
}

const keyOf = (n: number) => `usage/${n}`;

function loadCounted(kv: SyncKvStorage): Map<string, Use> {
  const entries: [string, Use][] = [];
  for (let n = 0; ; n++) {
    const more = kv.get<[string, Use][]>(keyOf(n));
    if (more === undefined) return new Map(entries);
    entries.push(...more);
  }
}

/** Awaits nothing, so that the storage writes it together with the caller's next `put`. */
function saveCounted(kv: SyncKvStorage, counted: ReadonlyMap<string, Use>): void {
  const entries = [...counted];
  let n = 0;
  for (; n * TENANTS_A_VALUE < entries.length; n++) {
    kv.put(keyOf(n), entries.slice(n * TENANTS_A_VALUE, (n + 1) * TENANTS_A_VALUE));
  }
  for (; kv.get(keyOf(n)) !== undefined; n++) kv.delete(keyOf(n));
}
