/** Limits: how they stand, and the API's own word on them. */

import { pokeClock } from "../broker/poke.ts";
import { ringBells } from "../broker/bells.ts";
import type { LimitResource } from "../contract/limit.ts";
import { definitionKey, submissionKey } from "../core/concurrency.ts";
import { LIMIT_KINDS, storedKey, type LimitKind, type LimitName } from "../core/limit-name.ts";
import { rateOf } from "../core/share.ts";
import type { Audit } from "../results/audit.ts";
import {
  overrideBucket,
  overridePlaces,
  readBucketRows,
  readPlaces,
  restoreBucket,
  restorePlaces,
  type KeyRange,
} from "../results/limits.ts";
import { readNextInLine } from "../results/places.ts";
import { findTask, taskNames } from "../tasks/registry.ts";
import { declaredPlaces, declaredRate, presentBucket, presentPlaces, type RateWords } from "./present-limit.ts";

/** The longest key that a submission may bring. */
const MAX_KEY = 200;

/**
 * Who asks. Keys of submissions are their tenant's alone. Keys of definitions are the deployment's and hold text from the
 * inputs of every tenant, so those are for its operator; a limit of a whole task is seen by all.
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

/** The limits that are in use, that are changed, and that whole tasks are declared with: by kind, then those of definitions first. */
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
      if (found.length < limit) found.push(...(await read(env, kind, { ...range, after }, limit - found.length, now)));
    }
  }
  return found;
}

/** Null where nobody has asked for such a limit, or it is not for this reader. */
export async function findLimit(
  env: Env,
  reader: LimitReader,
  name: LimitName,
  now: number,
): Promise<LimitResource | null> {
  if (!isVisible(reader, name)) return null;
  const range = { from: "", before: "", after: "", also: [storedKey(name, reader.tenant)] };
  return (await read(env, name.kind, range, 1, now))[0] ?? null;
}

/** Whether such a limit can be, be it in use or not: a submission may bring any key, a definition has what it declares. */
export function isLimit(env: Env, reader: LimitReader, name: LimitName): boolean {
  if (name.task === null) return name.key !== null && name.key.length <= MAX_KEY;
  const definition = findTask(name.task, env);
  if (!isVisible(reader, name) || !definition) return false;
  if (name.kind === "rate") return declaredRate(name, definition) !== null;
  // Where the key is known only when the task starts, the whole task stands for it.
  return name.key === null ? definition.concurrency.length > 0 : declaredPlaces(name, definition) !== null;
}

/** At most `limit` at once from now on, whatever code and submissions say. Those who have a place now are rung for. */
export async function changePlaces(
  env: Env,
  reader: LimitReader,
  name: LimitName,
  limit: number,
  now: number,
  audit: Audit | null = null,
): Promise<void> {
  const key = storedKey(name, reader.tenant);
  await overridePlaces(env.DB, key, limit, audit);
  await ringFor(env, key, now);
}

/** This rate from now on, whatever the code says. Those who wait have their new turns with it. */
export async function changeRate(
  env: Env,
  reader: LimitReader,
  name: LimitName,
  words: RateWords,
  now: number,
  audit: Audit | null = null,
): Promise<void> {
  const key = storedKey(name, reader.tenant);
  const rate = rateOf(key, words.limit, words.per, words.burst);
  await overrideBucket(env.DB, key, rate, JSON.stringify(words), now, audit);
  await pokeClock(env, now);
}

/** What the code or the latest submission has asked for holds again. Safe to repeat. */
export async function restoreLimit(
  env: Env,
  reader: LimitReader,
  name: LimitName,
  now: number,
  audit: Audit | null = null,
): Promise<void> {
  const key = storedKey(name, reader.tenant);
  if (name.kind === "concurrency") {
    await restorePlaces(env.DB, key, audit);
    return ringFor(env, key, now);
  }
  const words = name.task === null ? null : declaredRate(name, findTask(name.task, env));
  await restoreBucket(env.DB, key, words && rateOf(key, words.limit, words.per, words.burst), now, audit);
  await pokeClock(env, now);
}

/** Whoever dies before this is made up for by the clock, which looks for free places as long as anybody waits for one. */
async function ringFor(env: Env, key: string, now: number): Promise<void> {
  await ringBells(env, await readNextInLine(env.DB, [key]));
  await pokeClock(env, now);
}

function isVisible(reader: LimitReader, { task, key }: LimitName): boolean {
  return reader.isOperator || task === null || key === null;
}

/** In the order of their keys. */
function rangesOf(env: Env, reader: LimitReader, kind: LimitKind, task: string | undefined): Omit<KeyRange, "after">[] {
  const names = task === undefined ? taskNames(env) : [task];
  const also = names
    .filter((name) => isDeclared(env, { kind, task: name, key: null }))
    .map((name) => definitionKey(name, ""));
  const definitions = task === undefined ? "task:" : definitionKey(task, "");
  const ofDefinitions = reader.isOperator ? { ...within(definitions), also } : { from: "", before: "", also };
  if (task !== undefined || kind === "rate") return [ofDefinitions];
  return [ofDefinitions, { ...within(submissionKey(reader.tenant, "")), also: [] }];
}

function isDeclared(env: Env, name: LimitName): boolean {
  const definition = findTask(name.task!, env);
  if (name.kind === "concurrency") return declaredPlaces(name, definition) !== null;
  return declaredRate(name, definition) !== null && definition?.rateLimit?.key === undefined;
}

/** Keys that begin with this, which ends with a colon. */
function within(prefix: string): { from: string; before: string } {
  return { from: prefix, before: `${prefix.slice(0, -1)};` };
}

async function read(env: Env, kind: LimitKind, range: KeyRange, limit: number, now: number): Promise<LimitResource[]> {
  const definitionOf = (key: string) => (key.startsWith("task:") ? findTask(key.split(":")[1]!, env) : undefined);
  const shown =
    kind === "concurrency"
      ? (await readPlaces(env.DB, range, limit)).map((row) => presentPlaces(row, definitionOf(row.key)))
      : (await readBucketRows(env.DB, range, limit)).map((row) => presentBucket(row, definitionOf(row.key), now));
  return shown.filter((each) => each !== null);
}
