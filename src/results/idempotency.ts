/** What requests with an idempotency key have made. A key is taken in the transaction that stores the request's tasks. */

import { type Batch, persistOr503 } from "./d1.ts";
import { lanesAccept } from "./lanes/lanes.ts";
import { named } from "./named.ts";

/** What the request that holds a key has made. `made` is JSON text. */
export interface Remembered {
  fingerprint: string;
  made: string;
  /** The API key whose request it was; null where that was not kept. */
  madeBy?: string | null;
  /** JSON array of the ids in `made` that the request did not make, but was answered with; null where there are none. */
  others?: string | null;
}

/** Makes the whole insert conditional on being the first with its key. */
export interface IdempotencyClaim extends Remembered {
  tenant: string;
  key: string;
  now: number;
  expiresAt: number;
  /** Lanes, each of which must accept. */
  lanes: string[];
}

const REMEMBERED = `
SELECT fingerprint, made, made_by AS madeBy, others FROM idempotency
WHERE tenant = :tenant AND key = :key AND expires_at > :now`;

const CLAIM = `
INSERT INTO idempotency (tenant, key, fingerprint, made, expires_at, made_by, others)
SELECT :tenant, :key, :fingerprint, :made, :expiresAt, :madeBy, :others WHERE ${lanesAccept(":lanes", ":now")}
ON CONFLICT (tenant, key) DO UPDATE
  SET fingerprint = excluded.fingerprint, made = excluded.made, expires_at = excluded.expires_at,
    made_by = excluded.made_by, others = excluded.others
  WHERE expires_at <= :now`;

/** Whether the key is this request's: SQL of the values of {@link claimValues}. */
export const IS_CLAIMED = "EXISTS (SELECT 1 FROM idempotency WHERE tenant = :tenant AND key = :key AND made = :made)";

/** The claim's values, by the names under which SQL refers to them. */
export function claimValues({
  tenant,
  key,
  fingerprint,
  made,
  now,
  expiresAt,
  lanes,
  madeBy,
  others,
}: IdempotencyClaim) {
  return {
    tenant,
    key,
    fingerprint,
    made,
    now,
    expiresAt,
    lanes: JSON.stringify(lanes),
    madeBy: madeBy ?? null,
    others: others ?? null,
  };
}

/** Takes the key, where it is free or its time is over and each of the lanes accepts. Comes before what depends on {@link IS_CLAIMED}. */
export function addClaim(batch: Batch, db: D1Database, claim: IdempotencyClaim): void {
  batch.add(named(db, CLAIM, claimValues(claim)));
}

/** Reads what the key's holder has made; null where a lane accepts nothing, so that no request holds the key. */
export function addRemembered(batch: Batch, db: D1Database, claim: IdempotencyClaim): () => Remembered | null {
  return batch.first<Remembered>(named(db, REMEMBERED, claimValues(claim)));
}

/** What the request that holds this key has made; null while the key is free. */
export async function readRemembered(
  db: D1Database,
  tenant: string,
  key: string,
  now: number,
): Promise<Remembered | null> {
  return persistOr503(() => named(db, REMEMBERED, { tenant, key, now }).first<Remembered>());
}
