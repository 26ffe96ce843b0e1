/** What a developer sees: attempts, failures with the lines of the sources, logs, and what the server itself does. */

import { paint, type Colour } from "../paint.ts";
import type { Running } from "./running-rows.ts";
import type { Stacks } from "./stacks.ts";

type Told = { id: string; task: string; attempt: number; maxAttempts: number } & (
  | { lovage: "started"; limitMs: number }
  | {
      lovage: "ended";
      outcome: string;
      state: string;
      ms: number;
      error: { type: string; message: string; stack?: string } | null;
    }
  | { lovage: "tasks"; limits: Record<string, number>; base: string }
  | { lovage: "log"; level: string; message: string; data?: unknown }
);

const LEVELS: Record<string, Colour> = { debug: "gray", info: "cyan", warn: "yellow", error: "red" };

/** The kinds of lines in which the Worker tells of attempts. */
const KINDS = new Set<unknown>(["started", "ended", "tasks", "log"] satisfies Told["lovage"][]);

/** Events of the Worker's own log that are shown here in another form. */
const TOLD_ALREADY = new Set(["attempt_failed"]);

export class Terminal {
  /** Attempts that run, by the Worker's console. */
  readonly running = new Map<string, Running>();
  /** The time limit of each task's attempts, in ms. */
  readonly limits = new Map<string, number>();
  /** The names of the tasks that can be submitted. */
  tasks: string[] = [];
  /** The path that the service is mounted at, once the Worker has told its tasks. */
  base = "";
  readonly #told = Promise.withResolvers<void>();
  readonly #stacks: Stacks;
  readonly #isQuiet: boolean;

  constructor(stacks: Stacks, isQuiet: boolean) {
    this.#stacks = stacks;
    this.#isQuiet = isQuiet;
  }

  /** Resolves once the Worker has told its tasks, and after a second at the latest: its console may arrive after its answers. */
  async introduced(): Promise<void> {
    await Promise.race([this.#told.promise, new Promise((late) => setTimeout(late, 1_000).unref())]);
  }

  /** Prints what the server does. */
  say(text: string): void {
    if (!this.#isQuiet) process.stdout.write(`${text}\n`);
  }

  warn(text: string): void {
    process.stderr.write(`${paint("yellow", "lovage:", process.stderr)} ${text}\n`);
  }

  fault(text: string): void {
    process.stderr.write(`${paint("red", "lovage:", process.stderr)} ${this.#stacks.map(text)}\n`);
  }

  /** Prints a line of the Worker's console. */
  line(level: string, message: string): void {
    const told = objectIn(message);
    if (told !== null && KINDS.has(told["lovage"])) this.#narrate(told as Told);
    else if (told !== null && TOLD_ALREADY.has(String(told["event"]))) return;
    else if (level === "error" || level === "warn") process.stderr.write(`${this.#stacks.map(message)}\n`);
    else if (!this.#isQuiet) process.stdout.write(`${message}\n`);
  }

  #narrate(told: Told): void {
    const { id, task, attempt } = told;
    if (told.lovage === "started") {
      this.limits.set(task, told.limitMs);
      this.running.set(id, { id, task, attempt, startedAt: Date.now(), limitMs: told.limitMs });
      this.#row("cyan", "started", told, attemptOf(told));
    } else if (told.lovage === "tasks") {
      this.tasks = Object.keys(told.limits);
      for (const [name, ms] of Object.entries(told.limits)) this.limits.set(name, ms);
      this.base = told.base;
      this.#told.resolve();
    } else if (told.lovage === "log") {
      const data = told.data === undefined ? "" : ` ${JSON.stringify(told.data)}`;
      const isGrave = told.level === "warn" || told.level === "error";
      this.#row(LEVELS[told.level] ?? "cyan", told.level, told, told.message + data, isGrave);
    } else {
      this.running.delete(id);
      const took = `after ${(told.ms / 1_000).toFixed(1)} s`;
      if (told.error === null) this.#row("green", told.outcome, told, took);
      else {
        const next = told.state === "retrying" ? "tries again" : `is ${told.state}`;
        this.#row("red", told.outcome, told, `${attemptOf(told)}, ${next}`, true);
        const { type, message, stack } = told.error;
        const text = stack?.includes(message) ? this.#stacks.own(stack) : `${type}: ${message}`;
        process.stderr.write(`${indented(text)}\n`);
      }
    }
  }

  #row(colour: Colour, word: string, { task, id }: Told, rest: string, isGrave = false): void {
    if (this.#isQuiet && !isGrave) return;
    const time = new Date().toTimeString().slice(0, 8);
    const stream = isGrave ? process.stderr : process.stdout;
    const tinted = (tint: Colour, text: string) => paint(tint, text, stream);
    stream.write(`${tinted("gray", time)} ${tinted(colour, word.padEnd(9))} ${task} ${tinted("gray", id)} ${rest}\n`);
  }
}

function attemptOf({ attempt, maxAttempts }: Told): string {
  return attempt > maxAttempts ? `attempt ${attempt}` : `attempt ${attempt} of ${maxAttempts}`;
}

function indented(text: string): string {
  return text.replaceAll(/^/gm, "    ");
}

function objectIn(message: string): Record<string, unknown> | null {
  if (!message.startsWith("{")) return null;
  try {
    return JSON.parse(message) as Record<string, unknown>;
  } catch {
    return null;
  }
}
