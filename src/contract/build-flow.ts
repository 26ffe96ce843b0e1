/**
 * Writes flows: each function gives a node as `POST /v1/flows` takes it, plain data, whose type also
 * says what it must be passed and what it results in. A result that does not fit is a compile error.
 * Runs in a client and in the Worker alike.
 */

import type { InputOf, OutputOf, TaskDefinition } from "../core/task.ts";
import type { PassedFor, Referable } from "./flow-reference.ts";
import { asNode, type AnyNode, type FlowNode, type PassedToAll, type ResultsOf } from "./flow-node.ts";
import type { OptionsInput } from "./submission.ts";
import type { Named, NameOf, Tasks } from "./typed-task.ts";

/** `task` and `map` for tasks known by their names. */
export interface NodesByName<T extends Tasks> {
  /** One task. Without an input it takes what it is passed; an input may hold `previous()` and `from()`. */
  readonly task: <Name extends NameOf<T>, Given extends Referable<InputOf<Named<T, Name>>> | undefined = undefined>(
    task: Name,
    input?: Given,
    options?: OptionsInput,
  ) => FlowNode<PassedFor<Given, InputOf<Named<T, Name>>>, OutputOf<Named<T, Name>>>;
  /** One task for each input, side by side; results in the list of their results, in order. */
  readonly map: <Name extends NameOf<T>, Given extends Referable<InputOf<Named<T, Name>>>>(
    task: Name,
    inputs: readonly Given[],
    options?: OptionsInput,
  ) => FlowNode<PassedFor<Given, InputOf<Named<T, Name>>>, OutputOf<Named<T, Name>>[]>;
}

/** {@link task} and {@link map} where only the type of the definitions is known, as in a client. */
export function nodesOf<T extends Tasks>(): NodesByName<T> {
  return { task: node, map: mapNode };
}

/** One task. Without an input it takes what it is passed; an input may hold `previous()` and `from()`. */
export function task<D extends TaskDefinition, Given extends Referable<InputOf<D>> | undefined = undefined>(
  task: D,
  input?: Given,
  options?: OptionsInput,
): FlowNode<PassedFor<Given, InputOf<D>>, OutputOf<D>> {
  return node(task.name, input, options);
}

/** One task for each input, side by side; results in the list of their results, in order. */
export function map<D extends TaskDefinition, Given extends Referable<InputOf<D>>>(
  task: D,
  inputs: readonly Given[],
  options?: OptionsInput,
): FlowNode<PassedFor<Given, InputOf<D>>, OutputOf<D>[]> {
  return mapNode(task.name, inputs, options);
}

/** A node that its predecessor's result must fit. */
type Next<Passed, Result> = FlowNode<NoInfer<Passed>, Result>;

/** One after the other, each passed its predecessor's result. For more than eight, nest. */
export function chain<P, A>(...nodes: [FlowNode<P, A>]): FlowNode<P, A>;
export function chain<P, A, B>(...nodes: [FlowNode<P, A>, Next<A, B>]): FlowNode<P, B>;
export function chain<P, A, B, C>(...nodes: [FlowNode<P, A>, Next<A, B>, Next<B, C>]): FlowNode<P, C>;
export function chain<P, A, B, C, D>(...nodes: [FlowNode<P, A>, Next<A, B>, Next<B, C>, Next<C, D>]): FlowNode<P, D>;
export function chain<P, A, B, C, D, E>(
  ...nodes: [FlowNode<P, A>, Next<A, B>, Next<B, C>, Next<C, D>, Next<D, E>]
): FlowNode<P, E>;
export function chain<P, A, B, C, D, E, F>(
  ...nodes: [FlowNode<P, A>, Next<A, B>, Next<B, C>, Next<C, D>, Next<D, E>, Next<E, F>]
): FlowNode<P, F>;
export function chain<P, A, B, C, D, E, F, G>(
  ...nodes: [FlowNode<P, A>, Next<A, B>, Next<B, C>, Next<C, D>, Next<D, E>, Next<E, F>, Next<F, G>]
): FlowNode<P, G>;
export function chain<P, A, B, C, D, E, F, G, H>(
  ...nodes: [FlowNode<P, A>, Next<A, B>, Next<B, C>, Next<C, D>, Next<D, E>, Next<E, F>, Next<F, G>, Next<G, H>]
): FlowNode<P, H>;
export function chain(...nodes: AnyNode[]): AnyNode {
  return asNode({ chain: nodes });
}

/** Side by side; results in the list of their results, in order. */
export function group<const Nodes extends readonly AnyNode[]>(
  nodes: Nodes,
): FlowNode<PassedToAll<Nodes>, ResultsOf<Nodes>> {
  return asNode({ group: nodes });
}

/** Side by side, and then once the body, which is passed the list of their results. For a `map` as header, chain it with the body. */
export function chord<const Nodes extends readonly AnyNode[], Result>(
  header: Nodes,
  body: FlowNode<NoInfer<ResultsOf<Nodes>>, Result>,
): FlowNode<PassedToAll<Nodes>, Result> {
  return asNode({ chord: { header, body } });
}

function node(task: string, input?: unknown, options?: OptionsInput) {
  return asNode<unknown, never>({ task, ...(input === undefined ? {} : { input }), ...(options ? { options } : {}) });
}

function mapNode(task: string, inputs: readonly unknown[], options?: OptionsInput) {
  return asNode<unknown, never>({ map: { task, inputs, ...(options ? { options } : {}) } });
}
