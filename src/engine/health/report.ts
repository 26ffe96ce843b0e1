/** The health report of a tenant. */

import { clockOf } from "../../broker/poke.ts";
import { reportOf, type Report } from "../../core/health.ts";
import { within } from "../../results/within.ts";
import { writeCounts } from "../stats/observe.ts";
import { lookAtHealth } from "./look.ts";

/** How long the report waits for the clock. `GET /health` says why a clock does not answer. */
const CLOCK_MS = 2_000;

/** The report at `now`, in ms since the epoch. */
export async function reportHealth(env: Env, tenant: string, now: number): Promise<Report> {
  await writeCounts(env);
  return reportOf(await lookAtHealth(env, tenant, now, await clockLag(env)));
}

async function clockLag(env: Env): Promise<number | null> {
  try {
    const status = await within(clockOf(env).status(), CLOCK_MS);
    return status === "late" ? null : status.lagMs;
  } catch {
    return null;
  }
}
