/** Looks for alerts, once a minute while an endpoint listens. Part of a tick. */

import { log } from "../core/log.ts";
import { watchTenant } from "../engine/health/alerts.ts";
import { readWatched } from "../results/alerts.ts";

export const WATCH_EVERY_MS = 60_000;

/** Tenants that one tick looks at. */
const TENANTS = 20;

/** Statements for one tenant, about. */
export const TENANT_COST = 15;

interface State {
  /** When the last round began. */
  beganAt: number;
  /** The last tenant that it has looked at; null: it is over. */
  after: string | null;
}

/**
 * Goes on with a round over the tenants, one after another while `mayGoOn` allows; returns when the next look is due, in ms since
 * the epoch. Never fails: an alert must not hold up the tasks.
 */
export async function watchAlerts(
  env: Env,
  kv: SyncKvStorage,
  now: number,
  isWatched: boolean,
  mayGoOn: () => boolean,
): Promise<number | null> {
  if (!isWatched) return null;
  const known = kv.get<State>("alerts") ?? { beganAt: 0, after: null };
  if (known.after === null && now - known.beganAt < WATCH_EVERY_MS) return known.beganAt + WATCH_EVERY_MS;
  const state: State = known.after === null ? { beganAt: now, after: "" } : { ...known };
  try {
    const tenants = await readWatched(env.DB, state.after ?? "", TENANTS);
    for (const tenant of tenants) {
      if (!mayGoOn()) break;
      // One tenant that cannot be looked at must not keep the others back.
      await watchTenant(env, tenant, now).catch((error: unknown) => log("alerts_not_looked_for", { tenant, error }));
      state.after = tenant;
    }
    if (tenants.length < TENANTS && (tenants.at(-1) ?? state.after) === state.after) state.after = null;
  } catch (error) {
    log("alerts_not_looked_for", { tenant: null, error });
    state.after = null;
  }
  kv.put<State>("alerts", state);
  return state.after === null ? state.beganAt + WATCH_EVERY_MS : now;
}
