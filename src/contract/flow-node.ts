/** The nodes of flows: what crosses the wire, and what the compiler knows of it. */

import type { OptionsInput } from "./submission.ts";

/** A node as it crosses the wire. */
export type GraphNode =
  | { task: string; input?: unknown; options?: OptionsInput }
  | { chain: readonly GraphNode[] }
  | { group: readonly GraphNode[] }
  | { chord: { header: readonly GraphNode[]; body: GraphNode } }
  | { map: { task: string; inputs: readonly unknown[]; options?: OptionsInput } }
  | { dag: Readonly<Record<string, DagEntry<GraphNode>>> };

/** Never there at run time. */
declare const types: unique symbol;

/** A node, a {@link GraphNode} in truth, that must be passed a `Passed` (`unknown`: anything) and results in a `Result`. */
export interface FlowNode<in Passed, out Result> {
  readonly [types]: (passed: Passed) => Result;
}

/** A member of a dag: it is passed `{ name: result }` of the nodes that it needs. */
export interface DagEntry<Node = AnyNode> {
  node: Node;
  needs?: readonly string[];
  /** `ignore`: its failure stops no other node; nodes that need it are passed null for it. */
  onFailure?: "fail" | "ignore";
}

/** Any node. */
export type AnyNode = FlowNode<never, unknown>;

/** What a node results in. */
export type ResultOf<Node> = Node extends FlowNode<never, infer Result> ? Result : never;

/** What each node of a list results in. */
export type ResultsOf<Nodes extends readonly AnyNode[]> = { -readonly [I in keyof Nodes]: ResultOf<Nodes[I]> };

/** What each of the nodes can be passed: an intersection. */
export type PassedToAll<Nodes extends readonly AnyNode[]> = [Nodes[number]] extends [FlowNode<infer Passed, unknown>]
  ? Passed
  : unknown;

/** Data as a node; the caller answers for its types. */
export function asNode<Passed, Result>(data: object): FlowNode<Passed, Result> {
  return data as FlowNode<Passed, Result>;
}
