/** Reads something again and again while it is shown, and keeps the last answer while the service cannot be reached. */

import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { awaySince, changes } from "./reach.ts";
import { checkKey } from "./session.ts";

export interface Polled<T> {
  data: T | undefined;
  /** Why the last reading failed; undefined where it did not. */
  error: unknown;
  /** When `data` was read, in ms since the epoch. */
  at: number;
  refresh: () => void;
}

/** The longest pause between two tries while the service cannot be reached. */
const AWAY_MS = 5_000;
const FIRST_MS = 500;

/**
 * Reads by `load` now and every `everyMs`, again at once when `key` changes or this page has changed something, and not while the
 * tab is hidden. Answers to an older key are dropped.
 */
export function usePolled<T>(key: string, load: (signal: AbortSignal) => Promise<T>, everyMs: number): Polled<T> {
  const [held, hold] = useState<{ key: string; data: T | undefined; error: unknown; at: number }>({
    key,
    data: undefined,
    error: undefined,
    at: 0,
  });
  const latest = useRef(load);
  latest.current = load;
  const again = useRef<() => void>(() => {});
  const changed = changes.value;

  useEffect(() => {
    const stop = new AbortController();
    let timer = 0;
    let failures = 0;
    const read = async () => {
      clearTimeout(timer);
      try {
        const data = await latest.current(stop.signal);
        if (stop.signal.aborted) return;
        failures = 0;
        hold({ key, data, error: undefined, at: Date.now() });
      } catch (error) {
        if (stop.signal.aborted) return;
        failures += 1;
        checkKey(error);
        hold((before) => ({ ...(before.key === key ? before : { key, data: undefined, at: 0 }), error }));
      }
      const pause = awaySince.value === null ? everyMs : Math.min(AWAY_MS, FIRST_MS * 2 ** failures);
      if (Number.isFinite(pause) && !document.hidden) timer = window.setTimeout(() => void read(), pause);
    };
    const seen = () => {
      clearTimeout(timer);
      if (!document.hidden) void read();
    };
    again.current = () => void read();
    document.addEventListener("visibilitychange", seen);
    void read();
    return () => {
      stop.abort();
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", seen);
    };
  }, [key, everyMs, changed]);

  const refresh = useCallback(() => again.current(), []);
  if (held.key !== key) return { data: undefined, error: undefined, at: 0, refresh };
  return { ...held, refresh };
}

/** The interval for what is read once. */
export const ONCE = Number.POSITIVE_INFINITY;
