/** Revokes a key, and the keys and links that it has made: here at once, in other isolates within seconds. */

import type { Audit } from "../../results/audit.ts";
import { markRevoked } from "../../results/keys.ts";
import { forgetKey } from "./find.ts";

/** False where there is no such key. A null tenant stands for all; `now` is ms since the epoch. */
export async function revokeKey(
  env: Env,
  tenant: string | null,
  id: string,
  now: number,
  audit: Audit | null = null,
): Promise<boolean> {
  const ended = await markRevoked(env.DB, tenant, id, now, audit);
  for (const key of ended) forgetKey(key);
  return ended.length > 0;
}
