/** How close the events of this isolate came to each limit. */

import type { KindRecord, Records } from "../counts.ts";

const records: Records = {};

export function recordOf(kind: string): KindRecord {
  return (records[kind] ??= emptyRecord());
}

export function readRecords(): Records {
  return records;
}

/** Resets the counts; events that still run are counted in the same records. */
export function resetRecords(): void {
  for (const record of Object.values(records)) Object.assign(record, emptyRecord());
}

/** Merges the counts of several isolates. */
export function mergeRecords(all: readonly Records[]): Records {
  const merged: Records = {};
  for (const [kind, record] of all.flatMap((one) => Object.entries(one))) {
    if (record.events === 0) continue;
    const sum = (merged[kind] ??= emptyRecord());
    sum.events += record.events;
    sum.waited += record.waited;
    for (const measure of keysOf(sum.most)) sum.most[measure] = Math.max(sum.most[measure], record.most[measure]);
    for (const limit of keysOf(sum.met)) sum.met[limit] += record.met[limit];
  }
  return merged;
}

function emptyRecord(): KindRecord {
  return {
    events: 0,
    most: { statements: 0, subrequests: 0, invocations: 0, connections: 0, handlerMs: 0, afterReturnMs: 0 },
    waited: 0,
    met: { statements: 0, subrequests: 0, invocations: 0, handler: 0, afterReturn: 0 },
  };
}

function keysOf<T extends object>(object: T): (keyof T)[] {
  return Object.keys(object) as (keyof T)[];
}
