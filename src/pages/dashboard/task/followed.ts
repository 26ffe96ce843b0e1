/** The events of a task as they come, from the first that is kept. */

import { useEffect, useRef, useState } from "preact/hooks";
import type { TaskEvent } from "../../../client/index.ts";
import { client } from "../session.ts";

/** The most events that the page keeps; the API has all of them. */
const KEPT = 5_000;
/** Events that come together are shown together. */
const SETTLE_MS = 100;

/** Follows a task for as long as it is shown. `told` is called after its state has changed. */
export function useEvents(id: string, isEnded: boolean, told: () => void): readonly TaskEvent[] {
  const [events, setEvents] = useState<readonly TaskEvent[]>([]);
  const after = useRef(0);
  const tell = useRef(told);
  tell.current = told;
  // A task that runs again is followed again.
  const runs = useRef({ count: 0, isEnded });
  if (runs.current.isEnded && !isEnded) runs.current.count += 1;
  runs.current.isEnded = isEnded;

  useEffect(() => {
    const stop = new AbortController();
    let fresh: TaskEvent[] = [];
    let timer = 0;
    const show = () => {
      timer = 0;
      const added = fresh;
      fresh = [];
      setEvents((before) => [...before, ...added].slice(-KEPT));
      if (added.some(({ type }) => type === "state" || type === "done")) tell.current();
    };
    const follow = async () => {
      for await (const event of client().events(id, { after: after.current, signal: stop.signal })) {
        if (event.seq > after.current || event.type === "done") fresh.push(event);
        after.current = Math.max(after.current, event.seq);
        timer ||= window.setTimeout(show, SETTLE_MS);
      }
    };
    // Without the stream, the task is still polled.
    follow().catch(() => undefined);
    return () => {
      stop.abort();
      clearTimeout(timer);
      // Received events are not requested again, so they are shown now.
      if (fresh.length > 0) show();
    };
  }, [id, runs.current.count]);

  return events;
}
