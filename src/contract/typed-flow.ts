/** The types of flows that were written with `build-flow.ts`. Nothing of it exists at run time. */

import type { FlowResource } from "./flow.ts";
import type { FlowNode, GraphNode } from "./flow-node.ts";
import type { TaskResource } from "./task.ts";

/** A graph that takes nothing from before it: written with types, or plain data whose result type is unknown. */
export type Graph<Result> = FlowNode<undefined, Result> | GraphNode;

/** Runs once when the flow fails. */
export type ErrorHandler = FlowNode<FlowFailure, unknown> | GraphNode;

/** What `onError` is passed. */
export interface FlowFailure {
  flowId: string;
  failed: { key: string; taskId: string; error: NonNullable<TaskResource["error"]> }[];
}

/** The resource of a flow that results in a `Result`. */
export type FlowOf<Result> = Omit<FlowResource, "state" | "result"> &
  ({ state: "succeeded"; result: Result } | { state: Exclude<FlowResource["state"], "succeeded">; result: null });
