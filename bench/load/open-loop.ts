/** The load of many independent callers: a fixed number of requests a second, whether earlier ones were answered or not. */
import { setTimeout as pause } from "node:timers/promises";

const STEP_MS = 20;

/** Sends for `forMs`, but never more than `mostOpen` at once: this process is no endless crowd. Returns how many requests were not sent. */
export async function openLoop(
  { perSecond, forMs, mostOpen }: { perSecond: number; forMs: number; mostOpen: number },
  send: () => Promise<void>,
): Promise<{ sent: number; heldBack: number }> {
  const startedAt = performance.now();
  const open = new Set<Promise<void>>();
  let due = 0;
  let sent = 0;
  let heldBack = 0;
  for (;;) {
    const elapsed = Math.min(performance.now() - startedAt, forMs);
    for (const wanted = Math.floor((elapsed * perSecond) / 1_000); due < wanted; due++) {
      if (open.size >= mostOpen) {
        heldBack++;
        continue;
      }
      sent++;
      const request = send().finally(() => open.delete(request));
      open.add(request);
    }
    if (elapsed >= forMs) break;
    await pause(STEP_MS);
  }
  await Promise.all(open);
  return { sent, heldBack };
}
