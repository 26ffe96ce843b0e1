/** The client's verbs on groups of errors. */

import type { ErrorGroupResource } from "../contract/error-group.ts";
import type { CallOptions, Connection } from "./connection.ts";
import type { Pages } from "./pages.ts";
import { resource, type ListOptions } from "./resource.ts";

export interface ErrorQuery extends ListOptions {
  state?: ErrorGroupResource["state"];
  task?: string;
  /** Failed at this time or later; `newSince`: and never before. */
  since?: Date;
  newSince?: Date;
}

export interface ErrorVerbs {
  /**
   * Lists the errors that tasks fail with, the latest first. A group's id is also a value of the filter `error`.
   *
   * @example
   * for await (const { id, task, type, message, count } of client.errors.list({ state: "open" })) {
   *   console.log(id, task, type, message, count);
   * }
   */
  list(query?: ErrorQuery): Pages<ErrorGroupResource>;
  /** Says that an error is mended: the next task that fails with it opens it again. Needs the scope `cancel`. */
  resolve(id: string, options?: CallOptions): Promise<ErrorGroupResource>;
  /** Ignores an error; with `untilCount`, until so many tasks in all have failed with it. Needs the scope `cancel`. */
  ignore(id: string, options?: CallOptions & { untilCount?: number }): Promise<ErrorGroupResource>;
}

export function errorVerbs(connection: Connection): ErrorVerbs {
  const { send, list } = resource(connection, "/v1/errors");
  return {
    list: ({ state, task, since, newSince, ...options } = {}) =>
      list([], { ...options, query: { state, task, since: since?.toISOString(), newSince: newSince?.toISOString() } }),
    resolve: async (id, { signal } = {}) => send("POST", [id, "resolve"], { repeatable: true, signal }),
    ignore: async (id, { untilCount, signal } = {}) =>
      send("POST", [id, "ignore"], { body: untilCount === undefined ? {} : { untilCount }, repeatable: true, signal }),
  };
}
