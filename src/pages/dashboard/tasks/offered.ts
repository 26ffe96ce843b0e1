/** The errors, flows and schedules that the filter bar offers: read when one of them is being typed, and kept for a while. */

import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { client } from "../session.ts";
import { shortened } from "../words.ts";

export interface Offer {
  value: string;
  count?: number;
  /** What it is, where its value does not say. */
  words?: string;
}

/** By the name of the term. */
export type Offers = Readonly<Record<string, readonly Offer[]>>;

const MOST = 50;
/** The most offers whose tasks are counted: each count is a call of its own. */
const MOST_COUNTED = 10;
const KEPT_MS = 60_000;

const READERS: Readonly<Record<string, () => Promise<Offer[]>>> = {
  error: readErrors,
  flow: readFlows,
  schedule: readSchedules,
};

/** What was read for one key of the API. */
const kept = signal<{ of: unknown; offers: Offers }>({ of: null, offers: {} });
const readAt = new Map<string, number>();

/** Offers for terms of this name, as soon as they are read. */
export function useOffers(name: string): Offers {
  useEffect(() => {
    const reader = Object.hasOwn(READERS, name) ? READERS[name] : undefined;
    const own = client();
    if (kept.peek().of !== own) {
      kept.value = { of: own, offers: {} };
      readAt.clear();
    }
    if (reader === undefined || Date.now() - (readAt.get(name) ?? 0) < KEPT_MS) return;
    readAt.set(name, Date.now());
    void keep(name, reader, own);
  }, [name]);
  return kept.value.offers;
}

async function keep(name: string, reader: () => Promise<Offer[]>, own: unknown): Promise<void> {
  try {
    const offers = await reader();
    if (kept.peek().of === own) kept.value = { of: own, offers: { ...kept.peek().offers, [name]: offers } };
  } catch {
    // It is read again with the next term; the bar works without it.
    readAt.delete(name);
  }
}

/** The types of the errors, and then each error. */
async function readErrors(): Promise<Offer[]> {
  const { items } = await client().errors.list({ limit: MOST }).page();
  const byType = Map.groupBy(items, ({ type }) => type);
  const types = [...byType].map(([value, groups]) => ({
    value,
    count: groups.reduce((sum, { count }) => sum + count, 0),
  }));
  const groups = items.map(({ id, count, message }) => ({ value: id, count, words: shortened(message, 60) }));
  return [...types.toSorted((a, b) => b.count - a.count), ...groups];
}

/** The latest flows. */
async function readFlows(): Promise<Offer[]> {
  const { items } = await client().flows.list({}, { limit: MOST }).page();
  return counted(
    items.map(({ id, state }) => ({ value: id, words: state })),
    (flowId) => ({ flowId }),
  );
}

async function readSchedules(): Promise<Offer[]> {
  const { items } = await client().schedules.list({ limit: MOST }).page();
  return counted(
    items.map(({ id, task }) => ({ value: id, words: task })),
    (id) => ({ schedule: id }),
  );
}

/** The offers with the numbers of their tasks, for the first of them. */
async function counted(
  offers: Offer[],
  filterOf: (value: string) => { flowId?: string; schedule?: string },
): Promise<Offer[]> {
  const counts = await Promise.all(
    offers.slice(0, MOST_COUNTED).map(async ({ value }) => (await client().count(filterOf(value))).estimate),
  );
  return offers.map((offer, i) => (counts[i] === undefined ? offer : { ...offer, count: counts[i] }));
}
