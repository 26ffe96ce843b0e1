/** The client's verbs on tasks. */

import type { ProblemResource } from "../contract/problem.ts";
import type { StepResource } from "../contract/step.ts";
import type { TaskList, TaskResource } from "../contract/task.ts";
import type { Tasks } from "../contract/typed-task.ts";
import type { TaskDelivery } from "../contract/webhook.ts";
import type { SignalWait } from "../contract/wait.ts";
import type { CallOptions, Connection } from "./connection.ts";
import { endedError } from "./ended-errors.ts";
import { follow, type FollowOptions } from "./events.ts";
import { newIdempotencyKey } from "./idempotency.ts";
import { inAll } from "./in-all.ts";
import { pagesOf, type Page } from "./pages.ts";
import { problemOf } from "./problem-errors.ts";
import type { ListOptions } from "./resource.ts";
import type {
  BulkFilter,
  BulkOptions,
  CancelOptions,
  LinksOptions,
  ListTasksOptions,
  RunOptions,
  SubmitCallOptions,
  SubmitOptions,
  TaskFilter,
  TaskRef,
} from "./task-types.ts";
import type { TaskVerbs } from "./task-verbs.ts";
import { waitForEnd, type WaitOptions } from "./wait.ts";

export function taskVerbs<T extends Tasks>(connection: Connection): TaskVerbs<T> {
  async function submit(task: string, input?: unknown, options: SubmitOptions = {}): Promise<TaskResource> {
    const { signal, idempotencyKey, traceparent, links, linksTtl, ...rest } = options;
    const body = { task, input, options: rest };
    const call = { ...submission({ signal, idempotencyKey, traceparent }), path: "/v1/tasks", body };
    return connection.json({ ...call, query: { links, linksTtl } });
  }

  async function batch(items: readonly unknown[], options: SubmitCallOptions = {}) {
    const call = { ...submission(options), path: "/v1/tasks/batch", body: { tasks: items } };
    const answer = await connection.json<{ items: { task?: TaskResource; problem?: ProblemResource }[] }>(call);
    return answer.items.map(({ task, problem }) =>
      problem ? { ok: false, problem: problemOf(problem) } : { ok: true, task },
    );
  }

  function list(filter: TaskFilter<string> = {}, { signal, ...options }: ListTasksOptions = {}) {
    return pagesOf((cursor) => {
      const query = { ...queryOf(filter), ...options, cursor: cursor ?? undefined };
      return connection.json<Page<TaskResource>>({ method: "GET", path: "/v1/tasks", query, signal });
    });
  }

  async function count(filter: TaskFilter<string> = {}, { signal }: CallOptions = {}) {
    const query = { ...queryOf(filter), count: "estimate", limit: 1 };
    return (await connection.json<TaskList>({ method: "GET", path: "/v1/tasks", query, signal })).count!;
  }

  /** A client without a key shows the token of the task's signed link. */
  const tokenFor = (task: TaskRef<string>, link: "self" | "cancel") =>
    connection.isKeyless && typeof task !== "string" && task.links !== undefined
      ? { token: new URL(task.links[link], "http://any").searchParams.get("token") ?? undefined }
      : {};

  async function wait(task: TaskRef<string>, options: WaitOptions = {}): Promise<unknown> {
    const ended = await waitForEnd<TaskResource>(connection, pathOf(task), options, tokenFor(task, "self"));
    if (ended.state !== "succeeded") throw endedError(ended);
    return ended.result;
  }

  const bulk =
    (verb: string) =>
    async (filter: BulkFilter<string>, { signal, ...options }: BulkOptions & { undo?: boolean } = {}) =>
      inAll((cursor) =>
        connection.json({
          method: "POST",
          path: `/v1/tasks/${verb}`,
          body: { filter, ...options, cursor },
          signal,
        }),
      );

  const moving =
    (verb: string) =>
    async (task: TaskRef<string>, { signal }: CallOptions = {}) =>
      connection.json({ method: "POST", path: `${pathOf(task)}/${verb}`, repeatable: true, signal });

  const verbs = {
    submit,
    batch,
    list,
    count,
    wait,
    run: async (task: string, input?: unknown, { within, ...options }: RunOptions = {}) =>
      wait(await submit(task, input, options), { signal: options.signal, within }),
    get: async (task: TaskRef<string>, { signal, ...query }: CallOptions & LinksOptions = {}) =>
      connection.json({ method: "GET", path: pathOf(task), query: { ...query, ...tokenFor(task, "self") }, signal }),
    events: (task: TaskRef<string>, options: FollowOptions = {}) =>
      follow(connection, pathOf(task), { ...options, query: tokenFor(task, "self") }),
    cancel: async (task: TaskRef<string>, { signal, ...body }: CancelOptions = {}) =>
      connection.json({
        method: "POST",
        path: `${pathOf(task)}/cancel`,
        query: tokenFor(task, "cancel"),
        body,
        repeatable: true,
        signal,
      }),
    retry: async (task: TaskRef<string>, { signal, ...body }: CallOptions & { input?: unknown; from?: string } = {}) =>
      connection.json({ method: "POST", path: `${pathOf(task)}/retry`, body, signal }),
    change: async (task: TaskRef<string>, body: unknown, { signal }: CallOptions = {}) =>
      connection.json({ method: "PATCH", path: pathOf(task), body, repeatable: true, signal }),
    runNow: moving("run-now"),
    pause: moving("pause"),
    resume: moving("resume"),
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
    steps: (task: TaskRef<string>, { signal }: CallOptions = {}) =>
      pagesOf((cursor) => {
        const query = { cursor: cursor ?? undefined };
        return connection.json<Page<StepResource>>({ method: "GET", path: `${pathOf(task)}/steps`, query, signal });
      }),
    waits: ({ signal }: CallOptions = {}) =>
      pagesOf((cursor) => {
        const query = { cursor: cursor ?? undefined };
        return connection.json<Page<SignalWait>>({ method: "GET", path: "/v1/waits", query, signal });
      }),
    deliveries: (task: TaskRef<string>, { signal, limit }: ListOptions = {}) =>
      pagesOf((cursor) => {
        const query = { limit, cursor: cursor ?? undefined };
        return connection.json<Page<TaskDelivery>>({
          method: "GET",
          path: `${pathOf(task)}/deliveries`,
          query,
          signal,
        });
      }),
    explain: async (task: TaskRef<string>, { signal }: CallOptions = {}) =>
      connection.json({ method: "GET", path: `${pathOf(task)}/explain`, signal }),
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

function queryOf({ tags = {}, ...filter }: TaskFilter<string>) {
  return { ...filter, ...Object.fromEntries(Object.entries(tags).map(([name, value]) => [`tag.${name}`, value])) };
}

function pathOf(task: TaskRef<string>): string {
  return `/v1/tasks/${encodeURIComponent(typeof task === "string" ? task : task.id)}`;
}
