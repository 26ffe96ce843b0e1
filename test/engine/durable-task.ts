/** A durable task whose handler is the test's own, and whose attempts are claimed, run and ended when the test says so. */

import { evictDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { vi } from "vitest";
import type { TaskContext } from "../../src/core/task.ts";
import { NO_START, type Ending } from "../../src/core/settle.ts";
import { signal } from "../../src/engine/signal.ts";
import type { TaskEvent } from "../../src/contract/event.ts";
import { progressObject } from "../../src/engine/events/tell.ts";
import type { ProgressApi } from "../../src/progress/snapshot.ts";
import type { ClaimedTask } from "../../src/results/claim-tasks.ts";
import { commitAttempts } from "../../src/results/commit-attempts.ts";
import { startTasks } from "../../src/results/start-tasks.ts";
import { insertTasks } from "../../src/results/submit-tasks.ts";
import { readTasks } from "../../src/results/read-tasks.ts";
import type { WholeTaskRow } from "../../src/results/task-row.ts";
import { noop } from "../../src/app/fixtures/values.ts";
import { attemptOf } from "../../src/worker/attempt.ts";
import { runAttempt } from "../../src/worker/run-attempt.ts";
import { databaseOver, executeOn } from "./database-over.ts";
import { hearingEnv } from "./limited-tasks.ts";
import { jumpTo } from "./passing-time.ts";
import { claimOne, endOf, newTask, newTenant } from "./webhook-tasks.ts";

export type Handler = (ctx: TaskContext) => Promise<unknown>;

const { env: quiet } = hearingEnv();

/** Longer than anything else that an attempt does here. */
const SLOW_MS = 100;

/** Reads of signals and of children take their time. */
const slowReads: Env = {
  ...quiet,
  DB: databaseOver(async (statements) => {
    if (statements.some(({ sql }) => /FROM signals|AS result, error/.test(sql))) await scheduler.wait(SLOW_MS);
    return executeOn(env.DB)(statements);
  }),
};

/** When a call is not answered: before it was done, or after. */
type Silence = (call: string) => "before" | "after" | false;

function silentWhere(isSilent: Silence): Env {
  const listen = async <T>(call: string, answer: () => Promise<T>): Promise<T> => {
    const silence = isSilent(call);
    const lost = () => new Error("Network connection lost.");
    if (silence === "before") throw lost();
    const answered = await answer();
    if (silence === "after") throw lost();
    return answered;
  };
  const DB = databaseOver(async (statements) =>
    listen(statements[0]!.sql.includes("FROM signals") ? "readSignal" : "another", () => executeOn(env.DB)(statements)),
  );
  const getByName = (id: string): Pick<ProgressApi, "openJournal" | "writeJournal" | "beginSteps" | "report"> => ({
    openJournal: (...args) => listen("openJournal", () => progressObject(env, id).openJournal(...args)),
    beginSteps: (...args) => listen("beginSteps", () => progressObject(env, id).beginSteps(...args)),
    writeJournal: (attempt, entries) =>
      listen("writeJournal", () => progressObject(env, id).writeJournal(attempt, entries)),
    report: (report) => listen("report", () => progressObject(env, id).report(report)),
  });
  return { ...quiet, DB, PROGRESS: { getByName } as unknown as Env["PROGRESS"] };
}

export class DurableTask {
  readonly #handler: Handler;
  readonly #env: Env;
  readonly id: string;

  private constructor(id: string, handler: Handler, bindings: Env) {
    this.id = id;
    this.#handler = handler;
    this.#env = bindings;
  }

  /**
   * `readsSlowly`: what it waits for is read later than everything else. `isSilent`: whether its progress object,
   * or D1 where it asks for signals, does not answer now.
   */
  static async store(
    handler: Handler,
    { readsSlowly = false, isSilent }: { readsSlowly?: boolean; isSilent?: Silence } = {},
  ): Promise<DurableTask> {
    const task = newTask(newTenant(), { maxAttempts: 10, timeout: "20s" });
    await insertTasks(env.DB, [task]);
    const bindings = isSilent ? silentWhere(isSilent) : readsSlowly ? slowReads : quiet;
    return new DurableTask(task.id, handler, bindings);
  }

  async row(): Promise<WholeTaskRow> {
    return (await readTasks(env.DB, [this.id]))[0]!;
  }

  /** Takes the task for its next attempt: when its time comes, if it waits for one, and else as if it had been woken. */
  async claim(): Promise<ClaimedTask> {
    const { runAt } = await this.row();
    if (runAt < NO_START) jumpTo(runAt);
    else await env.DB.prepare("UPDATE tasks SET run_at = 0 WHERE id = ?1").bind(this.id).run();
    await startTasks(env.DB, [this.id], Date.now());
    return claimOne(env.DB, this.id);
  }

  /** Runs an attempt, of another handler if one is given, and answers how it ended; nothing is committed. */
  async run(task: ClaimedTask, handler: Handler = this.#handler): Promise<Ending> {
    // The handler's result is any JSON, so it goes round the schema.
    let result: unknown;
    const run = vi.spyOn(noop, "run").mockImplementation(async (_: unknown, ctx: TaskContext) => {
      result = await handler(ctx);
      return null;
    });
    const { ending } = await runAttempt(this.#env, attemptOf(this.#env, task));
    run.mockRestore();
    return ending.outcome === "succeeded" ? { ...ending, result: JSON.stringify(result) } : ending;
  }

  /** Writes the end of an attempt; answers whether it holds. */
  async end(task: ClaimedTask, ending: Ending): Promise<boolean> {
    return (await commitAttempts(env.DB, [endOf(task, ending)])).held.length > 0;
  }

  /** One attempt from its claim to its commit. */
  async attempt(handler?: Handler): Promise<Ending> {
    const task = await this.claim();
    const ending = await this.run(task, handler);
    await this.end(task, ending);
    return ending;
  }

  async send(name: string, body: unknown): Promise<void> {
    const waiting: Promise<unknown>[] = [];
    const background = { waitUntil: (work: Promise<unknown>) => void waiting.push(work) };
    await signal(quiet, background, await this.row(), name, JSON.stringify(body), Date.now());
    await Promise.all(waiting);
  }

  /** The progress object loses its memory, as it does when it has been idle. */
  async evict(): Promise<void> {
    await evictDurableObject(env.PROGRESS.getByName(this.id));
  }

  async events(): Promise<TaskEvent[]> {
    return progressObject(env, this.id).list(0);
  }
}

/** What steps did, in the order in which they did it. */
export function effects() {
  const done: string[] = [];
  return {
    done,
    /** A step that leaves its name behind. */
    step: (ctx: TaskContext, name: string) =>
      ctx.step(name, () => {
        done.push(name);
        return name;
      }),
  };
}
