/**
 * Sends what a handler reports to the task's progress object: progress at most four times a second, the last value
 * always; every log line and output, within bounds. Nothing here ever fails the handler.
 */

import { log } from "../core/log.ts";
import { budgetOf } from "../core/plan.ts";
import { OBJECT } from "../core/wake.ts";
import type { LogLevel, Progress } from "../core/task.ts";
import type { Scrubber } from "../core/secret.ts";
import { liveSnapshotOf, progressObject } from "../engine/events/tell.ts";
import type { NewEvent, Snapshot } from "../progress/snapshot.ts";
import type { ClaimedTask } from "../results/claim-tasks.ts";
import { markObject } from "../results/read-tasks.ts";
import { narrateLog } from "./narrate.ts";

/** Shortest time between two progress values that are kept, and between reports at first. */
const EVERY_MS = 250;

/** Limits per attempt and kind of event. */
const MAX_LOGS = 1_000;
const MAX_LOG_BYTES = 262_144;
const MAX_OUTPUTS = 20_000;
const MAX_OUTPUT_BYTES = 4_194_304;

/** One log line or one output chunk. */
const MAX_EVENT_BYTES = 65_536;

/** Limits for a progress value's message (characters) and data (characters of JSON), which are stored in the task's row. */
const MAX_PROGRESS_MESSAGE = 1_000;
const MAX_PROGRESS_DATA = 16_384;

const TRIES = 3;

interface Budget {
  count: number;
  bytes: number;
  dropped: number;
}

export class Reporter {
  /** Masks the input's secrets in log events. */
  scrubber: Scrubber | null = null;
  readonly #env: Env;
  readonly #task: ClaimedTask;
  /** Made for the first report: most attempts send none. */
  #snapshot: Snapshot | null = null;
  readonly #logs: Budget = { count: MAX_LOGS, bytes: MAX_LOG_BYTES, dropped: 0 };
  readonly #outputs: Budget = { count: MAX_OUTPUTS, bytes: MAX_OUTPUT_BYTES, dropped: 0 };
  #events: NewEvent[] = [];
  #progress: Progress | null = null;
  #progressIsNew = false;
  #sentAt = 0;
  #sent = 0;
  #sending: Promise<void> | null = null;
  #marked: boolean;

  constructor(env: Env, task: ClaimedTask) {
    this.#env = env;
    this.#task = task;
    this.#marked = (task.object & OBJECT.used) !== 0;
  }

  /** The last progress, for the task's row. */
  get progress(): Progress | null {
    return this.#progress;
  }

  /** Whether the task's row says that its object is in use. */
  get used(): boolean {
    return this.#marked;
  }

  tellProgress(done: number, total: number | null, message: string | null, data: unknown): void {
    const before = this.#progress;
    // A value that stood for `EVERY_MS` gets an event of its own, even if the report that carries it is sent later.
    if (before && Date.now() - Date.parse(before.at) >= EVERY_MS) this.#settleProgress();
    const reached = before && before.total === total ? Math.max(before.done, done) : done;
    const percent = total === null || total <= 0 ? null : Math.min(100, Math.round((reached / total) * 1000) / 10);
    const known = plain(data);
    this.#progress = {
      done: reached,
      total,
      percent,
      message: message === null ? null : message.slice(0, MAX_PROGRESS_MESSAGE),
      data: JSON.stringify(known).length <= MAX_PROGRESS_DATA ? known : { tooLarge: true },
      at: new Date().toISOString(),
    };
    this.#progressIsNew = true;
    this.#soon();
  }

  tellLog(level: LogLevel, message: string, data: unknown): void {
    const value = data === undefined ? { level, message } : { level, message, data: plain(data) };
    const shown = this.scrubber === null ? value : this.scrubber.value(value);
    narrateLog(this.#env, this.#task, shown);
    this.#add("log", shown, this.#logs);
  }

  tellOutput(chunk: unknown): void {
    this.#add("output", plain(chunk), this.#outputs);
  }

  /** Reports that the handler's signal was aborted by a cancel. */
  tellAcknowledged(): void {
    const data = { state: "running", attempt: this.#task.attempt, cancel: "acknowledged" };
    this.#push({ type: "state", at: new Date().toISOString(), data });
  }

  /** Sends the rest; after that the object has every event of the attempt. */
  async finish(): Promise<void> {
    for (const [kind, budget] of [
      ["log lines", this.#logs],
      ["outputs", this.#outputs],
    ] as const) {
      if (budget.dropped === 0) continue;
      const data = { level: "warn", message: `${budget.dropped} ${kind} over the attempt's limit were dropped` };
      this.#push({ type: "log", at: new Date().toISOString(), data });
    }
    await this.#sending;
    if (this.#hasNews() || this.#marked) await this.#send(true);
  }

  #add(type: "log" | "output", data: unknown, budget: Budget): void {
    const bytes = JSON.stringify(data)?.length ?? 0;
    if (budget.count === 0 || bytes > budget.bytes || bytes > MAX_EVENT_BYTES) {
      budget.dropped++;
      return;
    }
    budget.count--;
    budget.bytes -= bytes;
    this.#push({ type, at: new Date().toISOString(), data: data ?? null });
  }

  #push(event: NewEvent): void {
    this.#settleProgress();
    this.#events.push(event);
    this.#soon();
  }

  /** Progress keeps its place among the other events. */
  #settleProgress(): void {
    if (!this.#progressIsNew || !this.#progress) return;
    this.#events.push({ type: "progress", at: this.#progress.at, data: this.#progress });
    this.#progressIsNew = false;
  }

  #hasNews(): boolean {
    return this.#progressIsNew || this.#events.length > 0;
  }

  #soon(): void {
    this.#sending ??= this.#sendLater().finally(() => {
      this.#sending = null;
      if (this.#hasNews()) this.#soon();
    });
  }

  async #sendLater(): Promise<void> {
    const pause = this.#sentAt + this.#everyMs() - Date.now();
    if (pause > 0) await scheduler.wait(pause);
    else await Promise.resolve();
    if (this.#hasNews()) await this.#send(false);
  }

  /** A long attempt sends less and less often: each report is a subrequest, of which its event may make only a limited number. */
  #everyMs(): number {
    return EVERY_MS * 2 ** Math.floor(this.#sent / budgetOf(this.#env).reportsPerPace);
  }

  async #send(last: boolean): Promise<void> {
    this.#sentAt = Date.now();
    this.#sent++;
    this.#settleProgress();
    const events = this.#events;
    this.#events = [];
    this.#snapshot ??= liveSnapshotOf(this.#task);
    const report = { id: crypto.randomUUID(), snapshot: this.#snapshot, events, last };
    for (let n = 1; ; n++) {
      try {
        if (!this.#marked) {
          await markObject(this.#env.DB, this.#task.id, OBJECT.used);
          this.#marked = true;
        }
        await progressObject(this.#env, this.#task.id).report(report);
        return;
      } catch (error) {
        if (n === TRIES) {
          log("report_lost", { taskId: this.#task.id, error });
          return;
        }
        await scheduler.wait(50 * n * n);
      }
    }
  }
}

/** A copy of the value as JSON carries it, so that later changes by the handler are not reported. */
function plain(value: unknown): unknown {
  if (value === undefined) return null;
  try {
    return JSON.parse(JSON.stringify(value) ?? "null") as unknown;
  } catch {
    return "[not JSON]";
  }
}
