/** Seals the secrets of endpoints that were stored without a key, or sealed by an older key. Part of a tick. */

import { sealKeys } from "../engine/sealing/key.ts";
import { resealEndpoint } from "../engine/webhooks/secret.ts";
import { walkWebhooks } from "../results/webhooks/read.ts";

/** Endpoints in one round: each may cost a statement. */
const CHUNK = 10;

/** Between two rounds while more is left. */
const AGAIN_MS = 15_000;

/** How far the walk over all endpoints has come under the key that seals now. */
interface State {
  keyId: string;
  tenant: string;
  id: string;
  isDone: boolean;
}

/**
 * Seals the next endpoints; returns when to go on, in ms since the epoch, null where all are sealed: from then on it sends no
 * statement to D1.
 */
export async function sealEndpoints(env: Env, kv: SyncKvStorage, now: number): Promise<number | null> {
  const [key] = sealKeys(env);
  if (key === undefined) return null;
  const known = kv.get<State>("sealing");
  const from = known?.keyId === key.id ? known : { keyId: key.id, tenant: "", id: "", isDone: false };
  if (from.isDone) return null;
  const rows = await walkWebhooks(env.DB, from.tenant, from.id, CHUNK);
  for (const row of rows) await resealEndpoint(env, row);
  const { tenant, id } = rows.at(-1) ?? from;
  const isDone = rows.length < CHUNK;
  kv.put<State>("sealing", { keyId: key.id, tenant, id, isDone });
  return isDone ? null : now + AGAIN_MS;
}
