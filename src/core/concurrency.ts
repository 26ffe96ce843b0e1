/** Concurrency keys: whose tasks share a limit. Pure. */

import type { Between } from "./bounds.ts";

/** At most `limit` tasks of this key run at once, over all isolates. */
export interface KeyLimit {
  key: string;
  limit: number;
}

/** Which tasks a limit of a definition counts together: those of each tenant, or those of all tenants. */
export type Per = "tenant" | "deployment";

/** A limit in a definition: for all of its tasks, or for those with the same key. */
export interface ConcurrencyOption<Input> {
  limit: number;
  /** Computes the key from the input and the tenant; tasks with different keys do not count against each other. */
  key?: (input: Input, tenant: string) => string;
  /** Default `tenant`. `deployment` is for what all tenants share, such as an upstream's own limit. */
  per?: Per;
}

/** A {@link ConcurrencyOption} as a definition holds it. */
export interface ConcurrencyLimit {
  limit: number;
  per: Per;
  key?: (input: unknown, tenant: string) => string;
}

/** The options as a list. */
export function concurrencyOf<Input>(
  option: ConcurrencyOption<Input> | ConcurrencyOption<Input>[] = [],
  between: Between,
): ConcurrencyLimit[] {
  return [option].flat().map((each) => {
    between("concurrency.limit", each.limit, 1, 10_000);
    return { per: "tenant", ...each } as ConcurrencyLimit;
  });
}

/** A key of a definition: one tenant's, or with null the deployment's. */
export function definitionKey(task: string, key: string, tenant: string | null): string {
  return `task:${task}${tenant === null ? "" : `@${tenant}`}:${key}`;
}

/** A key of a submission; it belongs to the submission's tenant. */
export function submissionKey(tenant: string, key: string): string {
  return `tenant:${tenant}:${key}`;
}

/** A key as the definition or the submission gave it, without the prefix. */
export function ownKey(key: string): string {
  return key.split(":").slice(2).join(":");
}
