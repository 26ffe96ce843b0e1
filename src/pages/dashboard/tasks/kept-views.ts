/** Filters that this browser keeps for its user. */

import { signal } from "@preact/signals";

const STORED = "lovage.filters";
const MOST = 20;

export const keptViews = signal<readonly string[]>(read());

/** Keeps a filter, or forgets one that is kept. */
export function keepView(text: string): void {
  const others = keptViews.value.filter((each) => each !== text);
  keptViews.value = others.length < keptViews.value.length ? others : [text, ...others].slice(0, MOST);
  localStorage.setItem(STORED, JSON.stringify(keptViews.value));
}

function read(): string[] {
  try {
    const stored: unknown = JSON.parse(localStorage.getItem(STORED) ?? "[]");
    return Array.isArray(stored) ? stored.filter((each) => typeof each === "string").slice(0, MOST) : [];
  } catch {
    return [];
  }
}
