/**
 * Flows: a graph of tasks given as data, compiled into tasks that name what they need. Pure: the
 * ids come from the caller. Every fault of a graph is found here or in the checks of its tasks,
 * before anything is stored.
 */

import { pointer, type Fault } from "./problems.ts";

/** Tasks that one flow may have, and edges between them. */
export const MAX_NODES = 10_000;
export const MAX_EDGES = 100_000;

/**
 * Where a value comes from: the result of a task (its id), a list or an object of such, a constant,
 * or what is known of the flow's failure. `orNull`: null if anything in it, or in `if`, did not succeed.
 */
export type Source =
  | string
  | { list: Source[] }
  | { object: Record<string, Source> }
  | { orNull: Source; if?: string[] }
  | { value: unknown }
  | { failure: true };

/** One task of a flow. */
export interface PlannedTask {
  /** Its place in the graph, with dots. */
  key: string;
  id: string;
  /** Where it, and its input, stand in the request's body. */
  path: (string | number)[];
  inputPath: (string | number)[];
  task: string;
  /** As written; undefined where the node takes what it is passed. */
  input: unknown;
  options: unknown;
  /** What it is passed, if it takes that; and what its `$from`s mean, by name. */
  passed: Source | null;
  from: Record<string, Source>;
  /** Ids that must have succeeded, and ids that must only have ended. */
  needs: string[];
  needsEnd: string[];
  /** The same edges from the other side. */
  next: string[];
  nextOnEnd: string[];
  /** Its failure does not fail the flow. */
  ignored: boolean;
}

/** A compiled flow. `result` says where its result comes from. */
export interface Plan {
  tasks: PlannedTask[];
  onError: PlannedTask[];
  result: Source;
}

interface Edge {
  task: PlannedTask;
  /** The needer runs even if this one failed. */
  ignore: boolean;
  /** Not named by the graph: what a node that is ignored needs, those who need that node need too. */
  isInherited?: boolean;
}

/** What surrounds a node. */
interface Place {
  passed: Source | null;
  after: Edge[];
  scope: Readonly<Record<string, Source>>;
  ignored: boolean;
  key: string;
  path: (string | number)[];
}

interface Built {
  result: Source;
  exits: Edge[];
}

const KINDS = ["task", "chain", "group", "chord", "map", "dag"] as const;
type Kind = (typeof KINDS)[number];

const MEMBERS: Record<Kind, readonly string[]> = {
  task: ["task", "input", "options"],
  chain: ["chain"],
  group: ["group"],
  chord: ["chord"],
  map: ["map"],
  dag: ["dag"],
};

const DAG_NAME = /^[A-Za-z0-9_-]{1,64}$/;

/** Names that mean something else. */
const TAKEN_NAMES: ReadonlyMap<string, string> = new Map([
  ["previous", '"previous" is what $from calls the value that a node is passed; choose another name'],
  ["__proto__", "__proto__ is no name of its own in an object; choose another name"],
]);

/** RFC 6901. */
const POINTER = /^(\/([^~/]|~[01])*)*$/;

const NOTHING: Built = { result: { value: null }, exits: [] };

/** A flow as it was planned, and what of the body is not the graph's: the deadline as it was given, if it was. */
export interface Planned {
  plan: Plan;
  faults: Fault[];
  deadline: unknown;
}

/** Compiles a graph as it came over the wire. `newIds` gives that many ids in ascending order. */
export function planFlow(body: unknown, newIds: (count: number) => string[]): Planned {
  const { onError, deadline, ...graph } = isObject(body) ? body : {};
  const compiler = new Compiler();
  const start: Place = { passed: null, after: [], scope: {}, ignored: false, key: "", path: [] };
  const built = compiler.node(isObject(body) ? graph : body, start);
  const tasks = compiler.takeTasks();
  let errorTasks: PlannedTask[] = [];
  if (onError !== undefined) {
    compiler.node(onError, { ...start, passed: { failure: true }, key: "onError", path: ["onError"] });
    errorTasks = compiler.takeTasks();
  }
  const all = [...tasks, ...errorTasks];
  if (all.length > MAX_NODES) compiler.fault([], `a flow has at most ${MAX_NODES} tasks, this one has ${all.length}`);
  const plan = { tasks, onError: errorTasks, result: built.result };
  if (compiler.faults.length > 0) return { plan, faults: compiler.faults, deadline };
  return { plan: named(plan, newIds(all.length)), faults: [], deadline };
}

class Compiler {
  readonly faults: Fault[] = [];
  #tasks: PlannedTask[] = [];
  #edges = 0;
  #count = 0;

  /** The tasks compiled since the last call. Until they get their ids, a task is known by its number. */
  takeTasks(): PlannedTask[] {
    return this.#tasks.splice(0);
  }

  fault(path: readonly (string | number)[], detail: string): Built {
    if (this.faults.length < 100) this.faults.push({ pointer: pointer(path), detail });
    return NOTHING;
  }

  node(node: unknown, place: Place): Built {
    if (!isObject(node)) return this.fault(place.path, `a node is an object with one of ${KINDS.join(", ")}`);
    const kinds = KINDS.filter((kind) => kind in node);
    const [kind] = kinds;
    if (kind === undefined || kinds.length > 1) {
      return this.fault(place.path, `a node has exactly one of ${KINDS.join(", ")}`);
    }
    for (const member of Object.keys(node)) {
      if (!MEMBERS[kind].includes(member)) this.fault([...place.path, member], "unknown member");
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

  #task(node: Record<string, unknown>, place: Place, inputPath = [...place.path, "input"]): Built {
    if (typeof node["task"] !== "string") return this.fault([...place.path, "task"], "the name of a task");
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
    for (const edge of place.after) {
      (edge.ignore ? task.needsEnd : task.needs).push(edge.task.id);
      (edge.ignore ? edge.task.nextOnEnd : edge.task.next).push(task.id);
    }
    this.#edges += place.after.length;
    if (this.#edges > MAX_EDGES && this.#edges - place.after.length <= MAX_EDGES) {
      this.fault(place.path, `a flow has at most ${MAX_EDGES} edges; put a single task between two large groups`);
    }
    this.#tasks.push(task);
    return { result: task.id, exits: [{ task, ignore: false }] };
  }

  #chain(nodes: unknown, place: Place): Built {
    const path = [...place.path, "chain"];
    if (!Array.isArray(nodes) || nodes.length === 0) return this.fault(path, "a list of at least one node");
    let built: Built = { result: place.passed ?? { value: null }, exits: place.after };
    let passed = place.passed;
    for (const [i, node] of nodes.entries()) {
      built = this.node(node, { ...place, passed, after: built.exits, key: join(place.key, i), path: [...path, i] });
      passed = built.result;
    }
    return built;
  }

  #group(nodes: unknown, place: Place, member: string): Built {
    const path = [...place.path, member];
    if (!Array.isArray(nodes)) return this.fault(path, "a list of nodes");
    const members = nodes.map((node: unknown, i) =>
      this.node(node, { ...place, key: join(place.key, i), path: [...path, i] }),
    );
    return { result: { list: members.map((each) => each.result) }, exits: exitsOf(members, place) };
  }

  #chord(chord: unknown, place: Place): Built {
    const path = [...place.path, "chord"];
    if (!this.#hasOnly(chord, ["header", "body"], path)) return NOTHING;
    const header = this.#group(chord["header"], { ...place, key: join(place.key, "header"), path }, "header");
    return this.node(chord["body"], {
      ...place,
      passed: header.result,
      after: header.exits,
      key: join(place.key, "body"),
      path: [...path, "body"],
    });
  }

  #map(map: unknown, place: Place): Built {
    const path = [...place.path, "map"];
    if (!this.#hasOnly(map, ["task", "inputs", "options"], path)) return NOTHING;
    const { task, inputs, options } = map;
    if (!Array.isArray(inputs)) return this.fault([...path, "inputs"], "a list of inputs");
    const members = inputs.map((input: unknown, i) =>
      this.#task({ task, input, options }, { ...place, key: join(place.key, i), path }, [...path, "inputs", i]),
    );
    return { result: { list: members.map((each) => each.result) }, exits: exitsOf(members, place) };
  }

  #dag(dag: unknown, place: Place): Built {
    const path = [...place.path, "dag"];
    if (!isObject(dag) || Object.keys(dag).length === 0) return this.fault(path, "an object of at least one node");
    const order = this.#sort(dag, path);
    if (order === null) return NOTHING;
    const built: Record<string, Built> = {};
    const needed = new Set<string>();
    for (const name of order) {
      const entry = dag[name] as { node: unknown; needs?: string[]; onFailure?: string };
      const needs = entry.needs ?? [];
      for (const need of needs) needed.add(need);
      const sources = Object.fromEntries(needs.map((need) => [need, built[need]!.result]));
      const ignore = entry.onFailure === "ignore";
      const after = needs.length > 0 ? merged(needs.flatMap((need) => built[need]!.exits)) : place.after;
      const inner = this.node(entry.node, {
        passed: needs.length > 0 ? { object: sources } : place.passed,
        after,
        scope: { ...place.scope, ...sources },
        ignored: place.ignored || ignore,
        key: join(place.key, name),
        path: [...path, name, "node"],
      });
      built[name] = ignore ? lenient(inner, after) : inner;
    }
    const leaves = Object.keys(dag).filter((name) => !needed.has(name));
    return {
      result: { object: Object.fromEntries(leaves.map((name) => [name, built[name]!.result])) },
      exits: merged(leaves.flatMap((name) => built[name]!.exits)),
    };
  }

  /** The names of a dag, each after what it needs; null where there are faults. */
  #sort(dag: Record<string, unknown>, path: (string | number)[]): string[] | null {
    const before = this.faults.length;
    for (const [name, entry] of Object.entries(dag)) {
      const at = [...path, name];
      if (!DAG_NAME.test(name)) this.fault(at, "a name is 1 to 64 letters, digits, _ and -");
      const taken = TAKEN_NAMES.get(name);
      if (taken !== undefined) this.fault(at, taken);
      if (!this.#hasOnly(entry, ["node", "needs", "onFailure"], at)) continue;
      const { needs = [], onFailure = "fail" } = entry;
      if (onFailure !== "fail" && onFailure !== "ignore") this.fault([...at, "onFailure"], '"fail" or "ignore"');
      if (!Array.isArray(needs)) {
        this.fault([...at, "needs"], "a list of names");
        continue;
      }
      for (const [i, need] of needs.entries()) {
        if (typeof need !== "string" || !Object.hasOwn(dag, need))
          this.fault([...at, "needs", i], "no node has this name");
        else if (needs.indexOf(need) < i) this.fault([...at, "needs", i], "is named twice");
      }
    }
    if (this.faults.length > before) return null;

    const order = new Set<string>();
    const left = new Set(Object.keys(dag));
    for (let moved = true; moved && left.size > 0;) {
      moved = false;
      for (const name of left) {
        const { needs = [] } = dag[name] as { needs?: string[] };
        if (!needs.every((need) => order.has(need))) continue;
        order.add(name);
        left.delete(name);
        moved = true;
      }
    }
    for (const name of left) this.fault([...path, name, "needs"], "is part of a circle, or needs one");
    return left.size > 0 ? null : [...order];
  }

  /** What each `$from` in an input means. */
  #from(input: unknown, place: Place, inputPath: (string | number)[]): Record<string, Source> {
    const sources: Record<string, Source> = {};
    for (const { reference, path } of references(input)) {
      const at = [...inputPath, ...path];
      const { $from: name, path: inner, ...rest } = reference;
      for (const member of Object.keys(rest)) this.fault([...at, member], "unknown member beside $from");
      if (inner !== undefined && (typeof inner !== "string" || !POINTER.test(inner))) {
        this.fault(
          [...at, "path"],
          "a JSON pointer (RFC 6901) such as /a/0, in which ~ is written ~0 and / is written ~1",
        );
      }
      if (typeof name !== "string") this.fault([...at, "$from"], '"previous" or the name of a needed node');
      else if (name === "previous" && place.passed !== null) sources[name] = place.passed;
      else if (Object.hasOwn(place.scope, name)) sources[name] = place.scope[name]!;
      else
        this.fault(
          [...at, "$from"],
          name === "previous" ? "nothing is passed to this node" : "this node needs no such node",
        );
    }
    return sources;
  }

  #hasOnly(value: unknown, members: string[], path: (string | number)[]): value is Record<string, unknown> {
    if (!isObject(value)) {
      this.fault(path, `an object of ${members.join(", ")}`);
      return false;
    }
    for (const member of Object.keys(value)) {
      if (!members.includes(member)) this.fault([...path, member], "unknown member");
    }
    return true;
  }
}

/** A node whose own failure stops nobody. One that comes before it still does, so `after` stands beside it. */
function lenient({ result, exits }: Built, after: Edge[]): Built {
  const shown = new Set(tasksIn(result));
  const hidden = exits.filter((edge) => !edge.ignore && !shown.has(edge.task.id)).map((edge) => edge.task.id);
  return {
    result: { orNull: result, ...(hidden.length > 0 ? { if: hidden } : {}) },
    exits: merged([
      ...exits.map((edge) => ({ ...edge, ignore: true })),
      ...after.filter((edge) => !edge.ignore).map((edge) => ({ ...edge, isInherited: true })),
    ]),
  };
}

/** The tasks whose results make up a source. */
function tasksIn(source: Source): string[] {
  if (typeof source === "string") return [source];
  if ("list" in source) return source.list.flatMap(tasksIn);
  if ("object" in source) return Object.values(source.object).flatMap(tasksIn);
  return "orNull" in source ? tasksIn(source.orNull) : [];
}

/** Each task once, the stricter edge of two; and no inherited one that another need implies. */
function merged(edges: Edge[]): Edge[] {
  const strict = edges.filter((edge) => !edge.ignore);
  const own = strict.filter((edge) => !edge.isInherited);
  const taken = new Set<string>();
  const take = (edge: Edge) => !taken.has(edge.task.id) && taken.add(edge.task.id);
  const kept = own.filter(take);
  if (strict.length > own.length) {
    const implied = new Set(own.flatMap((edge) => edge.task.needs));
    kept.push(...strict.filter((edge) => !implied.has(edge.task.id)).filter(take));
  }
  return [...kept, ...edges.filter((edge) => edge.ignore).filter(take)];
}

/** Where an empty group stands, what comes after it waits for what came before. */
function exitsOf(members: Built[], place: Place): Edge[] {
  const exits = members.flatMap((each) => each.exits);
  return members.length === 0 ? place.after : exits;
}

interface Reference {
  reference: Record<string, unknown>;
  path: (string | number)[];
}

/** Whether a value is a `{"$from": …}` itself. */
export function isReference(value: unknown): value is Record<string, unknown> {
  return isObject(value) && "$from" in value;
}

/** Every `{"$from": …}` in an input. */
export function references(input: unknown, path: (string | number)[] = []): Reference[] {
  if (Array.isArray(input)) return input.flatMap((item, i) => references(item, [...path, i]));
  if (isReference(input)) return [{ reference: input, path }];
  if (!isObject(input)) return [];
  return Object.entries(input).flatMap(([name, value]) => references(value, [...path, name]));
}

/** Gives the tasks their ids in place of their numbers. */
function named(plan: Plan, ids: string[]): Plan {
  const idOf = (number: string) => ids[Number(number)]!;
  const source = (from: Source): Source => {
    if (typeof from === "string") return idOf(from);
    if ("list" in from) return { list: from.list.map(source) };
    if ("orNull" in from) return { orNull: source(from.orNull), ...(from.if ? { if: from.if.map(idOf) } : {}) };
    if ("object" in from) return { object: mapValues(from.object, source) };
    return from;
  };
  const task = (planned: PlannedTask): PlannedTask => ({
    ...planned,
    id: idOf(planned.id),
    passed: planned.passed === null ? null : source(planned.passed),
    from: mapValues(planned.from, source),
    needs: planned.needs.map(idOf),
    needsEnd: planned.needsEnd.map(idOf),
    next: planned.next.map(idOf),
    nextOnEnd: planned.nextOnEnd.map(idOf),
  });
  return { tasks: plan.tasks.map(task), onError: plan.onError.map(task), result: source(plan.result) };
}

function mapValues<A, B>(record: Record<string, A>, change: (value: A) => B): Record<string, B> {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [name, change(value)]));
}

function join(key: string, part: string | number): string {
  return key === "" ? String(part) : `${key}.${part}`;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
