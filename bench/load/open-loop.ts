/** The load of many callers who know nothing of one another: so many requests a second, answered or not. */
import { setTimeout as pause } from "node:timers/promises";

const STEP_MS = 20;

/** Until `forMs` are over. Requests that would exceed `mostOpen` at once are not sent: this process is no endless crowd. Answers how many those were. */
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
