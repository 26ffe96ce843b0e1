/** Says of limits that were changed which key has changed them, and when. */

import type { LimitResource } from "../../contract/limit.ts";
import { readLatestChanges } from "../../results/audit.ts";

/** The limits, each that was changed with its latest change, where the tenant's audit log has it among its latest entries. */
export async function withChanges(env: Env, tenant: string, limits: LimitResource[]): Promise<LimitResource[]> {
  const ids = limits.filter(({ source }) => source === "api").map(({ id }) => id);
  if (ids.length === 0) return limits;
  const changes = await readLatestChanges(env.DB, tenant, "limit.put", ids);
  return limits.map((limit) => {
    const change = limit.source === "api" ? changes.find(({ target }) => target === limit.id) : undefined;
    if (change === undefined) return limit;
    const { actorKind, actorId, at } = change;
    return { ...limit, changedBy: actorId ?? actorKind, changedAt: new Date(at).toISOString() };
  });
}
