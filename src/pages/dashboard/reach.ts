/** Whether the service answers, the present time, and that something was changed by this page. */

import { signal } from "@preact/signals";

/** Since when the service has not answered, in ms since the epoch; null while it answers. */
export const awaySince = signal<number | null>(null);

/** The time, once a second. */
export const now = signal(Date.now());

/** Grows with every change that this page makes, so that all it shows is read again. */
export const changes = signal(0);

setInterval(() => {
  if (!document.hidden) now.value = Date.now();
}, 1_000);

export function heard(): void {
  if (awaySince.value !== null) awaySince.value = null;
}

export function unheard(): void {
  awaySince.value ??= Date.now();
}
