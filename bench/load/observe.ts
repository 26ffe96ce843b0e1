/** Polls tasks until they have ended, as a caller would. */
import { setTimeout as pause } from "node:timers/promises";

export type Observed = {
  ended: number;
  /** Of the ended tasks, how many did not succeed. */
  unsuccessful: number;
  /** Not ended when the time was up. */
  open: number;
  /** By `performance.now()`. */
  lastEndAt: number;
};

/** Looks at one task; null while it has not ended. */
export type Look = (id: string) => Promise<"succeeded" | "other" | null>;

/**
 * Pollers take the open tasks from a queue; a task that has not ended goes back to its end, and its poller rests for `restMs`. A poller
 * that finds the queue empty stops; a poller that still holds a task goes on with it.
 */
export async function observe(
  look: Look,
  ids: readonly string[],
  { pollers = 4, restMs = 20, maxMs = 120_000 } = {},
): Promise<Observed> {
  const line = [...ids];
  const deadline = performance.now() + maxMs;
  const seen: Observed = { ended: 0, unsuccessful: 0, open: 0, lastEndAt: performance.now() };
  let next = 0;
  const poller = async () => {
    while (next < line.length) {
      const id = line[next++];
      const found = await look(id).catch(() => null);
      if (found !== null) {
        seen.ended++;
        if (found === "other") seen.unsuccessful++;
        seen.lastEndAt = performance.now();
        continue;
      }
      line.push(id);
      if (performance.now() > deadline) return;
      await pause(restMs);
    }
  };
  await Promise.all(Array.from({ length: pollers }, poller));
  return { ...seen, open: ids.length - seen.ended };
}
