/**
 * What a flow means, read straight off its graph: a recursive evaluation that knows nothing of plans, rows or releases.
 * The engine's own way of running flows is held against it.
 */

import type { DagEntry, Graph } from "./flow-random.ts";

/** How a task goes when it is run. */
export type Run = (key: string, input: unknown) => { ok: boolean; result: unknown };

/** What became of one task. */
export interface NodeReading {
  key: string;
  /** `abandoned`: something that it needs did not succeed, so it never ran. */
  end: "succeeded" | "failed" | "abandoned";
  result: unknown;
  /** Its failure does not count. */
  ignored: boolean;
}

export interface FlowReading {
  state: "succeeded" | "failed";
  result: unknown;
  nodes: Map<string, NodeReading>;
}

/** Stands for the result of a task that has none. */
const LOST = Symbol("lost");

interface Place {
  key: string;
  /** Whether all that comes before has succeeded. */
  open: boolean;
  /** undefined: nothing is passed. */
  passed: unknown;
  scope: Readonly<Record<string, unknown>>;
  ignored: boolean;
}

interface Outcome {
  /** Nothing in it that counts has failed. */
  held: boolean;
  value: unknown;
}

/** Evaluates the graph. `prefix` is the key of a graph that stands beside a flow. */
export function readGraph(graph: Graph, run: Run, passed?: unknown, prefix = ""): FlowReading {
  const nodes = new Map<string, NodeReading>();
  const note = (reading: NodeReading): Outcome => {
    nodes.set(reading.key, reading);
    return reading.end === "succeeded" ? { held: true, value: reading.result } : { held: false, value: LOST };
  };

  function read(node: Graph, place: Place): Outcome {
    if ("task" in node) return readTask(node, place.key === "" ? { ...place, key: "0" } : place);
    if ("chain" in node) {
      let last: Outcome = { held: place.open, value: place.passed };
      for (const [i, member] of node.chain.entries()) {
        last = read(member, { ...place, open: last.held, passed: last.value, key: below(place, i) });
      }
      return last;
    }
    if ("group" in node) return together(node.group, place);
    if ("map" in node) {
      const { task, inputs } = node.map;
      return together(
        inputs.map((input) => ({ task, input })),
        place,
      );
    }
    if ("chord" in node) {
      const { header, body } = node.chord;
      const all = together(header, { ...place, key: below(place, "header") });
      return read(body, { ...place, open: all.held, passed: all.value, key: below(place, "body") });
    }
    return readDag(node.dag, place);
  }

  function readTask(node: { input?: unknown }, { key, open, passed, scope, ignored }: Place): Outcome {
    if (!open) return note({ key, end: "abandoned", result: null, ignored });
    const input = node.input === undefined ? shown(passed) : filled(node.input, { ...scope, previous: passed });
    const { ok, result } = run(key, input ?? null);
    return note({ key, end: ok ? "succeeded" : "failed", result: ok ? result : null, ignored });
  }

  function together(members: Graph[], place: Place): Outcome {
    const ends = members.map((member, i) => read(member, { ...place, key: below(place, i) }));
    return { held: place.open && ends.every((end) => end.held), value: ends.map((end) => end.value) };
  }

  function readDag(dag: Record<string, DagEntry>, place: Place): Outcome {
    const ends = new Map<string, Outcome>();
    const end = (name: string): Outcome => {
      const known = ends.get(name);
      if (known) return known;
      const { node, needs = [], onFailure = "fail" } = dag[name]!;
      const before = needs.map((need): [string, Outcome] => [need, end(need)]);
      const values = Object.fromEntries(before.map(([need, { value }]) => [need, value]));
      const open = needs.length > 0 ? before.every(([, each]) => each.held) : place.open;
      const { held, value } = read(node, {
        key: below(place, name),
        open,
        passed: needs.length > 0 ? values : place.passed,
        scope: { ...place.scope, ...values },
        ignored: place.ignored || onFailure === "ignore",
      });
      // Only its own failure is ignored, not one that came before it.
      const made = onFailure === "ignore" && open ? { held: true, value: held ? value : null } : { held, value };
      ends.set(name, made);
      return made;
    };
    const names = Object.keys(dag);
    const held = names.map((name) => end(name).held).every(Boolean) && place.open;
    const needed = new Set(names.flatMap((name) => dag[name]!.needs ?? []));
    const leaves = names.filter((name) => !needed.has(name));
    return { held, value: Object.fromEntries(leaves.map((name) => [name, end(name).value])) };
  }

  const { value } = read(graph, { key: prefix, open: true, passed, scope: {}, ignored: false });
  const hasFailed = [...nodes.values()].some((each) => each.end !== "succeeded" && !each.ignored);
  return { state: hasFailed ? "failed" : "succeeded", result: shown(value) ?? null, nodes };
}

function below({ key }: Place, part: string | number): string {
  return key === "" ? String(part) : `${key}.${part}`;
}

/** As others see it: null where there is no result. */
function shown(value: unknown): unknown {
  if (value === LOST) return null;
  if (Array.isArray(value)) return value.map(shown);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, shown(each)]));
}

/** Random graphs refer to whole values only. */
function filled(input: unknown, names: Record<string, unknown>): unknown {
  if (Array.isArray(input)) return input.map((item) => filled(item, names));
  if (typeof input !== "object" || input === null) return input;
  if ("$from" in input) return shown(names[String(input.$from)]);
  return Object.fromEntries(Object.entries(input).map(([name, each]) => [name, filled(each, names)]));
}
