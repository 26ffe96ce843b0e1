/** Which limits a submission is under: those of its definition, by the key of its input, and its own. */

import { log } from "../../core/log.ts";
import type { Submission } from "../../contract/submission.ts";
import { definitionKey, submissionKey, type KeyLimit, type Per } from "../../core/concurrency.ts";
import type { TaskDefinition } from "../../core/task.ts";
import { problem, type Problem } from "../../core/problems.ts";
import { MASK, Scrubber, takeOut } from "../../core/secret.ts";
import { rateOf, type Rate } from "../../core/share.ts";

/** JSON for the task's row; null where there are none. */
export interface RowLimits {
  concurrency: string | null;
  rates: string | null;
}

/** `secretKeys`: the keys of these limits that reveal something secret in the input. */
export type PreparedLimits = ({ ok: true; secretKeys: string[] } & RowLimits) | { ok: false; problem: Problem };

type Key = ((input: unknown, tenant: string) => string) | undefined;

/** `input`: as the schema has parsed it. Fails where a definition's own function gives no key for it. */
export function prepareLimits(
  definition: TaskDefinition,
  submission: Submission,
  input: unknown,
  tenant: string,
): PreparedLimits {
  const { name, rateLimit: rate } = definition;
  const failed: string[] = [];
  const secretKeys: string[] = [];
  const keyOf = (what: string, key: Key, per: Per): string => {
    const part = partOf(name, what, key, input, tenant);
    if (part === null) failed.push(what);
    const full = definitionKey(name, part ?? "", per === "tenant" ? tenant : null);
    if (part && definition.secret !== null && tellsSecret(definition, what, key, input, tenant, part)) {
      secretKeys.push(full);
    }
    return full;
  };
  const rates =
    rate === null
      ? []
      : [withDrop(rate.drop, rateOf(keyOf("rate limit", rate.key, rate.scope), rate.limit, rate.perMs, rate.burst))];
  const own = definition.concurrency.map(({ limit, key, per }) => ({
    key: keyOf("concurrency limit", key, per),
    limit,
  }));
  const asked = submission.options?.concurrency;
  const all = asked ? [...own, { key: submissionKey(tenant, asked.key), limit: asked.limit }] : own;
  if (failed.length > 0) {
    const detail = `The key of the ${failed[0]!} of ${name} cannot be computed for this input.`;
    const faults = failed.map((what) => ({ pointer: "/input", detail: `gives no key for the ${what}` }));
    return { ok: false, problem: problem("invalid-input", detail, faults) };
  }
  return { ok: true, concurrency: listText(strictest(all)), rates: listText(rates), secretKeys };
}

/** Whether the key is another one without the secret parts of the input, or contains one of them. */
function tellsSecret(
  { name, secret }: TaskDefinition,
  what: string,
  key: Key,
  input: unknown,
  tenant: string,
  part: string,
): boolean {
  const { value, taken } = takeOut(input, secret!.input);
  if (taken.length === 0) return false;
  return partOf(name, what, key, value, tenant) !== part || new Scrubber(taken).text(part).includes(MASK);
}

/** The limits of the whole task, for one whose input is not known yet or gives no keys. */
export function wholeTaskLimits(definition: TaskDefinition, tenant: string): RowLimits {
  const prepared = prepareLimits(definition, { task: definition.name }, undefined, tenant);
  return prepared.ok ? prepared : { concurrency: null, rates: null };
}

/** Null where the definition's function gives no key. What that code throws must not reach the caller. */
function partOf(task: string, what: string, key: Key, input: unknown, tenant: string): string | null {
  // An input that is known only when the task starts has no key yet; such a limit is the whole task's.
  if (key === undefined || input === undefined) return "";
  try {
    const part: unknown = key(input, tenant);
    if (typeof part === "string") return part;
    throw new TypeError(`not a string but of type ${typeof part}`);
  } catch (error) {
    log("limit_key_not_computed", { task, limit: what, error: error instanceof Error ? error.name : null });
    return null;
  }
}

function withDrop(drop: boolean, rate: Rate): Rate {
  return drop ? { ...rate, drop: true } : rate;
}

/** A task takes one slot under a key, however many of its limits name that key. */
function strictest(all: KeyLimit[]): KeyLimit[] {
  const byKey = Map.groupBy(all, (each) => each.key);
  return [...byKey].map(([key, limits]) => ({ key, limit: Math.min(...limits.map((each) => each.limit)) }));
}

function listText(list: readonly unknown[]): string | null {
  return list.length > 0 ? JSON.stringify(list) : null;
}
