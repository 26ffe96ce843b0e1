/** The client's verbs on tasks. */

import type { ProblemResource } from "../contract/problem.ts";
import type { TaskResource } from "../contract/task.ts";
import type { InputOf, Named, NameOf, OutputOf, SubmitArgs, TaskOf, Tasks } from "../contract/typed-task.ts";
import type { CallOptions, Connection } from "./connection.ts";
import { endedError } from "./ended-errors.ts";
import { follow, type FollowOptions, type TaskEvent } from "./events.ts";
import { newIdempotencyKey } from "./idempotency.ts";
import { pagesOf, type Page, type Pages } from "./pages.ts";
import { problemOf } from "./problem-errors.ts";
import type {
  BatchItems,
  BulkFilter,
  BulkOptions,
  BulkResult,
  Submission,
  SubmitCallOptions,
  SubmitOptions,
  TaskFilter,
  TaskRef,
} from "./task-types.ts";
import { waitForEnd, type WaitOptions } from "./wait.ts";

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
   * Submits a task and waits for its result, as {@link TaskVerbs.wait} does. A signal ends the waiting, not the task.
   *
   * @example
   * const summary = await client.run("csv.summarize", { csv: "city,people\nOslo,717710\n" });
   * console.log(summary.rows);
   */
  run<Name extends NameOf<T>>(
    task: Name,
    ...args: SubmitArgs<Named<T, Name>, SubmitOptions>
  ): Promise<OutputOf<Named<T, Name>>>;

  /**
   * Submits up to 1,000 tasks at once. A bad one never sinks the others.
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
   * Reads a task with its attempts.
   *
   * @example
   * const submitted = await client.submit("process_item", { name: "tea", steps: 1 });
   * const task = await client.get(submitted);
   * if (task.state === "succeeded") console.log(task.result.result);
   */
  get<Name extends NameOf<T> = NameOf<T>>(task: TaskRef<Name>, options?: CallOptions): Promise<TaskOf<Named<T, Name>>>;

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
    options?: CallOptions & { limit?: number },
  ): Pages<TaskOf<Named<T, Name>>>;

  /**
   * The task's result once it has one. Throws a `TaskFailedError`, `TaskCancelledError` or
   * `TaskExpiredError` where it has none, and a `WaitTimeoutError` after `timeout` ms.
   *
   * @example
   * const task = await client.submit("process_item", { name: "tea", steps: 1, pause: "10ms" });
   * const { result } = await client.wait(task, { timeout: 30_000 });
   * console.log(result);
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
   * Cancels a task; a running one has 5 s to end by itself. A `ConflictError`: it has ended another way.
   *
   * @example
   * const task = await client.submit("process_item", { name: "soup" });
   * await client.cancel(task, { reason: "the guests have gone" });
   */
  cancel<Name extends NameOf<T> = NameOf<T>>(
    task: TaskRef<Name>,
    options?: CallOptions & { reason?: string | undefined },
  ): Promise<TaskOf<Named<T, Name>>>;

  /**
   * Runs a failed, cancelled or expired task again, with another input if one is given.
   *
   * @example
   * const task = await client.submit("process_item", { name: "soup" }, { delay: "1h" });
   * await client.cancel(task);
   * await client.retry(task, { input: { name: "stew", steps: 1 } });
   */
  retry<Name extends NameOf<T> = NameOf<T>>(
    task: TaskRef<Name>,
    options?: CallOptions & { input?: InputOf<Named<T, Name>> },
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
   * Cancels all that the filter finds; an empty filter is refused.
   *
   * @example
   * const { matched } = await client.cancelAll({ task: "process_item", tags: { customer: "42" } }, { dryRun: true });
   * console.log(matched);
   */
  cancelAll(filter: BulkFilter<NameOf<T>>, options?: BulkOptions): Promise<BulkResult>;

  /** Runs all again that the filter finds among the failed, cancelled and expired. */
  retryAll(filter: BulkFilter<NameOf<T>>, options?: BulkOptions): Promise<BulkResult>;

  /** Removes all that the filter finds among the ended. */
  deleteAll(filter: BulkFilter<NameOf<T>>, options?: BulkOptions): Promise<BulkResult>;
}

export function taskVerbs<T extends Tasks>(connection: Connection): TaskVerbs<T> {
  async function submit(task: string, input?: unknown, options: SubmitOptions = {}): Promise<TaskResource> {
    const { signal, idempotencyKey, traceparent, ...rest } = options;
    const body = { task, input, options: rest };
    return connection.json({ ...submission({ signal, idempotencyKey, traceparent }), path: "/v1/tasks", body });
  }

  async function batch(items: readonly unknown[], options: SubmitCallOptions = {}) {
    const call = { ...submission(options), path: "/v1/tasks/batch", body: { tasks: items } };
    const answer = await connection.json<{ items: { task?: TaskResource; problem?: ProblemResource }[] }>(call);
    return answer.items.map(({ task, problem }) =>
      problem ? { ok: false, problem: problemOf(problem) } : { ok: true, task },
    );
  }

  function list(filter: TaskFilter<string> = {}, options: CallOptions & { limit?: number } = {}) {
    const { signal, limit } = options;
    const { tags = {}, ...rest } = filter;
    const byTag = Object.fromEntries(Object.entries(tags).map(([name, value]) => [`tag.${name}`, value]));
    return pagesOf((cursor) => {
      const query = { ...rest, ...byTag, limit, cursor: cursor ?? undefined };
      return connection.json<Page<TaskResource>>({ method: "GET", path: "/v1/tasks", query, signal });
    });
  }

  async function wait(task: TaskRef<string>, options: WaitOptions = {}): Promise<unknown> {
    const ended = await waitForEnd<TaskResource>(connection, pathOf(task), options);
    if (ended.state !== "succeeded") throw endedError(ended);
    return ended.result;
  }

  const bulk =
    (verb: string) =>
    async (filter: BulkFilter<string>, { signal, dryRun }: BulkOptions = {}) =>
      connection.json<BulkResult>({ method: "POST", path: `/v1/tasks/${verb}`, body: { filter, dryRun }, signal });

  const verbs = {
    submit,
    batch,
    list,
    wait,
    run: async (task: string, input?: unknown, options: SubmitOptions = {}) =>
      wait(await submit(task, input, options), { signal: options.signal }),
    get: async (task: TaskRef<string>, { signal }: CallOptions = {}) =>
      connection.json({ method: "GET", path: pathOf(task), signal }),
    events: (task: TaskRef<string>, options: FollowOptions = {}) => follow(connection, pathOf(task), options),
    cancel: async (task: TaskRef<string>, { signal, reason }: CallOptions & { reason?: string } = {}) =>
      connection.json({
        method: "POST",
        path: `${pathOf(task)}/cancel`,
        body: { reason },
        repeatable: true,
        signal,
      }),
    retry: async (task: TaskRef<string>, { signal, input }: CallOptions & { input?: unknown } = {}) =>
      connection.json({ method: "POST", path: `${pathOf(task)}/retry`, body: { input }, signal }),
    delete: async (task: TaskRef<string>, { signal }: CallOptions = {}) =>
      connection.json({ method: "DELETE", path: pathOf(task), signal }),
    signal: async (task: TaskRef<string>, name: string, body: unknown = null, { signal }: CallOptions = {}) => {
      await connection.json({
        method: "POST",
        path: `${pathOf(task)}/signals/${encodeURIComponent(name)}`,
        body,
        signal,
      });
    },
    cancelAll: bulk("cancel"),
    retryAll: bulk("retry"),
    deleteAll: bulk("delete"),
  };
  return verbs as unknown as TaskVerbs<T>;
}

/** What the requests that submit have in common: a key makes them safe to repeat. */
export function submission({ signal, idempotencyKey, traceparent }: SubmitCallOptions) {
  const headers = { "idempotency-key": idempotencyKey ?? newIdempotencyKey(), traceparent };
  return { method: "POST", headers, repeatable: true, signal } as const;
}

function pathOf(task: TaskRef<string>): string {
  return `/v1/tasks/${encodeURIComponent(typeof task === "string" ? task : task.id)}`;
}
