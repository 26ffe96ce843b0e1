/** What a client can do with tasks. */

import type { Explanation } from "../contract/explanation.ts";
import type { StepResource } from "../contract/step.ts";
import type { InputOf, Named, NameOf, OutputOf, SubmitArgs, TaskOf, Tasks } from "../contract/typed-task.ts";
import type { TaskChangeInput } from "../contract/task-change.ts";
import type { TaskDelivery } from "../contract/webhook.ts";
import type { SignalWait } from "../contract/wait.ts";
import type { CallOptions } from "./connection.ts";
import type { FollowOptions, TaskEvent } from "./events.ts";
import type { Pages } from "./pages.ts";
import type { ListOptions } from "./resource.ts";
import type {
  BatchItems,
  BulkFilter,
  BulkOptions,
  BulkResult,
  CancelOptions,
  LinksOptions,
  ListTasksOptions,
  RunOptions,
  Submission,
  SubmitCallOptions,
  SubmitOptions,
  TaskFilter,
  TaskRef,
} from "./task-types.ts";
import type { WaitOptions } from "./wait.ts";

/** Verbs on the tasks of the list `T`. */
export interface TaskVerbs<T extends Tasks> {
  /**
   * Submits a task and answers it as it was accepted. Repeated requests make one task.
   *
   * @example
   * const task = await client.submit("process_item", { name: "tea" }, { tags: { customer: "42" }, delay: "1s" });
   * console.log(task.id, task.state);
   */
  submit<Name extends NameOf<T>>(
    task: Name,
    ...args: SubmitArgs<Named<T, Name>, SubmitOptions>
  ): Promise<TaskOf<Named<T, Name>>>;

  /**
   * Submits a task and waits for its result, as {@link TaskVerbs.wait} does; both give what the handler returned. A signal and
   * `within` (ms) end the waiting, not the task; `timeout` bounds an attempt.
   *
   * @example
   * const summary = await client.run("csv.summarize", { csv: "city,people\nOslo,717710\n" });
   * console.log(summary.rows);
   */
  run<Name extends NameOf<T>>(
    task: Name,
    ...args: SubmitArgs<Named<T, Name>, RunOptions>
  ): Promise<OutputOf<Named<T, Name>>>;

  /**
   * Submits up to 1,000 tasks at once. The valid ones are accepted also beside an invalid one.
   *
   * @example
   * const [first, second] = await client.batch([
   *   { task: "process_item", input: { name: "basil", steps: 1 } },
   *   { task: "csv.summarize", input: { csv: "a\n1\n" } },
   * ]);
   * if (first.ok) console.log(first.task.id);
   * if (!second.ok) console.log(second.problem.detail);
   */
  batch<const Items extends readonly [] | readonly Submission<T>[]>(
    items: Items,
    options?: SubmitCallOptions,
  ): Promise<BatchItems<T, Items>>;

  /**
   * Reads a task with its attempts. A client without a key reads, follows, awaits and cancels tasks that have signed links.
   *
   * @example
   * const submitted = await client.submit("process_item", { name: "tea", steps: 1 });
   * const task = await client.get(submitted);
   * if (task.state === "succeeded") console.log(task.result.result);
   */
  get<Name extends NameOf<T> = NameOf<T>>(
    task: TaskRef<Name>,
    options?: CallOptions & LinksOptions,
  ): Promise<TaskOf<Named<T, Name>>>;

  /**
   * Lists tasks, newest first: all of them by iteration, or a page at a time.
   *
   * @example
   * for await (const task of client.list({ state: ["failed", "expired"], task: "http.request" })) console.log(task.id);
   * const { items, nextCursor } = await client.list({}, { limit: 10 }).page();
   * console.log(items.length, nextCursor);
   */
  list<Name extends NameOf<T> = NameOf<T>>(
    filter?: TaskFilter<Name>,
    options?: ListTasksOptions,
  ): Pages<TaskOf<Named<T, Name>>>;

  /** How many tasks the filter finds: counted, or estimated where they are many. */
  count(filter?: TaskFilter<NameOf<T>>, options?: CallOptions): Promise<{ estimate: number; isExact: boolean }>;

  /**
   * The task's result once it has one. Throws a `TaskFailedError`, `TaskCancelledError` or
   * `TaskExpiredError` where it has none, and a `WaitTimeoutError` after `within` ms.
   *
   * @example
   * const task = await client.submit("process_item", { name: "tea", steps: 1, pause: "10ms" });
   * const output = await client.wait(task, { within: 30_000 });
   * console.log(output.result);
   */
  wait<Name extends NameOf<T> = NameOf<T>>(
    task: TaskRef<Name>,
    options?: WaitOptions,
  ): Promise<OutputOf<Named<T, Name>>>;

  /**
   * Follows a task to its end: every event once and in order, over any number of connections. The
   * last is `done`, with the task as it ended.
   *
   * @example
   * const task = await client.submit("process_item", { name: "coffee", steps: 2, pause: "10ms" });
   * for await (const event of client.events(task)) {
   *   if (event.type === "progress") console.log(event.data.percent);
   *   if (event.type === "done") console.log(event.data.state);
   * }
   */
  events<Name extends NameOf<T> = NameOf<T>>(
    task: TaskRef<Name>,
    options?: FollowOptions,
  ): AsyncGenerator<TaskEvent<TaskOf<Named<T, Name>>>, void, undefined>;

  /**
   * Cancels a task; a running one has 5 s to end by itself. Throws a `ConflictError` where it has ended another way.
   *
   * @example
   * const task = await client.submit("process_item", { name: "soup" });
   * await client.cancel(task, { reason: "the guests have gone" });
   */
  cancel<Name extends NameOf<T> = NameOf<T>>(
    task: TaskRef<Name>,
    options?: CancelOptions,
  ): Promise<TaskOf<Named<T, Name>>>;

  /**
   * Runs a failed, cancelled or expired task again: with another `input` if one is given, and with `from` from that step on.
   *
   * @example
   * const task = await client.submit("process_item", { name: "soup" }, { delay: "1h" });
   * await client.cancel(task);
   * await client.retry(task, { input: { name: "stew", steps: 1 } });
   */
  retry<Name extends NameOf<T> = NameOf<T>>(
    task: TaskRef<Name>,
    options?: CallOptions & { input?: InputOf<Named<T, Name>>; from?: string },
  ): Promise<TaskOf<Named<T, Name>>>;

  /**
   * Changes a task that has not started. Throws a `ConflictError` where it has.
   *
   * @example
   * const task = await client.submit("process_item", { name: "soup" }, { delay: "1h" });
   * await client.change(task, { runAt: new Date(Date.now() + 60_000).toISOString(), lane: "bulk" });
   */
  change<Name extends NameOf<T> = NameOf<T>>(
    task: TaskRef<Name>,
    change: Omit<TaskChangeInput, "input"> & { input?: InputOf<Named<T, Name>> },
    options?: CallOptions,
  ): Promise<TaskOf<Named<T, Name>>>;

  /** Starts a task now that has not started. */
  runNow<Name extends NameOf<T> = NameOf<T>>(
    task: TaskRef<Name>,
    options?: CallOptions,
  ): Promise<TaskOf<Named<T, Name>>>;

  /** Holds back a task that has not started, until it is resumed. */
  pause<Name extends NameOf<T> = NameOf<T>>(
    task: TaskRef<Name>,
    options?: CallOptions,
  ): Promise<TaskOf<Named<T, Name>>>;

  /** Lets a paused task start at its time, or now where that has passed. */
  resume<Name extends NameOf<T> = NameOf<T>>(
    task: TaskRef<Name>,
    options?: CallOptions,
  ): Promise<TaskOf<Named<T, Name>>>;

  /**
   * Removes an ended task and all that belongs to it.
   *
   * @example
   * const task = await client.submit("process_item", { name: "tea", steps: 1, pause: "10ms" });
   * await client.wait(task);
   * await client.delete(task);
   */
  delete(task: TaskRef<string>, options?: CallOptions): Promise<void>;

  /** Sends a signal, any JSON value, to a task that waits for it or will. After a broken connection it is not sent again. */
  signal(task: TaskRef<string>, name: string, body?: unknown, options?: CallOptions): Promise<void>;

  /**
   * Lists the steps of a durable task, with its sleeps, waits and children, in the order in which they began.
   *
   * @example
   * const task = await client.submit("process_item", { name: "tea", steps: 1, pause: "10ms" });
   * for await (const { name, kind, startedAt, finishedAt } of client.steps(task)) console.log(name, kind, startedAt, finishedAt);
   */
  steps(task: TaskRef<string>, options?: CallOptions): Pages<StepResource>;

  /**
   * Lists what waits for a signal, the newest tasks first.
   *
   * @example
   * for await (const { taskId, name, schema, until } of client.waits()) console.log(taskId, name, schema, until);
   */
  waits(options?: CallOptions): Pages<SignalWait>;

  /** Lists the webhook deliveries that tell of a task, newest first, with what was sent and what the receivers answered. */
  deliveries(task: TaskRef<string>, options?: ListOptions): Pages<TaskDelivery>;

  /** Why a task is where it is: what it waits for, what holds it back. */
  explain(task: TaskRef<string>, options?: CallOptions): Promise<Explanation>;

  /**
   * Cancels all that the filter finds; an empty filter is refused.
   *
   * @example
   * const { matched } = await client.cancelAll({ task: "process_item", tags: { customer: "42" } }, { dryRun: true });
   * console.log(matched);
   */
  cancelAll(filter: BulkFilter<NameOf<T>>, options?: BulkOptions & Pick<CancelOptions, "undo">): Promise<BulkResult>;

  /** Runs the failed, cancelled and expired tasks again that the filter finds. */
  retryAll(filter: BulkFilter<NameOf<T>>, options?: BulkOptions): Promise<BulkResult>;

  /** Removes the ended tasks that the filter finds. It skips members of flows; with `flowId` alone it removes the whole flow. */
  deleteAll(filter: BulkFilter<NameOf<T>>, options?: BulkOptions): Promise<BulkResult>;
}
