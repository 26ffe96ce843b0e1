/** Marks in the figures over time when other code began to run, as part of a tick. */

import { log } from "../core/log.ts";
import { markStatement } from "../results/rollups.ts";

const VERSION = "version";

/** Notes that the Worker's version is another one than at the last tick. Where several versions run, the clock's own counts. */
export async function noteDeploy(env: Env, kv: SyncKvStorage, now: number): Promise<void> {
  const version = env.CF_VERSION_METADATA?.id;
  const before = kv.get<string>(VERSION);
  if (version === undefined || version === before) return;
  try {
    if (before !== undefined) await markStatement(env.DB, { kind: "deploy", lane: null, version }, now).run();
    kv.put(VERSION, version);
  } catch (error) {
    // The next tick notes it. This one has done its work.
    log("deploy_not_noted", { error });
  }
}
