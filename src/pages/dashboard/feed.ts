/** What changes among the tenant's tasks, as the service tells it: one connection for all that is shown. */

import { signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type { FeedFrame } from "../../client/index.ts";
import { client, session } from "./session.ts";

/** Whether frames come; without them a view must poll. */
export const isFed = signal(false);

const listeners = new Set<(frame: FeedFrame) => void>();
let stop: AbortController | null = null;

/** Calls `told` with every frame while the component is shown. */
export function useFeed(told: (frame: FeedFrame) => void): void {
  const latest = useRef(told);
  latest.current = told;
  useEffect(() => {
    const listener = (frame: FeedFrame) => latest.current(frame);
    listeners.add(listener);
    follow();
    return () => {
      listeners.delete(listener);
      if (listeners.size === 0) hangUp();
    };
  }, []);
}

// A hidden tab costs the service nothing.
document.addEventListener("visibilitychange", () => {
  if (document.hidden) hangUp();
  else follow();
});

function hangUp(): void {
  stop?.abort();
  stop = null;
  isFed.value = false;
}

function follow(): void {
  if (stop !== null || listeners.size === 0 || document.hidden || session.value === null) return;
  const mine = new AbortController();
  stop = mine;
  void hear(mine.signal).finally(() => {
    if (stop === mine) hangUp();
  });
}

async function hear(signal: AbortSignal): Promise<void> {
  try {
    for await (const frame of client().feed({ signal })) {
      isFed.value = true;
      for (const listener of listeners) listener(frame);
    }
  } catch {
    // Without the feed, the views poll.
  }
}
