/** The groups of a tenant's failures: lists them, resolves them and ignores them. */

import type { ErrorGroupResource } from "../../contract/error-group.ts";
import type { GroupState } from "../../core/error-groups.ts";
import type { Audit } from "../../results/audit.ts";
import { changeGroup, GROUP_KEPT_MS, readErrorGroups, type ErrorGroupRow } from "../../results/error-groups.ts";
import { writeCounts } from "./observe.ts";

/** Which groups a list shows. Instants are ms since the epoch. */
export interface GroupFilter {
  state?: GroupState | undefined;
  task?: string | undefined;
  /** Failed since then, and failed for the first time since then. */
  since?: number | undefined;
  newSince?: number | undefined;
}

/** The groups that a filter selects, the one that failed last first. */
export async function listErrorGroups(
  env: Env,
  tenant: string,
  { state, task, since = 0, newSince = 0 }: GroupFilter,
  now: number,
): Promise<ErrorGroupResource[]> {
  await writeCounts(env);
  const rows = await readErrorGroups(env.DB, tenant, Math.max(since, newSince, now - GROUP_KEPT_MS));
  return rows
    .filter((row) => (state ?? row.state) === row.state && (task ?? row.task) === row.task && row.firstAt >= newSince)
    .map(present);
}

/** Resolves a group at `now`: the next failure opens it again. Null where the tenant has no such group. */
export async function resolveError(
  env: Env,
  tenant: string,
  id: string,
  now: number,
  audit: Audit,
): Promise<ErrorGroupResource | null> {
  // What has failed until now belongs to the group that is resolved.
  await writeCounts(env);
  return presented(await changeGroup(env.DB, tenant, id, { state: "resolved", untilCount: null, at: now }, audit));
}

/** Ignores a group, until its count is `untilCount` where that is given. Null where the tenant has no such group. */
export async function ignoreError(
  env: Env,
  tenant: string,
  id: string,
  untilCount: number | null,
  now: number,
  audit: Audit,
): Promise<ErrorGroupResource | null> {
  await writeCounts(env);
  return presented(await changeGroup(env.DB, tenant, id, { state: "ignored", untilCount, at: now }, audit));
}

function presented(row: ErrorGroupRow | null): ErrorGroupResource | null {
  return row === null ? null : present(row);
}

function present({ firstAt, lastAt, stateAt, samples, tags, ...rest }: ErrorGroupRow): ErrorGroupResource {
  const counts = Object.entries(JSON.parse(tags) as Record<string, number>).toSorted(([, a], [, b]) => b - a);
  return {
    ...rest,
    firstAt: new Date(firstAt).toISOString(),
    lastAt: new Date(lastAt).toISOString(),
    sampleIds: (JSON.parse(samples) as string[]).toSorted().toReversed(),
    tags: counts.map(([key, count]) => {
      const [name = ""] = key.split("=", 1);
      return { name, value: key.slice(name.length + 1), count };
    }),
    stateAt: stateAt === null ? null : new Date(stateAt).toISOString(),
  };
}
