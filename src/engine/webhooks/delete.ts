/** Removes an endpoint: nobody is told through it any more, also not of what happened before. */

import type { Audit } from "../../results/audit.ts";
import { beginRemoval } from "../../results/webhooks/change.ts";
import { deleteWebhook, forgetDeliveries, readPending } from "../../results/webhooks/delete.ts";
import { cancel } from "../cancel.ts";

/** Deliveries dealt with in one transaction. */
const CHUNK = 500;

/**
 * Answers whether there was one. First it is paused, so that nothing new comes; cut off after that,
 * it stays paused and can be removed again.
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
