/** Removes an endpoint: no more deliveries are made to it, also not of earlier events. */

import type { Audit } from "../../results/audit.ts";
import { beginRemoval } from "../../results/webhooks/change.ts";
import { deleteWebhook, forgetDeliveries, readPending } from "../../results/webhooks/delete.ts";
import { cancel } from "../cancel.ts";

/** Deliveries dealt with in one transaction. */
const CHUNK = 500;

/**
 * Answers whether there was one. First it is paused, so that no new deliveries are made; where the removal is cut off after
 * that, the endpoint stays paused, and the removal can be repeated.
 */
export async function removeWebhook(
  env: Env,
  tenant: string,
  id: string,
  now: number,
  audit: Audit | null = null,
): Promise<boolean> {
  if (!(await beginRemoval(env.DB, tenant, id, audit))) return false;
  for (;;) {
    const pending = await readPending(env.DB, tenant, id, CHUNK);
    if (pending.length === 0) break;
    await cancel(env, pending, "the endpoint was deleted", now);
  }
  while ((await forgetDeliveries(env.DB, tenant, id, CHUNK)) > 0);
  await deleteWebhook(env.DB, tenant, id);
  return true;
}
