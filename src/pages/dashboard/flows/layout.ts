/** Places the nodes of a flow: in layers by what they need, with large groups folded to one box. Pure. */

import type { State } from "../states.ts";

/** What the layout reads of a node. */
export interface GraphNode {
  key: string;
  needs: readonly string[];
  state: State;
}

/** One node, or a group of nodes that need the same and are needed by the same. */
export interface Box {
  /** The key of its first node. */
  id: string;
  keys: readonly string[];
  counts: Readonly<Partial<Record<State, number>>>;
  layer: number;
  /** Its place in its layer, from the top. */
  row: number;
}

/** From the box that is needed to the one that needs it. */
export interface Edge {
  from: string;
  to: string;
  /** The rows that it passes in the layers between, so that it crosses no box. */
  through: readonly number[];
}

export interface Layout {
  boxes: readonly Box[];
  edges: readonly Edge[];
  layers: number;
  rows: number;
}

/** Larger groups are folded into one box. */
const FOLD_OVER = 20;
const SWEEPS = 4;

/** A graph of more boxes cannot be read, and is slow to draw: a list takes its place. */
const MOST_BOXES = 400;

/** Whether these nodes make a graph that one can look at, once they are folded. */
export function isDrawable(nodes: readonly { key: string; needs: readonly string[] }[]): boolean {
  return partsOf(nodes).length <= MOST_BOXES;
}

export function layoutOf(nodes: readonly GraphNode[]): Layout {
  const boxOf = new Map<string, string>();
  const members = new Map<string, GraphNode[]>();
  for (const part of partsOf(nodes)) {
    const id = part[0]!.key;
    members.set(id, part);
    for (const node of part) boxOf.set(node.key, id);
  }
  const needs = new Map<string, string[]>();
  for (const [id, part] of members) {
    // A folded group's nodes all need the same.
    const before = part[0]!.needs.map((key) => boxOf.get(key)).filter((each) => each !== undefined && each !== id);
    needs.set(id, [...new Set(before as string[])]);
  }
  const layers = layersOf(needs);
  const placed = withWays(needs, layers);
  const rows = rowsOf(placed.layers, placed.needs);
  const boxes = [...members].map(([id, part]) => ({
    id,
    keys: part.map((node) => node.key),
    counts: countsOf(part),
    layer: layers.get(id)!,
    row: rows.get(id)!,
  }));
  return {
    boxes,
    edges: placed.edges.map(({ from, to, ways }) => ({ from, to, through: ways.map((way) => rows.get(way)!) })),
    layers: Math.max(0, ...layers.values()) + 1,
    rows: Math.max(0, ...rows.values()) + 1,
  };
}

/** The nodes of each box. */
function partsOf<Node extends Pick<GraphNode, "key" | "needs">>(nodes: readonly Node[]): Node[][] {
  return groupsOf(nodes).flatMap((group) => (group.length > FOLD_OVER ? [group] : group.map((node) => [node])));
}

/** Nodes that need the same and are needed by the same, in the order in which the first of each comes. */
function groupsOf<Node extends Pick<GraphNode, "key" | "needs">>(nodes: readonly Node[]): Node[][] {
  const dependents = new Map<string, string[]>();
  for (const { key, needs } of nodes) {
    for (const need of needs) {
      const known = dependents.get(need);
      if (known === undefined) dependents.set(need, [key]);
      else known.push(key);
    }
  }
  const like = ({ key, needs }: Node) =>
    `${key.includes(".") ? key.slice(0, key.lastIndexOf(".")) : ""}\n${needs.join()}\n${dependents.get(key)?.join() ?? ""}`;
  return [...Map.groupBy(nodes, like).values()];
}

/** The layer of each box: the length of the longest path to it from a box without needs. */
function layersOf(needs: ReadonlyMap<string, readonly string[]>): Map<string, number> {
  const layers = new Map<string, number>();
  // Without recursion, because a chain may have thousands of nodes.
  for (const start of needs.keys()) {
    const stack = [start];
    while (stack.length > 0) {
      const id = stack.at(-1)!;
      const before = needs.get(id) ?? [];
      const open = layers.has(id) ? [] : before.filter((each) => !layers.has(each));
      if (open.length > 0 && stack.length <= needs.size) {
        stack.push(open[0]!);
        continue;
      }
      stack.pop();
      if (!layers.has(id)) layers.set(id, Math.max(-1, ...before.map((each) => layers.get(each) ?? -1)) + 1);
    }
  }
  return layers;
}

/** The same graph with a place in every layer that a long edge passes. */
function withWays(given: ReadonlyMap<string, readonly string[]>, givenLayers: ReadonlyMap<string, number>) {
  const [needs, layers] = [new Map<string, readonly string[]>(), new Map(givenLayers)];
  const edges: { from: string; to: string; ways: string[] }[] = [];
  for (const [to, before] of given) {
    const nearest: string[] = [];
    for (const from of before) {
      const ways: string[] = [];
      let last = from;
      for (let layer = layers.get(from)! + 1; layer < layers.get(to)!; layer++) {
        // No key of a node has a line break.
        const way = `${from}\n${to}\n${layer}`;
        layers.set(way, layer);
        needs.set(way, [last]);
        ways.push((last = way));
      }
      nearest.push(last);
      edges.push({ from, to, ways });
    }
    needs.set(to, nearest);
  }
  return { needs, layers, edges };
}

/** Places each box near the boxes that it needs and that need it, so that few lines cross. */
function rowsOf(
  layers: ReadonlyMap<string, number>,
  needs: ReadonlyMap<string, readonly string[]>,
): Map<string, number> {
  const columns = [...Map.groupBy(layers.keys(), (id) => layers.get(id)!)]
    .toSorted(([a], [b]) => a - b)
    .map(([, ids]) => ids);
  const after = new Map<string, string[]>();
  for (const [id, before] of needs) {
    for (const each of before) {
      const known = after.get(each);
      if (known === undefined) after.set(each, [id]);
      else known.push(id);
    }
  }
  const rows = new Map<string, number>();
  for (const column of columns) for (const [i, id] of column.entries()) rows.set(id, i);
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    const beside = sweep % 2 === 0 ? needs : after;
    for (const column of sweep % 2 === 0 ? columns : columns.toReversed()) {
      const middle = (id: string) => {
        const places = (beside.get(id) ?? []).map((each) => rows.get(each)!);
        return places.length === 0 ? rows.get(id)! : places.reduce((sum, each) => sum + each, 0) / places.length;
      };
      const wanted = new Map(column.map((id) => [id, middle(id)]));
      column.sort((a, b) => wanted.get(a)! - wanted.get(b)!);
      for (const [i, id] of column.entries()) rows.set(id, i);
    }
  }
  const tallest = Math.max(0, ...columns.map((column) => column.length));
  for (const column of columns) for (const [i, id] of column.entries()) rows.set(id, i + (tallest - column.length) / 2);
  return rows;
}

function countsOf(part: readonly GraphNode[]): Partial<Record<State, number>> {
  const counts: Partial<Record<State, number>> = {};
  for (const { state } of part) counts[state] = (counts[state] ?? 0) + 1;
  return counts;
}
