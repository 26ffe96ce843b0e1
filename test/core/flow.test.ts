import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { MAX_EDGES, MAX_NODES, type Plan, type PlannedTask, type Source } from "../../src/core/flows/flow.ts";
import { references } from "../../src/core/flows/reference.ts";
import { inside, partsOf } from "../../src/core/path.ts";
import { planFlow } from "../../src/core/flows/plan.ts";
import { taskIdsOf } from "../../src/core/flows/value.ts";
import { randomGraph, randomOf } from "./flow-random.ts";

const newIds = (count: number) => Array.from({ length: count }, (_, i) => `id${String(i).padStart(5, "0")}`);

function planOf(body: unknown): Plan {
  const { plan, faults } = planFlow(body, newIds);
  expect(faults).toEqual([]);
  return plan;
}

/** The faults of a body as `pointer: detail`. */
function faultsOf(body: unknown): string[] {
  return planFlow(body, newIds).faults.map(({ pointer, detail }) => `${pointer}: ${detail}`);
}

const A = { task: "a" };
const B = { task: "b" };
const C = { task: "c" };

/** What each node needs, by key; a `?` marks those that must only have ended. */
function edges(body: unknown): Record<string, string[]> {
  const { tasks, onError } = planOf(body);
  return edgesOf([...tasks, ...onError]);
}

function edgesOf(tasks: PlannedTask[]): Record<string, string[]> {
  const keys = new Map(tasks.map((task) => [task.id, task.key]));
  const needs = (task: PlannedTask) => [
    ...task.needs.map((id) => keys.get(id)!),
    ...task.needsEnd.map((id) => `${keys.get(id)}?`),
  ];
  return Object.fromEntries(tasks.map((task) => [task.key, needs(task)]));
}

/** A source with keys in place of ids. */
function named({ tasks, onError }: Plan, source: Source | null): unknown {
  const keys = new Map([...tasks, ...onError].map((task) => [task.id, task.key]));
  const name = (from: Source): unknown => {
    if (typeof from === "string") return keys.get(from);
    if ("list" in from) return from.list.map(name);
    if ("object" in from) return Object.fromEntries(Object.entries(from.object).map(([each, of]) => [each, name(of)]));
    return "orNull" in from ? { orNull: name(from.orNull) } : from;
  };
  return source === null ? null : name(source);
}

const result = (body: unknown) => {
  const plan = planOf(body);
  return named(plan, plan.result);
};

/** What each node is passed whole, by key. */
function passed(body: unknown): Record<string, unknown> {
  const plan = planOf(body);
  const all = [...plan.tasks, ...plan.onError];
  return Object.fromEntries(all.map((task) => [task.key, named(plan, task.passed)]));
}

describe("a graph becomes tasks", () => {
  it("of which a single one has the key 0", () => {
    expect(edges(A)).toEqual({ "0": [] });
    expect(result(A)).toBe("0");
    expect(planOf({ ...A, input: { x: 1 }, options: { lane: "bulk" } }).tasks).toMatchObject([
      {
        task: "a",
        input: { x: 1 },
        options: { lane: "bulk" },
        path: null,
        inputPath: inside(null, "input"),
        passed: null,
        from: {},
      },
    ]);
  });

  it("of a chain, each after the one before it", () => {
    const body = { chain: [A, B, C] };
    expect(edges(body)).toEqual({ "0": [], "1": ["0"], "2": ["1"] });
    expect(passed(body)).toEqual({ "0": null, "1": "0", "2": "1" });
    expect(result(body)).toBe("2");
  });

  it("of a group, side by side, with a list as their result", () => {
    const body = { group: [A, B, C] };
    expect(edges(body)).toEqual({ "0": [], "1": [], "2": [] });
    expect(result(body)).toEqual(["0", "1", "2"]);
  });

  it("of a chord, the body after all of the header and passed its results in the order of submission", () => {
    const body = { chord: { header: [A, B], body: C } };
    expect(edges(body)).toEqual({ "header.0": [], "header.1": [], body: ["header.0", "header.1"] });
    expect(passed(body)).toMatchObject({ body: ["header.0", "header.1"] });
    expect(result(body)).toBe("body");
  });

  it("of a map, one for each input", () => {
    const body = { map: { task: "a", inputs: [1, null, [2]], options: { lane: "bulk" } } };
    expect(edges(body)).toEqual({ "0": [], "1": [], "2": [] });
    expect(result(body)).toEqual(["0", "1", "2"]);
    expect(planOf(body).tasks.map(({ input, inputPath, options }) => ({ input, inputPath, options }))).toEqual([
      { input: 1, inputPath: inside(null, "map", "inputs", 0), options: { lane: "bulk" } },
      { input: null, inputPath: inside(null, "map", "inputs", 1), options: { lane: "bulk" } },
      { input: [2], inputPath: inside(null, "map", "inputs", 2), options: { lane: "bulk" } },
    ]);
  });

  it("of a dag, each after what it needs and passed that by name, whatever the order it is written in", () => {
    const body = {
      dag: {
        merge: { node: C, needs: ["right", "left"] },
        left: { node: A, needs: ["top"] },
        right: { node: B, needs: ["top"] },
        top: { node: A },
        alone: { node: B },
      },
    };
    expect(edges(body)).toEqual({
      top: [],
      alone: [],
      left: ["top"],
      right: ["top"],
      merge: ["right", "left"],
    });
    expect(passed(body)).toMatchObject({ top: null, left: { top: "top" }, merge: { right: "right", left: "left" } });
    expect(result(body)).toEqual({ merge: "merge", alone: "alone" });
  });

  it("with the same edges on both sides, and ids in the order of the graph", () => {
    const { tasks } = planOf({ chain: [A, { group: [B, C] }, A] });
    expect(tasks.map((task) => task.id)).toEqual(newIds(4));
    expect(tasks.map((task) => task.next)).toEqual([["id00001", "id00002"], ["id00003"], ["id00003"], []]);
  });
});

describe("nesting", () => {
  it("joins keys with dots", () => {
    const body = {
      chain: [{ group: [A, { chain: [A, B] }] }, { chord: { header: [A], body: { dag: { x: { node: B } } } } }],
    };
    expect(edges(body)).toEqual({
      "0.0": [],
      "0.1.0": [],
      "0.1.1": ["0.1.0"],
      "1.header.0": ["0.0", "0.1.1"],
      "1.body.x": ["1.header.0"],
    });
    expect(result(body)).toEqual({ x: "1.body.x" });
  });

  it("passes the result of what stood before to every member that comes first", () => {
    expect(passed({ chain: [A, { group: [B, { chain: [C, A] }] }] })).toEqual({
      "0": null,
      "1.0": "0",
      "1.1.0": "0",
      "1.1.1": "1.1.0",
    });
  });

  it("passes a chord of chords the results of the inner bodies", () => {
    const inner = { chord: { header: [A, B], body: C } };
    const body = { chord: { header: [inner, inner], body: A } };
    expect(edges(body)).toMatchObject({ body: ["header.0.body", "header.1.body"] });
    expect(passed(body)).toMatchObject({ body: ["header.0.body", "header.1.body"] });
  });

  it("passes a member of a dag that needs nothing what the dag itself is passed", () => {
    const body = { chain: [A, { dag: { first: { node: B }, last: { node: C, needs: ["first"] } } }] };
    expect(edges(body)).toEqual({ "0": [], "1.first": ["0"], "1.last": ["1.first"] });
    expect(passed(body)).toEqual({ "0": null, "1.first": "0", "1.last": { first: "1.first" } });
  });

  it("makes what follows a dag wait for those that no other in it needs", () => {
    const dag = { dag: { a: { node: A }, b: { node: B, needs: ["a"] }, c: { node: C } } };
    expect(edges({ chain: [dag, A] })).toMatchObject({ "1": ["0.b", "0.c"] });
  });

  it("goes as deep as a request may", () => {
    let node: unknown = A;
    for (let i = 0; i < 90; i++) node = { chain: [node] };
    expect(edges(node)).toEqual({ [Array.from({ length: 90 }, () => "0").join(".")]: [] });
  });
});

describe("a group of none", () => {
  it.each([[{ group: [] }], [{ map: { task: "a", inputs: [] } }]])("alone is a flow of no task: %j", (body) => {
    expect(planOf(body)).toEqual({ tasks: [], onError: [], result: { list: [] } });
  });

  it("as a header starts the body at once, passed nothing but []", () => {
    const body = { chord: { header: [], body: A } };
    expect(edges(body)).toEqual({ body: [] });
    expect(passed(body)).toEqual({ body: [] });
  });

  it("in a chain lets what follows wait for what came before", () => {
    expect(edges({ chain: [A, { group: [] }, B] })).toEqual({ "0": [], "2": ["0"] });
    expect(passed({ chain: [A, { group: [] }, B] })).toEqual({ "0": null, "2": [] });
    expect(edges({ chain: [A, { chord: { header: [], body: B } }] })).toEqual({ "0": [], "1.body": ["0"] });
  });

  it("in a dag lets those that need it wait for what it needs", () => {
    const dag = { a: { node: A }, none: { node: { group: [] }, needs: ["a"] }, b: { node: B, needs: ["none"] } };
    expect(edges({ dag })).toEqual({ a: [], b: ["a"] });
    expect(passed({ dag })).toEqual({ a: null, b: { none: [] } });
  });
});

describe("a failure that is ignored", () => {
  const dag = {
    may: { node: { chain: [A, B] }, onFailure: "ignore" },
    must: { node: A },
    last: { node: C, needs: ["may", "must"] },
  };

  it("is a need that must only end, and null for those that are passed its result", () => {
    expect(edges({ dag })).toEqual({ "may.0": [], "may.1": ["may.0"], must: [], last: ["must", "may.1?"] });
    expect(passed({ dag })).toMatchObject({ last: { may: { orNull: "may.1" }, must: "must" } });
  });

  it("marks all tasks below it", () => {
    expect(
      planOf({ dag })
        .tasks.filter((task) => task.ignored)
        .map((task) => task.key),
    ).toEqual(["may.0", "may.1"]);
  });

  it("marks what a dag inside of it does not ignore itself", () => {
    const inner = { dag: { strict: { node: A }, lenient: { node: B, onFailure: "ignore" } } };
    const { tasks } = planOf({ dag: { outer: { node: inner, onFailure: "ignore" }, other: { node: inner } } });
    expect(tasks.filter((task) => task.ignored).map((task) => task.key)).toEqual([
      "outer.strict",
      "outer.lenient",
      "other.lenient",
    ]);
  });

  it("is its own alone: those that need the node need what it needs, too", () => {
    const before = { a: { node: A }, b: { node: B, needs: ["a"], onFailure: "ignore" } };
    expect(edges({ dag: { ...before, c: { node: C, needs: ["b"] } } })).toEqual({ a: [], b: ["a"], c: ["a", "b?"] });
    expect(edges({ chain: [{ dag: before }, C] })["1"]).toEqual(["0.a", "0.b?"]);
    expect(edges({ chain: [A, { dag: { b: { node: B, onFailure: "ignore" } } }, C] })["2"]).toEqual(["0", "1.b?"]);
    const row = { ...before, c: { node: C, needs: ["b"], onFailure: "ignore" }, d: { node: A, needs: ["c"] } };
    expect(edges({ dag: row })["d"]).toEqual(["a", "c?"]);
  });

  it("adds no need that another one implies, and names none twice", () => {
    const dag = {
      top: { node: A },
      left: { node: B, needs: ["top"] },
      right: { node: C, needs: ["top"], onFailure: "ignore" },
      merge: { node: A, needs: ["left", "right"] },
      none: { node: { group: [] }, needs: ["left"] },
      last: { node: B, needs: ["none", "left"] },
    };
    expect(edges({ dag })).toMatchObject({ merge: ["left", "right?"], last: ["left"] });
  });

  it("gives null for all of the node where a part that is not in its result has failed", () => {
    const inner = { dag: { a: { node: A }, b: { node: B, needs: ["a"], onFailure: "ignore" } } };
    const body = { dag: { outer: { node: inner, onFailure: "ignore" }, last: { node: C, needs: ["outer"] } } };
    const plan = planOf(body);
    const idOf = (key: string) => plan.tasks.find((task) => task.key === key)!.id;
    expect(plan.tasks.at(-1)?.passed).toEqual({
      object: { outer: { orNull: { object: { b: { orNull: idOf("outer.b") } } }, if: [idOf("outer.a")] } },
    });
  });

  it("reaches those that wait for the dag", () => {
    const lenient = { dag: { a: { node: A, onFailure: "ignore" }, b: { node: B, onFailure: "fail" } } };
    const body = { chord: { header: [lenient], body: C } };
    expect(edges(body)).toMatchObject({ body: ["header.0.b", "header.0.a?"] });
    expect(passed(body)).toMatchObject({ body: [{ a: { orNull: "header.0.a" }, b: "header.0.b" }] });
  });
});

describe("a reference", () => {
  const from = (body: unknown, key: string) => {
    const plan = planOf(body);
    const task = plan.tasks.find((each) => each.key === key)!;
    return {
      passed: task.passed,
      from: Object.fromEntries(Object.entries(task.from).map(([name, source]) => [name, named(plan, source)])),
    };
  };

  it("anywhere in an input means what the node is passed, or the result of a node that is needed", () => {
    const chain = [A, { ...B, input: [{ deep: { $from: "previous", path: "/x/0" } }] }];
    expect(from({ chain }, "1")).toEqual({ passed: null, from: { previous: "0" } });
    const dag = {
      a: { node: A },
      b: { node: B },
      c: { node: { ...C, input: { x: { $from: "a" }, all: { $from: "previous" } } }, needs: ["a", "b"] },
    };
    expect(from({ dag }, "c")).toEqual({ passed: null, from: { a: "a", previous: { a: "a", b: "b" } } });
  });

  it("reaches into what is nested, and the inner name hides the outer one", () => {
    const inner = {
      dag: { a: { node: B }, d: { node: { ...C, input: [{ $from: "a" }, { $from: "b" }] }, needs: ["a"] } },
    };
    const dag = { a: { node: A }, b: { node: B }, c: { node: inner, needs: ["a", "b"] } };
    expect(from({ dag }, "c.d").from).toEqual({ a: "c.a", b: "b" });
  });

  it("in the items of a map means what the map is passed", () => {
    const chain = [A, { map: { task: "b", inputs: [{ x: { $from: "previous" } }, { x: 1 }] } }];
    expect(from({ chain }, "1.0").from).toEqual({ previous: "0" });
    expect(from({ chain }, "1.1")).toEqual({ passed: null, from: {} });
  });

  it("is found wherever it stands, and nothing is looked for inside of it", () => {
    const input = { a: [1, { $from: "x" }], b: { $from: "y", path: "/p", more: { $from: "z" } }, c: null };
    expect(references(input).map(({ at, reference }) => [partsOf(at).join("/"), reference["$from"]])).toEqual([
      ["a/1", "x"],
      ["b", "y"],
    ]);
  });
});

describe("what runs when a flow fails", () => {
  it("is passed the failure, under keys of its own, and no part of the flow", () => {
    const plan = planOf({ chain: [A, B], onError: { chain: [B, { group: [A, C] }] } });
    expect(plan.tasks.map((task) => task.key)).toEqual(["0", "1"]);
    expect(edgesOf(plan.onError)).toEqual({
      "onError.0": [],
      "onError.1.0": ["onError.0"],
      "onError.1.1": ["onError.0"],
    });
    expect(plan.onError[0]).toMatchObject({ passed: { failure: true }, path: inside(null, "onError", "chain", 0) });
    expect(named(plan, plan.result)).toBe("1");
  });

  it("may be a single task, and refer to the failure", () => {
    const { onError } = planOf({ ...A, onError: { ...B, input: { why: { $from: "previous", path: "/failed" } } } });
    expect(onError).toMatchObject([{ key: "onError", passed: null, from: { previous: { failure: true } } }]);
  });
});

describe("a fault is pointed at", () => {
  it.each<[string, unknown, string[]]>([
    ["a body that is no object", [A], [": a node is an object with one of task, chain, group, chord, map, dag"]],
    ["nothing at all", null, [": a node is an object with one of task, chain, group, chord, map, dag"]],
    ["no kind", {}, [": a node has exactly one of task, chain, group, chord, map, dag"]],
    ["two kinds", { ...A, group: [] }, [": a node has exactly one of task, chain, group, chord, map, dag"]],
    [
      "a list in a list",
      { chain: [[A]] },
      ["/chain/0: a node is an object with one of task, chain, group, chord, map, dag"],
    ],
    ["an unknown member", { ...A, inputs: 1 }, ["/inputs: unknown member; did you mean input?"]],
    ["an unknown member of a chord", { chord: { header: [], body: A, x: 1 } }, ["/chord/x: unknown member"]],
    [
      "an unknown member of a map",
      { map: { task: "a", inputs: [], input: 1 } },
      ["/map/input: unknown member; did you mean inputs?"],
    ],
    [
      "an unknown member of a dag's entry",
      { dag: { a: { node: A, need: [] } } },
      ["/dag/a/need: unknown member; did you mean needs?"],
    ],
    ["options beside a chain", { chain: [A], options: {} }, ["/options: unknown member"]],
    ["an inner onError", { chain: [{ ...A, onError: B }] }, ["/chain/0/onError: unknown member"]],
    ["a task without a name", { chain: [A, { task: 7 }] }, ["/chain/1/task: the name of a task"]],
    [
      "a map without a task",
      { map: { inputs: [1, 2] } },
      ["/map/task: the name of a task", "/map/task: the name of a task"],
    ],
    ["a map without inputs", { map: { task: "a" } }, ["/map/inputs: a list of inputs"]],
    ["an empty chain", { group: [{ chain: [] }] }, ["/group/0/chain: a list of at least one node"]],
    ["a group that is no list", { group: A }, ["/group: a list of nodes"]],
    [
      "a chord without a body",
      { chord: { header: [A] } },
      ["/chord/body: a node is an object with one of task, chain, group, chord, map, dag"],
    ],
    ["a chord without a header", { chord: { body: A } }, ["/chord/header: a list of nodes"]],
    ["a chord that is a list", { chord: [A, B] }, ["/chord: an object of header, body"]],
    ["an empty dag", { dag: {} }, ["/dag: an object of at least one node"]],
    [
      "a name that cannot be a key",
      { dag: { "a.b": { node: A } } },
      ["/dag/a.b: a name is 1 to 64 letters, digits, _ and -"],
    ],
    [
      "a name that no object takes as its own",
      { dag: JSON.parse('{ "__proto__": { "node": { "task": "a" } } }') as unknown },
      ["/dag/__proto__: __proto__ cannot be the name of a node; choose another name"],
    ],
    [
      "a name to be escaped",
      { dag: { "a/~": { node: A } } },
      ["/dag/a~1~0: a name is 1 to 64 letters, digits, _ and -"],
    ],
    ["an unknown need", { dag: { a: { node: A, needs: ["b"] } } }, ["/dag/a/needs/0: no node has this name"]],
    [
      "a need from outside",
      { dag: { a: { node: A }, b: { node: { dag: { c: { node: A, needs: ["a"] } } } } } },
      ["/dag/b/node/dag/c/needs/0: no node has this name"],
    ],
    [
      "a need that an object has by birth",
      { dag: { a: { node: A, needs: ["constructor"] } } },
      ["/dag/a/needs/0: no node has this name"],
    ],
    [
      "a need that is named twice",
      { dag: { a: { node: A }, b: { node: B, needs: ["a", "a"] } } },
      ["/dag/b/needs/1: is named twice"],
    ],
    ["needs that are no list", { dag: { a: { node: A, needs: "b" } } }, ["/dag/a/needs: a list of names"]],
    ["another way to fail", { dag: { a: { node: A, onFailure: "stop" } } }, ['/dag/a/onFailure: "fail" or "ignore"']],
    [
      "a node that needs itself",
      { dag: { a: { node: A, needs: ["a"] } } },
      ["/dag/a/needs: is part of a cycle of needs, or needs a node of one"],
    ],
    [
      "a circle, and what needs it",
      {
        dag: {
          a: { node: A, needs: ["b"] },
          b: { node: A, needs: ["a"] },
          c: { node: A, needs: ["b"] },
          d: { node: A },
        },
      },
      ["a", "b", "c"].map((name) => `/dag/${name}/needs: is part of a cycle of needs, or needs a node of one`),
    ],
    [
      "a fault of what runs on failure",
      { ...A, onError: { chain: [{ task: 1 }] } },
      ["/onError/chain/0/task: the name of a task"],
    ],
    [
      "an onError of null",
      { ...A, onError: null },
      ["/onError: a node is an object with one of task, chain, group, chord, map, dag"],
    ],
  ])("%s", (_, body, expected) => {
    expect(faultsOf(body)).toEqual(expected);
  });

  it.each<[string, unknown, string[]]>([
    [
      "to the previous of the first",
      { ...A, input: { x: { $from: "previous" } } },
      ["/input/x/$from: nothing is passed to this node"],
    ],
    [
      "to nobody",
      { chain: [A, { ...B, input: [{ $from: "merge" }] }] },
      ["/chain/1/input/0/$from: this node's `needs` do not list this name; add it there"],
    ],
    [
      "to a node that is not needed",
      { dag: { a: { node: A }, b: { node: { ...B, input: { $from: "a" } } } } },
      ["/dag/b/node/input/$from: this node's `needs` do not list this name; add it there"],
    ],
    [
      "to what an object has by birth",
      { ...A, input: { $from: "toString" } },
      ["/input/$from: this node's `needs` do not list this name; add it there"],
    ],
    [
      "with more beside it",
      { chain: [A, { ...B, input: { $from: "previous", x: 1 } }] },
      ["/chain/1/input/x: unknown member beside $from"],
    ],
    [
      "with a path that is no pointer",
      { chain: [A, { ...B, input: { $from: "previous", path: "x" } }] },
      ["/chain/1/input/path: a JSON pointer (RFC 6901) such as /a/0, in which ~ is written ~0 and / is written ~1"],
    ],
    [
      "with a path that is no text",
      { chain: [A, { ...B, input: { $from: "previous", path: 0 } }] },
      ["/chain/1/input/path: a JSON pointer (RFC 6901) such as /a/0, in which ~ is written ~0 and / is written ~1"],
    ],
    [
      "in an item of a map",
      { map: { task: "a", inputs: [1, { $from: "previous" }] } },
      ["/map/inputs/1/$from: nothing is passed to this node"],
    ],
  ])("a reference %s", (_, body, expected) => {
    expect(faultsOf(body)).toEqual(expected);
  });

  it("a reference whose name is no text", () => {
    expect(faultsOf({ chain: [A, { ...B, input: { $from: 1 } }] })).toMatchObject([
      expect.stringMatching(/^\/chain\/1\/input\/\$from: "previous" or the name/),
    ]);
  });

  it("every one of many, up to one more than an answer lists", () => {
    expect(faultsOf({ group: [{ task: 1 }, A, {}, { chain: [] }] })).toHaveLength(3);
    expect(faultsOf({ group: Array.from({ length: 500 }, () => ({ task: 1 })) })).toHaveLength(101);
  });

  it("more tasks than a flow may have, however they come", () => {
    const many = (count: number) => ({ map: { task: "a", inputs: Array.from({ length: count }, () => 1) } });
    expect(planOf(many(MAX_NODES)).tasks).toHaveLength(MAX_NODES);
    expect(faultsOf(many(MAX_NODES + 1))).toEqual(["/map/inputs/10000: a flow has at most 10000 tasks"]);
    expect(faultsOf({ ...many(MAX_NODES), onError: A })).toEqual(["/onError: a flow has at most 10000 tasks"]);
  });

  it("more edges than a flow may have, once", () => {
    const group = (count: number) => ({ group: Array.from({ length: count }, () => A) });
    const most = Math.floor(MAX_EDGES / 400);
    expect(planOf({ chain: [group(400), group(most)] }).tasks).toHaveLength(400 + most);
    expect(faultsOf({ chain: [group(400), group(most + 20)] })).toEqual([
      `/chain/1/group/${most}: a flow has at most 100000 edges; put a single task between two large groups`,
    ]);
  });
});

describe("any flow", () => {
  const flows = fc.tuple(fc.nat(), fc.integer({ min: 1, max: 60 }), fc.boolean()).map(([seed, size, withError]) => {
    const random = randomOf(seed);
    return { ...randomGraph(random, size), ...(withError ? { onError: randomGraph(random, 5) } : {}) };
  });

  const every = (check: (plan: Plan, all: PlannedTask[]) => void) =>
    fc.assert(
      fc.property(flows, (body) => {
        const plan = planOf(body);
        check(plan, [...plan.tasks, ...plan.onError]);
      }),
      { numRuns: 500 },
    );

  it("has tasks whose ids and keys are their own, in the order of the graph", () => {
    every((_, all) => {
      expect(all.map((task) => task.id)).toEqual(newIds(all.length));
      expect(new Set(all.map((task) => task.key)).size).toBe(all.length);
    });
  });

  it("has every edge on both of its sides", () => {
    every((_, all) => {
      const pairs = (from: "needs" | "needsEnd", to: "next" | "nextOnEnd") => [
        all.flatMap((task) => task[from].map((need) => `${need} ${task.id}`)).toSorted(),
        all.flatMap((task) => task[to].map((next) => `${task.id} ${next}`)).toSorted(),
      ];
      for (const [there, back] of [pairs("needs", "next"), pairs("needsEnd", "nextOnEnd")]) expect(there).toEqual(back);
    });
  });

  it("can be begun, and ends: no node waits for itself", () => {
    every((_, all) => {
      const done = new Set<string>();
      for (let left = all; left.length > 0; left = left.filter((task) => !done.has(task.id))) {
        const ready = left.filter((task) => [...task.needs, ...task.needsEnd].every((id) => done.has(id)));
        expect(ready).not.toHaveLength(0);
        for (const task of ready) done.add(task.id);
      }
    });
  });

  it("keeps what runs on failure apart from the rest", () => {
    every(({ tasks, onError }) => {
      const own = new Set(onError.map((task) => task.id));
      for (const task of tasks) expect([...task.needs, ...task.needsEnd].filter((id) => own.has(id))).toEqual([]);
      for (const task of onError) {
        expect([...task.needs, ...task.needsEnd].filter((id) => !own.has(id))).toEqual([]);
      }
    });
  });

  it("takes values only from tasks that have ended before", () => {
    every((plan, all) => {
      const byId = new Map(all.map((task) => [task.id, task]));
      const before = new Map<string, Set<string>>();
      const ancestors = (id: string): Set<string> => {
        const known = before.get(id);
        if (known) return known;
        const { needs, needsEnd } = byId.get(id)!;
        const found = new Set([...needs, ...needsEnd].flatMap((need) => [need, ...ancestors(need)]));
        before.set(id, found);
        return found;
      };
      for (const task of all) {
        const sources = [...(task.passed === null ? [] : [task.passed]), ...Object.values(task.from)];
        for (const id of sources.flatMap(taskIdsOf)) expect(ancestors(task.id)).toContain(id);
      }
      for (const id of taskIdsOf(plan.result)) expect(byId.has(id)).toBe(true);
    });
  });

  it("finds the same plan and the same faults however often it is asked", () => {
    fc.assert(
      fc.property(fc.oneof(flows, fc.jsonValue()), (body) => {
        const first = planFlow(body, newIds);
        expect(planFlow(structuredClone(body), newIds)).toEqual(first);
        for (const { pointer } of first.faults) expect(pointer).toMatch(/^(\/|$)/);
      }),
    );
  });
});
