/** Groups tasks that have failed, in this isolate's memory until the counts are written down: see `observe.ts`. */

import { groupOf } from "../../core/error-groups.ts";
import type { Change } from "../../results/changes.ts";
import { MAX_SAMPLES, MAX_TAGS, type Failures } from "../../results/error-groups.ts";

/** New groups of one tenant between two writes, and tags that are counted of a group. What is beyond goes into no group. */
const MAX_NEW_GROUPS = 50;
const MAX_COUNTED_TAGS = 100;

/** Characters of one write: a parameter of D1 holds 2 MB. */
const MAX_WRITTEN = 500_000;

let failed = new Map<string, Map<string, Failures>>();

/** Puts a task that has failed into the group of its error. `at`: ms since the epoch. */
export function noteFailure(tenant: string, task: string, { id, error, tags }: Change, at: number): void {
  // A task that ended because another one failed has no error here: the statements that end such tasks do not pass it.
  if (!error) return;
  const group = groupOf(task, error);
  const groups = failed.get(tenant) ?? new Map<string, Failures>();
  failed.set(tenant, groups);
  const known = groups.get(group.id);
  if (known === undefined && groups.size >= MAX_NEW_GROUPS) return;
  const own = known ?? { ...group, tenant, count: 0, firstAt: at, lastAt: at, samples: [], tags: {} };
  groups.set(group.id, own);
  own.count++;
  own.firstAt = Math.min(own.firstAt, at);
  own.lastAt = Math.max(own.lastAt, at);
  own.samples = [...own.samples, id].slice(-MAX_SAMPLES);
  countTags(own.tags, tags ?? null);
}

function countTags(counts: Record<string, number>, tags: string | null): void {
  if (tags === null) return;
  for (const [name, value] of Object.entries(JSON.parse(tags) as Record<string, string>)) {
    const key = `${name}=${value}`;
    if (counts[key] !== undefined || Object.keys(counts).length < MAX_COUNTED_TAGS)
      counts[key] = (counts[key] ?? 0) + 1;
  }
}

/** What is not written down yet, which the caller is about to write. */
export function takeFailures(): Failures[] {
  const all = [...failed.values()].flatMap((groups) => [...groups.values()]);
  failed = new Map();
  let left = MAX_WRITTEN;
  return all
    .map((own) => ({ ...own, tags: commonest(own.tags) }))
    .filter((own) => (left -= JSON.stringify(own).length) > 0);
}

function commonest(counts: Record<string, number>): Record<string, number> {
  const entries = Object.entries(counts).toSorted(([, a], [, b]) => b - a);
  return Object.fromEntries(entries.slice(0, MAX_TAGS));
}
