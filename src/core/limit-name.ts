/** Names of limits, as callers and as the tables know them. Pure. */

import { definitionKey, submissionKey } from "./concurrency.ts";

export const LIMIT_KINDS = ["concurrency", "rate"] as const;

export type LimitKind = (typeof LIMIT_KINDS)[number];

/**
 * A limit of a definition has a `task`, a `key` where the definition computes keys, and a `tenant`, null where it counts over
 * the deployment. A limit of a submission has a `key`, no `task`, and belongs to its tenant.
 */
export interface LimitName {
  kind: LimitKind;
  task: string | null;
  tenant: string | null;
  key: string | null;
}

/** The same as a caller wrote it: `tenant` is undefined where none was named. */
export type AskedName = Omit<LimitName, "tenant"> & { tenant: string | null | undefined };

// A task's and a tenant's name have no colon, so what follows the second one is the key, whatever it holds.
const ID = /^(concurrency|rate):([\w.-]*)(?:@([a-z0-9_-]*))?(?::(.*))?$/s;

/**
 * `concurrency::<key>` of a submission, `concurrency:<task>` and `rate:<task>` of a definition, with `:<key>` where it has
 * keys. `@<tenant>` follows the task where the limit is another tenant's than the reader's, a bare `@` where it is the
 * deployment's and the tenants have such a limit too.
 */
export function limitId({ kind, task, tenant, key }: AskedName): string {
  const whose = task === null || tenant === undefined ? "" : `@${tenant ?? ""}`;
  return `${kind}:${task ?? ""}${whose}${key === null ? "" : `:${key}`}`;
}

/** Parses a limit's id; null where no limit can have it. */
export function parseLimitId(id: string): AskedName | null {
  const [, kind, task, tenant, key] = ID.exec(id) ?? [];
  if (kind === undefined || (!task && (kind === "rate" || !key || tenant !== undefined))) return null;
  const whose = tenant === undefined ? undefined : tenant || null;
  return { kind: kind as LimitKind, task: task || null, tenant: whose, key: key || null };
}

/** The key under which the tables hold the limit. */
export function storedKey({ task, tenant, key }: LimitName): string {
  return task === null ? submissionKey(tenant ?? "", key ?? "") : definitionKey(task, key ?? "", tenant);
}

/** The name of the limit that the tables hold under this key. */
export function limitName(kind: LimitKind, stored: string): LimitName {
  const [owner, name = "", ...rest] = stored.split(":");
  const key = rest.join(":") || null;
  if (owner !== "task") return { kind, task: null, tenant: name, key };
  const [task = "", tenant = null] = name.split("@");
  return { kind, task, tenant, key };
}
