/** Compiles the nodes of a flow's graph into tasks. Exceeding a limit stops the compilation at once. */

import { hasOnly, dagInOrder } from "./dag.ts";
import { exitsOf, lenient, merged, type Built, type Edge } from "./edges.ts";
import { isPointer, references } from "./reference.ts";
import { MAX_EDGES, MAX_KEY_LENGTH, MAX_NODES, MAX_SOURCES, type PlannedTask, type Source } from "./flow.ts";
import { meant } from "../nearest.ts";
import { inside, pointerTo, type Path } from "../path.ts";
import { MAX_FAULTS, type Fault } from "../problems.ts";

/** Edges and sources that a compilation may visit: those of nested nodes once per level, and those that nodes without tasks pass on. */
const MAX_LOOKED_AT = 4 * MAX_EDGES;

const KINDS = ["task", "chain", "group", "chord", "map", "dag"] as const;
type Kind = (typeof KINDS)[number];

const PROPERTIES_OF_KIND: Record<Kind, readonly string[]> = {
  task: ["task", "input", "options"],
  chain: ["chain"],
  group: ["group"],
  chord: ["chord"],
  map: ["map"],
  dag: ["dag"],
};

/** The context in which a node is compiled. */
export interface Place {
  passed: Source | null;
  after: Edge[];
  scope: Scope | null;
  ignored: boolean;
  key: string;
  path: Path;
}

/** The nodes of dags that a `$from` may name, the innermost first. */
interface Scope {
  names: ReadonlyMap<string, Source>;
  around: Scope | null;
}

export const START: Place = { passed: null, after: [], scope: null, ignored: false, key: "", path: null };

const NOTHING: Built = { result: { value: null }, exits: [] };

/** Thrown to stop the compilation; the fault that caused it is already in `faults`. */
export class TooMuch extends Error {}

export class Compiler {
  readonly faults: Fault[] = [];
  #tasks: PlannedTask[] = [];
  #edges = 0;
  #sources = 0;
  #lookedAt = 0;
  #count = 0;
  #path: Path = null;

  /** The tasks compiled since the last call. Until they get their ids, a task is known by its number. */
  takeTasks(): PlannedTask[] {
    return this.#tasks.splice(0);
  }

  /** Records a fault. Stops at one fault more than an answer lists, so that the answer can say that there are more. */
  readonly fault = (path: Path, detail: string): Built => {
    this.faults.push({ pointer: pointerTo(path), detail });
    if (this.faults.length > MAX_FAULTS) throw new TooMuch();
    return NOTHING;
  };

  node(node: unknown, place: Place): Built {
    this.#path = place.path;
    if (!isObject(node)) return this.fault(place.path, `a node is an object with one of ${KINDS.join(", ")}`);
    const kinds = KINDS.filter((kind) => kind in node);
    const [kind] = kinds;
    if (kind === undefined || kinds.length > 1) {
      return this.fault(place.path, `a node has exactly one of ${KINDS.join(", ")}`);
    }
    for (const member of Object.keys(node)) {
      if (PROPERTIES_OF_KIND[kind].includes(member)) continue;
      this.fault(inside(place.path, member), `unknown member${meant(member, PROPERTIES_OF_KIND[kind])}`);
    }
    switch (kind) {
      case "task":
        return this.#task(node, place.key === "" ? { ...place, key: "0" } : place);
      case "chain":
        return this.#chain(node["chain"], place);
      case "group":
        return this.#group(node["group"], place, "group");
      case "chord":
        return this.#chord(node["chord"], place);
      case "map":
        return this.#map(node["map"], place);
      case "dag":
        return this.#dag(node["dag"], place);
    }
  }

  /** `item`: the path of its input, if the task belongs to a map. */
  #task(node: Record<string, unknown>, place: Place, item?: Path): Built {
    if (typeof node["task"] !== "string") return this.fault(inside(place.path, "task"), "the name of a task");
    const inputPath = item ?? inside(place.path, "input");
    if (this.#count === MAX_NODES) this.#tooMuch(item ?? place.path, `a flow has at most ${MAX_NODES} tasks`);
    if (place.key.length > MAX_KEY_LENGTH) {
      this.#tooMuch(place.path, `the key of a task, its place in the graph, is at most ${MAX_KEY_LENGTH} characters`);
    }
    const task: PlannedTask = {
      key: place.key,
      id: String(this.#count++),
      path: place.path,
      inputPath,
      task: node["task"],
      input: node["input"],
      options: node["options"],
      passed: node["input"] === undefined ? place.passed : null,
      from: this.#from(node["input"], place, inputPath),
      needs: [],
      needsEnd: [],
      next: [],
      nextOnEnd: [],
      ignored: place.ignored,
    };
    this.#edges += place.after.length;
    if (this.#edges > MAX_EDGES) {
      this.#tooMuch(place.path, `a flow has at most ${MAX_EDGES} edges; put a single task between two large groups`);
    }
    for (const edge of place.after) {
      (edge.ignore ? task.needsEnd : task.needs).push(edge.task.id);
      (edge.ignore ? edge.task.nextOnEnd : edge.task.next).push(task.id);
    }
    this.#tasks.push(task);
    return { result: task.id, exits: [{ task, ignore: false }] };
  }

  #chain(nodes: unknown, place: Place): Built {
    const path = inside(place.path, "chain");
    if (!Array.isArray(nodes) || nodes.length === 0) return this.fault(path, "a list of at least one node");
    let built: Built = { result: place.passed ?? { value: null }, exits: place.after };
    let passed = place.passed;
    for (const [i, node] of nodes.entries()) {
      built = this.node(node, { ...place, passed, after: built.exits, key: join(place.key, i), path: inside(path, i) });
      passed = built.result;
    }
    return built;
  }

  #group(nodes: unknown, place: Place, member: string): Built {
    const path = inside(place.path, member);
    if (!Array.isArray(nodes)) return this.fault(path, "a list of nodes");
    return this.#together(nodes, place, (node, i) =>
      this.node(node, { ...place, key: join(place.key, i), path: inside(path, i) }),
    );
  }

  #chord(chord: unknown, place: Place): Built {
    const path = inside(place.path, "chord");
    if (!hasOnly(chord, ["header", "body"], path, this.fault)) return NOTHING;
    const header = this.#group(chord["header"], { ...place, key: join(place.key, "header"), path }, "header");
    return this.node(chord["body"], {
      ...place,
      passed: header.result,
      after: header.exits,
      key: join(place.key, "body"),
      path: inside(path, "body"),
    });
  }

  #map(map: unknown, place: Place): Built {
    const path = inside(place.path, "map");
    if (!hasOnly(map, ["task", "inputs", "options"], path, this.fault)) return NOTHING;
    const { task, inputs, options } = map;
    if (!Array.isArray(inputs)) return this.fault(inside(path, "inputs"), "a list of inputs");
    return this.#together(inputs, place, (input, i) =>
      this.#task({ task, input, options }, { ...place, key: join(place.key, i), path }, inside(path, "inputs", i)),
    );
  }

  /** Compiles nodes that run side by side. Without any, the next node waits for what these nodes would have waited for. */
  #together(nodes: unknown[], place: Place, compile: (node: unknown, i: number) => Built): Built {
    this.#sourcesAt(place.path, nodes.length);
    const members = nodes.map(compile);
    this.#path = place.path;
    const exits = members.length === 0 ? place.after : exitsOf(members, this.#spend);
    return { result: { list: members.map((each) => each.result) }, exits };
  }

  #dag(dag: unknown, place: Place): Built {
    const path = inside(place.path, "dag");
    if (!isObject(dag) || Object.keys(dag).length === 0) return this.fault(path, "an object of at least one node");
    const order = dagInOrder(dag, path, this.fault);
    if (order === null) return NOTHING;
    const built = new Map<string, Built>();
    const needed = new Set<string>();
    for (const [name, entry] of order) {
      for (const need of entry.needs ?? []) needed.add(need);
      const inner = this.#entry(name, entry, built, place, path);
      built.set(name, inner);
    }
    const leaves = Object.keys(dag).filter((name) => !needed.has(name));
    this.#sourcesAt(place.path, leaves.length);
    const ends = leaves.map((name) => built.get(name)!);
    return {
      result: { object: Object.fromEntries(leaves.map((name, i) => [name, ends[i]!.result])) },
      exits: merged(exitsOf(ends, this.#spend), this.#spend),
    };
  }

  #entry(
    name: string,
    { node, needs = [], onFailure }: { node: unknown; needs?: string[]; onFailure?: string },
    built: ReadonlyMap<string, Built>,
    place: Place,
    path: Path,
  ): Built {
    const at = inside(path, name, "node");
    this.#sourcesAt(at, needs.length);
    const before = needs.map((need) => built.get(need)!);
    const names = new Map(needs.map((need, i) => [need, before[i]!.result]));
    const after = needs.length > 0 ? merged(exitsOf(before, this.#spend), this.#spend) : place.after;
    const ignore = onFailure === "ignore";
    const inner = this.node(node, {
      passed: needs.length > 0 ? { object: Object.fromEntries(names) } : place.passed,
      after,
      scope: needs.length > 0 ? { names, around: place.scope } : place.scope,
      ignored: place.ignored || ignore,
      key: join(place.key, name),
      path: at,
    });
    if (!ignore) return inner;
    const { hidden, ...without } = lenient(inner, after, this.#spend);
    this.#sourcesAt(at, hidden.length);
    return without;
  }

  /** The source of each `$from` in an input, by name. */
  #from(input: unknown, { passed, scope }: Place, inputPath: Path): Record<string, Source> {
    const sources: Record<string, Source> = {};
    for (const { reference, at } of references(input, inputPath)) {
      const { $from: name, path, ...rest } = reference;
      for (const member of Object.keys(rest)) this.fault(inside(at, member), "unknown member beside $from");
      if (path !== undefined && (typeof path !== "string" || !isPointer(path))) {
        this.fault(
          inside(at, "path"),
          "a JSON pointer (RFC 6901) such as /a/0, in which ~ is written ~0 and / is written ~1",
        );
      }
      if (typeof name !== "string") {
        this.fault(inside(at, "$from"), '"previous" or the name of a needed node');
        continue;
      }
      const source = name === "previous" ? passed : sourceIn(scope, name);
      if (source !== null) sources[name] = source;
      else {
        this.fault(
          inside(at, "$from"),
          name === "previous"
            ? "nothing is passed to this node"
            : "this node's `needs` do not list this name; add it there",
        );
      }
    }
    return sources;
  }

  #sourcesAt(path: Path, count: number): void {
    this.#path = path;
    this.#sources += count;
    if (this.#sources > MAX_SOURCES) this.#tooMuch(path, `a flow passes at most ${MAX_SOURCES} values on`);
  }

  readonly #spend = (edges: number): void => {
    this.#lookedAt += edges;
    if (this.#lookedAt <= MAX_LOOKED_AT) return;
    const words = "too many edges to follow; put a single task between large groups, and nest less";
    this.#tooMuch(this.#path, words);
  };

  #tooMuch(path: Path, detail: string): never {
    this.fault(path, detail);
    throw new TooMuch();
  }
}

function sourceIn(scope: Scope | null, name: string): Source | null {
  for (let here = scope; here !== null; here = here.around) {
    const source = here.names.get(name);
    if (source !== undefined) return source;
  }
  return null;
}

function join(key: string, part: string | number): string {
  return key === "" ? String(part) : `${key}.${part}`;
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
