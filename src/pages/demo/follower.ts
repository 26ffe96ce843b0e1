/**
 * Keeps the page's live tasks up to date: by an event stream for the first few, by reading for the rest, and through
 * restarts of the server. An EventSource reconnects by itself after a lost connection, but gives up for good on an answer
 * other than 200, and does not tell which; a read finds that out.
 */

import type { TaskEvent } from "../../contract/event.ts";
import { readTask } from "./requests.ts";
import { afterEvent, afterRead, isSettled, type TrackedTask } from "./tracked-task.ts";

const EVENT_TYPES = ["state", "progress", "log", "output", "signal", "done"] as const satisfies TaskEvent["type"][];

/** Over HTTP/1.1 a browser opens six connections to a host, for all tabs together: streams must leave some for the requests. */
const MAX_STREAMS = 3;

const TICK_MS = 500;
const READ_EVERY_MS = 1_000;
/** A stream that has been silent for this long may be dead unnoticed: a read finds out. */
const SILENCE_MS = 15_000;
const BACK_OFF_MS = 1_000;
const BACK_OFF_CAP_MS = 15_000;

/** The page's side: where tasks are kept. */
export interface Tasks {
  get(id: string): TrackedTask | undefined;
  change(id: string, step: (task: TrackedTask) => TrackedTask): void;
}

interface Watch {
  stream: EventSource | null;
  /** When news of the task last arrived; the earliest times of its next stream and its next read. All in ms since the epoch. */
  heardAt: number;
  openAt: number;
  readAt: number;
  failures: number;
  reading: boolean;
}

/** Follows every task it is given until that task has ended, is lost, or is dropped. */
export function createFollower(tasks: Tasks) {
  const watches = new Map<string, Watch>();

  function follow(id: string): void {
    if (watches.has(id)) return;
    watches.set(id, {
      stream: null,
      heardAt: 0,
      openAt: 0,
      readAt: Date.now() + READ_EVERY_MS,
      failures: 0,
      reading: false,
    });
    tick();
  }

  function drop(id: string): void {
    watches.get(id)?.stream?.close();
    watches.delete(id);
  }

  function change(id: string, step: (task: TrackedTask) => TrackedTask): void {
    tasks.change(id, step);
    const task = tasks.get(id);
    if (task === undefined || isSettled(task)) drop(id);
  }

  function tick(): void {
    // A hidden tab gives its connections back.
    if (document.hidden) return;
    const now = Date.now();
    let free = MAX_STREAMS - [...watches.values()].filter((watch) => watch.stream !== null).length;
    for (const [id, watch] of watches) {
      if (watch.stream === null && free > 0 && now >= watch.openAt) {
        open(id, watch);
        free -= 1;
      }
      if (now >= watch.readAt && !watch.reading) void read(id, watch);
    }
  }

  function open(id: string, watch: Watch): void {
    const task = tasks.get(id);
    if (task === undefined) return drop(id);
    // A new EventSource has no Last-Event-ID to send; the address says where to go on.
    const address = new URL(task.links.events, location.origin);
    if (task.seq > 0) address.searchParams.set("after", String(task.seq));
    const stream = new EventSource(address);
    watch.stream = stream;
    watch.readAt = Date.now() + SILENCE_MS;

    stream.addEventListener("open", () => {
      heard(watch);
      change(id, reached);
    });
    for (const type of EVENT_TYPES) {
      stream.addEventListener(type, (message: MessageEvent<string>) => {
        heard(watch);
        const event = JSON.parse(message.data) as TaskEvent;
        change(id, (task) => afterEvent(reached(task), event));
      });
    }
    stream.addEventListener("error", () => {
      if (watch.stream !== stream) return;
      if (stream.readyState === EventSource.CLOSED) {
        watch.stream = null;
        watch.failures += 1;
        watch.openAt = Date.now() + backOff(watch.failures);
        void read(id, watch);
      } else {
        change(id, unreached);
      }
    });
  }

  function heard(watch: Watch): void {
    watch.heardAt = Date.now();
    watch.failures = 0;
    watch.readAt = watch.heardAt + SILENCE_MS;
  }

  async function read(id: string, watch: Watch): Promise<void> {
    const task = tasks.get(id);
    if (task === undefined) return drop(id);
    if (watch.reading) return;
    watch.reading = true;
    const askedAt = Date.now();
    const answer = await readTask(task.links.self);
    watch.reading = false;
    if (watches.get(id) !== watch) return;

    const now = Date.now();
    if (answer.ok) {
      watch.readAt = now + (watch.stream === null ? READ_EVERY_MS : SILENCE_MS);
      // An event that came since the request is newer than this answer.
      if (watch.heardAt <= askedAt) change(id, (task) => afterRead(task, answer.value));
      return;
    }
    const lost = lossWords(answer.status);
    if (lost !== null) {
      change(id, (task) => ({ ...task, lost }));
      return;
    }
    if (watch.stream === null) watch.failures += 1;
    watch.readAt = now + backOff(watch.failures);
    change(id, unreached);
  }

  document.addEventListener("visibilitychange", () => {
    for (const watch of watches.values()) {
      if (document.hidden) watch.stream?.close();
      watch.stream = document.hidden ? null : watch.stream;
      watch.openAt = 0;
      watch.readAt = 0;
    }
    tick();
  });
  setInterval(tick, TICK_MS);

  return { follow, drop };
}

function reached(task: TrackedTask): TrackedTask {
  return task.reachable ? task : { ...task, reachable: true };
}

function unreached(task: TrackedTask): TrackedTask {
  return task.reachable ? { ...task, reachable: false } : task;
}

/** Grows with the failures, and is random so that after a restart of the server not all tabs return at once. */
function backOff(failures: number): number {
  return Math.min(BACK_OFF_MS * 2 ** failures, BACK_OFF_CAP_MS) * (0.5 + Math.random() / 2);
}

/** Words for a status that will not change by waiting; null for any other. */
function lossWords(status: number): string | null {
  switch (status) {
    case 401:
      return "This page’s link to the task has expired. The task itself is not affected.";
    case 403:
      return "This page’s link does not open the task any more.";
    case 404:
    case 410:
      return "The server no longer has this task.";
    default:
      return null;
  }
}
