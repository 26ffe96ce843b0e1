/** Names of limits, as callers and as the tables know them. Pure. */

import { definitionKey, submissionKey } from "./concurrency.ts";

export const LIMIT_KINDS = ["concurrency", "rate"] as const;

export type LimitKind = (typeof LIMIT_KINDS)[number];

/** A limit of a definition has a `task`, and a `key` where it is one of many; that of a submission has its `key` alone. */
export interface LimitName {
  kind: LimitKind;
  task: string | null;
  key: string | null;
}

// A task's name has no colon, so what follows the second one is the key, whatever it holds.
const ID = /^(concurrency|rate):([\w.-]*)(?::(.*))?$/s;

/** `concurrency::<key>` of a submission, `concurrency:<task>` and `rate:<task>` of a definition, with `:<key>` where it has keys. */
export function limitId({ kind, task, key }: LimitName): string {
  return `${kind}:${task ?? ""}${key === null ? "" : `:${key}`}`;
}

/** Null where no limit can be called so. */
export function parseLimitId(id: string): LimitName | null {
  const [, kind, task, key] = ID.exec(id) ?? [];
  if (kind === undefined || (!task && (kind === "rate" || !key))) return null;
  return { kind: kind as LimitKind, task: task || null, key: key || null };
}

/** As the tables know it. Keys of submissions are their tenant's. */
export function storedKey({ task, key }: LimitName, tenant: string): string {
  return task === null ? submissionKey(tenant, key ?? "") : definitionKey(task, key ?? "");
}

/** The name of what the tables hold under this key. */
export function limitName(kind: LimitKind, stored: string): LimitName {
  const [owner, name, ...key] = stored.split(":");
  return { kind, task: owner === "task" ? name! : null, key: key.join(":") || null };
}
