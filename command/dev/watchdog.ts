/**
 * Watches a runtime from outside. A handler that never awaits holds up everything in its isolate, timers too, and here all
 * isolates share one thread; a handler that fills the memory takes the machine with it.
 */

import { readFileSync } from "node:fs";
import type { Running } from "./running-rows.ts";

const LOOK_EVERY_MS = 1_000;

/** On a busy machine an answer may take this long. */
const ANSWERS_WITHIN_MS = 5_000;

/** A runtime that is silent for less than this may be busy. */
const SILENT_MS = 5_000;

/** Beyond an attempt's time limit: time for its abort signal. Together with the looks it is less than ten seconds. */
const GRACE_MS = 3_000;

/** How long the runtime may be silent while no attempt runs. */
const NOBODY_MS = 30_000;

/** How long it may be silent before the service is open while attempts run: a start never waits for an attempt of the last server. */
const OPENING_MS = 10_000;

const WEIGH_EVERY_MS = 200;

/** A deployment gives an isolate 128 MB; the runtime itself and its databases need some, too. */
export const MEMORY_BYTES = 1_000_000_000;

const PAGE_BYTES = 4_096;

export type Trouble = "silent" | "memory";

export interface Watched {
  /** Whether the runtime answers within this time. */
  answers(withinMs: number): Promise<boolean>;
  /** Increases with each start of the runtime. */
  readonly generation: number;
  /** Whether it has loaded its Worker, and was not ended since. */
  readonly isUp: boolean;
  /** Its process id, 0 while none runs. */
  readonly pid: number;
  /** Whether the service was healthy since the first start. */
  readonly wasOpen: boolean;
}

/** Calls `found` for a runtime in trouble, with the attempts that run by the answer of `running`. Returns a function that ends the watch. */
export function watchOver(
  runtime: Watched,
  running: () => Promise<Running[]>,
  found: (trouble: Trouble, suspects: Running[]) => void,
): () => void {
  let isOver = false;
  let blamed = -1;
  const blame = (trouble: Trouble, generation: number, suspects: Running[]) => {
    // Reports one trouble for each start: until it is started anew, the runtime stays in trouble.
    if (isOver || blamed === generation || runtime.generation !== generation) return;
    blamed = generation;
    found(trouble, suspects);
  };
  const listen = async () => {
    let silentSince: number | null = null;
    let { generation } = runtime;
    while (!isOver) {
      await new Promise((done) => setTimeout(done, LOOK_EVERY_MS).unref());
      const lookedAt = Date.now();
      const answered = !runtime.isUp || (await runtime.answers(ANSWERS_WITHIN_MS));
      if (answered || !runtime.isUp || runtime.generation !== generation) {
        ({ generation } = runtime);
        silentSince = null;
        continue;
      }
      silentSince ??= lookedAt;
      const suspects = await running();
      if (Date.now() >= giveUpAt(suspects, silentSince, runtime.wasOpen)) blame("silent", generation, suspects);
    }
  };
  const weigh = async () => {
    const { generation } = runtime;
    if (residentBytes(runtime.pid) > MEMORY_BYTES) blame("memory", generation, await running());
  };
  void listen();
  const scale = setInterval(() => void weigh(), WEIGH_EVERY_MS).unref();
  return () => {
    isOver = true;
    clearInterval(scale);
  };
}

/**
 * When a silent runtime is given up: no timer fires in it, so the attempt whose time is over first should have ended and has not.
 * `wasOpen`: whether the service was healthy since the first start; until then no attempt's time limit counts.
 */
export function giveUpAt(suspects: readonly Running[], silentSince: number, wasOpen: boolean): number {
  if (suspects.length === 0) return silentSince + NOBODY_MS;
  if (!wasOpen) return silentSince + OPENING_MS;
  const overAt = Math.min(...suspects.map(({ startedAt, limitMs }) => startedAt + limitMs));
  return Math.max(silentSince + SILENT_MS, overAt + GRACE_MS);
}

/** The memory of a process, on Linux; 0 elsewhere. */
function residentBytes(pid: number): number {
  if (pid === 0 || process.platform !== "linux") return 0;
  try {
    return Number(readFileSync(`/proc/${pid}/statm`, "latin1").split(" ")[1]) * PAGE_BYTES;
  } catch {
    return 0;
  }
}
