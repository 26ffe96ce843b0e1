/** Reads limits, and overrides them for the API. */

import type { LimitResource } from "../../contract/limit.ts";
import { definitionKey, submissionKey } from "../../core/concurrency.ts";
import {
  LIMIT_KINDS,
  limitName,
  storedKey,
  type AskedName,
  type LimitKind,
  type LimitName,
} from "../../core/limit-name.ts";
import { rateOf } from "../../core/share.ts";
import type { Audit } from "../../results/audit.ts";
import {
  overrideBucket,
  overrideSlots,
  readBucketRows,
  readSlots,
  restoreBucket,
  restoreSlots,
  type KeyRange,
} from "../../results/limits/limits.ts";
import { announce } from "../announce.ts";
import { findTask, taskNames } from "../registry.ts";
import { declaredSlots, declaredRate, presentBucket, presentSlots, wholeName, type RateWords } from "./present.ts";

/** The longest key that a submission may bring. */
const MAX_KEY = 200;

/**
 * The caller that reads limits. Only the tenant itself sees the keys of its submissions, and its keys of definitions that count
 * each tenant separately. Other keys of definitions hold text from the inputs of all tenants, so only the operator sees them;
 * such a limit of a whole task is visible to all.
 */
export interface LimitReader {
  tenant: string;
  isOperator: boolean;
}

/** Where a page begins: after this limit. */
export interface LimitPlace {
  kind: LimitKind;
  stored: string;
}

/** The limits that are in use or overridden, and those declared for whole tasks: by kind, and in a kind those of definitions first. */
export async function listLimits(
  env: Env,
  reader: LimitReader,
  filter: { kind?: LimitKind | undefined; task?: string | undefined },
  place: LimitPlace | null,
  limit: number,
  now: number,
): Promise<LimitResource[]> {
  const found: LimitResource[] = [];
  for (const kind of LIMIT_KINDS) {
    if ((filter.kind ?? kind) !== kind || (place !== null && place.kind > kind)) continue;
    const after = place?.kind === kind ? place.stored : "";
    for (const range of rangesOf(env, reader, kind, filter.task)) {
      if (found.length < limit)
        found.push(...(await read(env, reader, kind, { ...range, after }, limit - found.length, now)));
    }
  }
  return found;
}

/** The full name of the limit for which a caller asks. */
function nameFor(env: Env, reader: LimitReader, asked: AskedName): LimitName {
  return wholeName(asked, asked.task === null ? undefined : findTask(asked.task, env), reader.tenant);
}

/** Null where there is no such limit, or this reader may not see it. */
export async function findLimit(
  env: Env,
  reader: LimitReader,
  asked: AskedName,
  now: number,
): Promise<LimitResource | null> {
  const name = nameFor(env, reader, asked);
  if (!isVisible(reader, name)) return null;
  const range = { from: "", before: "", after: "", also: [storedKey(name)] };
  return (await read(env, reader, name.kind, range, 1, now))[0] ?? null;
}

/** Whether such a limit can exist, in use or not: a submission may bring any key, a definition has what it declares. */
export function isLimit(env: Env, reader: LimitReader, asked: AskedName): boolean {
  const name = nameFor(env, reader, asked);
  if (name.task === null) return name.key !== null && name.key.length <= MAX_KEY;
  const definition = findTask(name.task, env);
  if (!isVisible(reader, name) || !definition) return false;
  if (name.kind === "rate") return declaredRate(name, definition) !== null;
  // A limit whose key is known only when the task starts counts the whole task until then.
  const isOwn = name.tenant !== null;
  if (name.key === null) return definition.concurrency.some((each) => (each.per === "tenant") === isOwn);
  return declaredSlots(name, definition) !== null;
}

/** At most `limit` tasks at once from now on, whatever code and submissions say. Sends messages for waiters that now have a slot. */
export async function changeSlots(
  env: Env,
  reader: LimitReader,
  asked: AskedName,
  limit: number,
  now: number,
  audit: Audit | null = null,
): Promise<void> {
  const key = storedKey(nameFor(env, reader, asked));
  await overrideSlots(env.DB, key, limit, audit);
  await announce(env, { freed: [key], lookAt: now }, now);
}

/** This rate applies from now on, whatever the code says, also to the tasks in the rate's queue. */
export async function changeRate(
  env: Env,
  reader: LimitReader,
  asked: AskedName,
  words: RateWords,
  now: number,
  audit: Audit | null = null,
): Promise<void> {
  const key = storedKey(nameFor(env, reader, asked));
  const rate = rateOf(key, words.limit, words.per, words.burst);
  await overrideBucket(env.DB, key, rate, JSON.stringify(words), now, audit);
  await announce(env, { lookAt: now }, now);
}

/** Ends an override: the limit of the code or of the latest submission applies again. Safe to repeat. */
export async function restoreLimit(
  env: Env,
  reader: LimitReader,
  asked: AskedName,
  now: number,
  audit: Audit | null = null,
): Promise<void> {
  const name = nameFor(env, reader, asked);
  const key = storedKey(name);
  if (name.kind === "concurrency") {
    await restoreSlots(env.DB, key, audit);
    return announce(env, { freed: [key], lookAt: now }, now);
  }
  const words = name.task === null ? null : declaredRate(name, findTask(name.task, env));
  await restoreBucket(env.DB, key, words && rateOf(key, words.limit, words.per, words.burst), now, audit);
  await announce(env, { lookAt: now }, now);
}

function isVisible(reader: LimitReader, { task, tenant, key }: LimitName): boolean {
  return reader.isOperator || task === null || tenant === reader.tenant || (tenant === null && key === null);
}

/** The ranges of keys to read, in the order of the keys. */
function rangesOf(env: Env, reader: LimitReader, kind: LimitKind, task: string | undefined): Omit<KeyRange, "after">[] {
  const names = task === undefined ? taskNames(env) : [task];
  const ofTasks = reader.isOperator ? [allOf(env, reader, kind, names, task)] : ownOf(env, reader, kind, names);
  if (task !== undefined || kind === "rate") return ofTasks;
  return [...ofTasks, { ...keysUnder(submissionKey(reader.tenant, "")), also: [] }];
}

/** For the operator: the limits of all tenants, and those declared for whole tasks even if they are not in use. */
function allOf(env: Env, reader: LimitReader, kind: LimitKind, names: string[], task: string | undefined) {
  const also = names.flatMap((name) => declaredKeys(env, reader, kind, name));
  if (task === undefined) return { ...keysUnder("task:"), also };
  return { from: definitionKey(task, "", null), before: `task:${task}A`, also };
}

/** For a tenant: its own limits, and those of the deployment for whole tasks. */
function ownOf(env: Env, reader: LimitReader, kind: LimitKind, names: string[]): Omit<KeyRange, "after">[] {
  const limited = names.filter((name) => hasLimit(env, kind, name));
  return limited
    .toSorted((a, b) => (`${a}:` < `${b}:` ? -1 : 1))
    .map((name) => ({
      ...keysUnder(definitionKey(name, "", reader.tenant)),
      also: declaredKeys(env, reader, kind, name),
    }));
}

function hasLimit(env: Env, kind: LimitKind, name: string): boolean {
  const definition = findTask(name, env);
  return kind === "rate" ? (definition?.rateLimit ?? null) !== null : (definition?.concurrency.length ?? 0) > 0;
}

/** The keys of the limits declared for the whole task, per tenant (the reader's) and for the deployment. */
function declaredKeys(env: Env, reader: LimitReader, kind: LimitKind, task: string): string[] {
  const names = [null, reader.tenant].map((tenant): LimitName => ({ kind, task, tenant, key: null }));
  return names.filter((name) => isDeclared(env, name)).map(storedKey);
}

function isDeclared(env: Env, name: LimitName): boolean {
  const definition = findTask(name.task!, env);
  if (name.kind === "concurrency") return declaredSlots(name, definition) !== null;
  return declaredRate(name, definition) !== null && definition?.rateLimit?.key === undefined;
}

/** Keys that begin with this, which ends with a colon. */
function keysUnder(prefix: string): { from: string; before: string } {
  return { from: prefix, before: `${prefix.slice(0, -1)};` };
}

async function read(
  env: Env,
  { tenant }: LimitReader,
  kind: LimitKind,
  range: KeyRange,
  limit: number,
  now: number,
): Promise<LimitResource[]> {
  const definitionOf = (key: string) => {
    const { task } = limitName(kind, key);
    return task === null ? undefined : findTask(task, env);
  };
  const shown =
    kind === "concurrency"
      ? (await readSlots(env.DB, tenant, range, limit)).map((row) => presentSlots(row, definitionOf(row.key), tenant))
      : (await readBucketRows(env.DB, tenant, range, limit)).map((row) =>
          presentBucket(row, definitionOf(row.key), tenant, now),
        );
  return shown.filter((each) => each !== null);
}
