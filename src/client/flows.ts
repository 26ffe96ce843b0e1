/** The client's verbs on flows. */

import type { FlowResource, FlowSummaryResource } from "../contract/flow.ts";
import type { ErrorHandler, FlowOf, Graph } from "../contract/typed-flow.ts";
import type { CallOptions, Connection } from "./connection.ts";
import { FlowEndedError } from "./ended-errors.ts";
import { follow, type FlowEvent, type FollowOptions } from "./events.ts";
import { pagesOf, type Page, type Pages } from "./pages.ts";
import type { CancelOptions, SubmitCallOptions, TaskFilter } from "./task-types.ts";
import { submission } from "./tasks.ts";
import { waitForEnd, type WaitOptions } from "./wait.ts";

export interface FlowOptions extends SubmitCallOptions {
  /** Runs once if the flow fails, and is passed `{ flowId, failed }`. */
  onError?: ErrorHandler | undefined;
  /** A duration, or an ISO instant: a flow that has not ended by then is cancelled and fails. */
  deadline?: number | string | undefined;
}

/** A flow: its id, or what `submit` and `get` give, which says its type too. */
export type FlowRef<Result> = string | FlowOf<Result>;

/** One task of a flow, and its place in the graph. */
export type FlowMember = FlowResource["nodes"][number];

/** A flow in a list. */
export type FlowSummary = FlowSummaryResource;

export interface FlowFilter extends Pick<
  TaskFilter<string>,
  "createdAfter" | "createdBefore" | "finishedAfter" | "finishedBefore"
> {
  state?: FlowSummary["state"] | readonly FlowSummary["state"][] | undefined;
}

export interface FlowVerbs {
  /**
   * Submits a graph; all of it is checked before anything is stored. Repeated requests make one flow.
   *
   * @example
   * const { task } = nodesOf<typeof tasks>();
   * const flow = await client.flows.submit(
   *   chain(
   *     task("process_item", { name: "beans", steps: 1, pause: "10ms" }),
   *     task("csv.summarize", { csv: previous("/result") }),
   *   ),
   * );
   * const { rows } = await client.flows.wait(flow);
   * console.log(rows);
   */
  submit<Result>(graph: Graph<Result>, options?: FlowOptions): Promise<FlowOf<Result>>;

  /** Submits a graph and waits for its result, as {@link FlowVerbs.wait} does. A signal ends the waiting, not the flow. */
  run<Result>(graph: Graph<Result>, options?: FlowOptions & Pick<WaitOptions, "within">): Promise<Result>;

  /** Reads a flow with its nodes; where they are large, only with as many of the first as are safe to hold. */
  get<Result = unknown>(flow: FlowRef<Result>, options?: CallOptions): Promise<FlowOf<Result>>;

  /** Lists flows, newest first, without their results, errors and nodes. Times are ISO 8601, exclusive. */
  list(filter?: FlowFilter, options?: CallOptions & { limit?: number }): Pages<FlowSummary>;

  /** Every node of a flow with its task. */
  nodes(flow: FlowRef<unknown>, options?: CallOptions & { limit?: number }): Pages<FlowMember>;

  /** The flow's result once it has one. Throws a `FlowEndedError` where it has none, and a `WaitTimeoutError` after `within` ms. */
  wait<Result = unknown>(flow: FlowRef<Result>, options?: WaitOptions): Promise<Result>;

  /** Follows a flow to its end: every change of a member once and in order, and last `done`, with the flow as it ended. */
  events<Result = unknown>(
    flow: FlowRef<Result>,
    options?: FollowOptions,
  ): AsyncGenerator<FlowEvent<FlowOf<Result>>, void, undefined>;

  /** Cancels all of a flow that has not ended. */
  cancel<Result = unknown>(flow: FlowRef<Result>, options?: CancelOptions): Promise<FlowOf<Result>>;

  /**
   * Runs again what failed and what depends on it, or the node with the key `from` and what depends on that. The old deadline no
   * longer holds.
   */
  retry<Result = unknown>(
    flow: FlowRef<Result>,
    options?: CallOptions & Pick<FlowOptions, "deadline"> & { from?: string | undefined },
  ): Promise<FlowOf<Result>>;

  /** Removes an ended flow with all of its tasks. */
  delete(flow: FlowRef<unknown>, options?: CallOptions): Promise<void>;
}

export function flowVerbs(connection: Connection): FlowVerbs {
  async function submit<Result>(graph: Graph<Result>, options: FlowOptions = {}): Promise<FlowOf<Result>> {
    const body = { ...graph, onError: options.onError, deadline: options.deadline };
    return connection.json({ ...submission(options), path: "/v1/flows", body });
  }

  async function wait<Result>(flow: FlowRef<Result>, options: WaitOptions = {}): Promise<Result> {
    // The nodes are of no interest while it runs.
    const ended = await waitForEnd<FlowResource>(connection, pathOf(flow), options, { limit: 1 });
    // A flow that has succeeded may have lost its result, which is an error, too, and not null.
    if (ended.state !== "succeeded" || ended.error !== null) throw new FlowEndedError(ended);
    return ended.result as Result;
  }

  return {
    submit,
    wait,
    run: async (graph, { within, ...options } = {}) =>
      wait(await submit(graph, options), { signal: options.signal, within }),
    get: async (flow, { signal } = {}) => connection.json({ method: "GET", path: pathOf(flow), signal }),
    list: (filter = {}, { signal, limit } = {}) =>
      pagesOf((cursor) => {
        const query = { ...filter, limit, cursor: cursor ?? undefined };
        return connection.json<Page<FlowSummary>>({ method: "GET", path: "/v1/flows", query, signal });
      }),
    nodes: (flow, { signal, limit } = {}) =>
      pagesOf(async (cursor) => {
        const query = { limit, cursor: cursor ?? undefined };
        const { nodes, nextCursor } = await connection.json<FlowResource>({
          method: "GET",
          path: pathOf(flow),
          query,
          signal,
        });
        return { items: nodes, nextCursor };
      }),
    events: (flow, options = {}) => follow(connection, pathOf(flow), options),
    cancel: async (flow, { signal, ...body } = {}) =>
      connection.json({
        method: "POST",
        path: `${pathOf(flow)}/cancel`,
        body,
        repeatable: true,
        signal,
      }),
    retry: async (flow, { signal, ...body } = {}) =>
      connection.json({ method: "POST", path: `${pathOf(flow)}/retry`, body, signal }),
    delete: async (flow, { signal } = {}) => connection.json({ method: "DELETE", path: pathOf(flow), signal }),
  };
}

function pathOf(flow: FlowRef<unknown>): string {
  return `/v1/flows/${encodeURIComponent(typeof flow === "string" ? flow : flow.id)}`;
}
