/**
 * Whether the attempts of a lane end quickly, as far as this isolate has seen: then an event claims more of them than it runs at
 * once. A guess that is wrong costs time and no more, because attempts that must wait for long are left to objects.
 */

/** All attempts of an event end within this time where they are quick, in ms. */
const QUICK_MS = 100;

/** The lanes whose last event was quick. */
const quick = new WeakMap<Env, Set<string>>();

/** Notes that the attempts of an event ended `ms` after they were claimed. */
export function noteDuration(env: Env, lane: string, ms: number): void {
  const lanes = quick.get(env) ?? new Set();
  quick.set(env, lanes);
  if (ms <= QUICK_MS) lanes.add(lane);
  else lanes.delete(lane);
}

export function isQuick(env: Env, lane: string): boolean {
  return quick.get(env)?.has(lane) ?? false;
}
