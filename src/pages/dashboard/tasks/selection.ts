/** Which tasks are selected: some by their ids, over all pages, or all that the filter finds. */

import { computed, signal } from "@preact/signals";

export const chosen = signal<ReadonlySet<string>>(new Set());
/** All that the filter finds, also what is on no page yet. */
export const isAllChosen = signal(false);

/** The row that the keys are at: what one does without a selection is done with it. */
export const marked = signal<string | null>(null);

export const isAnyChosen = computed(() => isAllChosen.value || chosen.value.size > 0);

export function toggle(id: string): void {
  isAllChosen.value = false;
  const next = new Set(chosen.value);
  if (!next.delete(id)) next.add(id);
  chosen.value = next;
}

/** Selects all of these, or none of them where all are selected. */
export function toggleAll(ids: readonly string[]): void {
  isAllChosen.value = false;
  const next = new Set(chosen.value);
  const every = ids.every((id) => next.has(id));
  for (const id of ids) {
    if (every) next.delete(id);
    else next.add(id);
  }
  chosen.value = next;
}

export function chooseNone(): void {
  chosen.value = new Set();
  isAllChosen.value = false;
}
