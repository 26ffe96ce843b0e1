/** Time that goes on by itself, and jumps when it is told to: so that no test waits for a clock that is due in a minute. */

import { vi } from "vitest";

const now = Date.now.bind(Date);

let ahead = 0;

/** From here on `Date.now` is the real time and all that was jumped over. */
export function passTime(): void {
  vi.spyOn(Date, "now").mockImplementation(() => now() + ahead);
}

/** Jumps to this moment, if it is not over. */
export function jumpTo(at: number): void {
  ahead += Math.max(0, at - (now() + ahead));
}

/** From here on `Date.now` is this moment: what is claimed is claimed at once, however long that takes. */
export function stopTime(): void {
  vi.spyOn(Date, "now").mockReturnValue(now());
}

export function realTime(): void {
  vi.restoreAllMocks();
}
