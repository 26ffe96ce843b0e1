/** A flow is planned in time and memory that grow as its body does, whatever its form, and stored in room that does. */
import { describe, expect, it } from "vitest";
import { MAX_NODES, type Source } from "../../src/core/flows/flow.ts";
import { isShared, numbersIn, restored, Sharing, type StoredSource } from "../../src/core/flows/share.ts";
import { planFlow } from "../../src/core/flows/plan.ts";

const newIds = (count: number) => Array.from({ length: count }, (_, i) => `task_${String(i).padStart(26, "0")}`);

const A = { task: "a" };
const FROM = { task: "a", input: { $from: "a" } };
const many = <T>(count: number, make: (i: number) => T) => Array.from({ length: count }, (_, i) => make(i));

/** `levels` of a node around another. */
const nested = (levels: number, around: (inner: unknown) => unknown, inner: unknown) =>
  many(levels, () => 0).reduce<unknown>((node) => around(node), inner);

const ignoring = (inner: unknown) => ({ dag: { x: { node: inner, onFailure: "ignore" } } });

const entries = (count: number, entry: (i: number) => unknown) => many(count, (i) => [`n${i}`, entry(i)]);

/** Bodies by their number of nodes: each was, or could be, the undoing of a planner that is careless. */
const BODIES: Record<string, (n: number) => unknown> = {
  "a map": (n) => ({ map: { task: "a", inputs: many(n, () => 1) } }),
  "a chain": (n) => ({ chain: many(n, () => A) }),
  "a group after a group": (n) => ({ chain: [{ group: many(n, () => A) }, { group: many(n, () => A) }] }),
  "a dag in reverse order": (n) => ({
    dag: Object.fromEntries(entries(n, (i) => ({ node: A, ...(i < n - 1 ? { needs: [`n${i + 1}`] } : {}) }))),
  }),
  "a dag in which each needs all before it": (n) => ({
    dag: Object.fromEntries(entries(n, (i) => ({ node: A, needs: many(Math.min(i, 300), (j) => `n${j}`) }))),
  }),
  "a map that each of a chain takes": (n) => ({
    dag: {
      a: { node: { map: { task: "a", inputs: many(n / 2, () => 1) } } },
      b: { node: { chain: many(n / 2, () => FROM) }, needs: ["a"] },
    },
  }),
  "empty groups that a group takes": (n) => ({
    chain: [{ group: many(n, () => ({ group: [] })) }, { group: many(n, () => A) }],
  }),
  "empty groups that each wait for a group": (n) => ({
    dag: {
      a: { node: { group: many(n / 2, () => A) } },
      ...Object.fromEntries(entries(n, () => ({ node: { group: [] }, needs: ["a"] }))),
    },
  }),
  "a group in many dags that ignore": (n) => nested(160, ignoring, { group: many(n, () => A) }),
  "a map before many dags that ignore": (n) => ({
    dag: {
      a: { node: { map: { task: "a", inputs: many(n, () => 1) } } },
      b: { node: nested(150, ignoring, A), needs: ["a"] },
    },
  }),
  "a group in many groups": (n) => nested(240, (inner) => ({ group: [inner] }), { group: many(n, () => A) }),
  "faults in many groups": (n) => nested(240, (inner) => ({ group: [inner] }), { group: many(n, () => 1) }),
  "a group in dags with long names": (n) =>
    nested(160, (inner) => ({ dag: { ["x".repeat(64)]: { node: inner } } }), { group: many(n, () => A) }),
  "references far inside of an input": (n) => ({
    chain: [
      A,
      {
        task: "a",
        input: nested(
          480,
          (inner) => [inner],
          many(n, () => ({ $from: "previous" })),
        ),
      },
    ],
  }),
  "needs that nobody has": (n) => ({ dag: { a: { node: A, needs: many(n, (i) => `b${i}`) } } }),
  "one need, named again and again": (n) => ({ dag: { a: { node: A }, b: { node: A, needs: many(n, () => "a") } } }),
};

interface Planned {
  ms: number;
  faults: number;
  length: number;
  stored: number;
}

function plan(body: unknown): Planned {
  const startedAt = performance.now();
  const { plan: made, faults } = planFlow(body, newIds);
  const sharing = new Sharing(made.tasks);
  const rows = made.tasks.map(({ passed, from, needs, needsEnd, next, nextOnEnd, key }) => [
    [key, needs, needsEnd, next, nextOnEnd],
    passed === null ? null : sharing.stored(passed),
    Object.values(from).map((source) => sharing.stored(source)),
  ]);
  const stored = faults.length > 0 ? 0 : JSON.stringify([rows, sharing.shared]).length;
  const ms = performance.now() - startedAt;
  return { ms, faults: faults.length, length: JSON.stringify(body).length, stored };
}

/** The best of two, because others may have the machine meanwhile. */
function quickest(body: unknown): Planned {
  const [first, second] = [plan(body), plan(body)];
  return first.ms < second.ms ? first : second;
}

describe("a flow that is", () => {
  it.each(Object.entries(BODIES))("%s costs what its size is", (name, body) => {
    const simple = quickest(BODIES["a map"]!(MAX_NODES));
    const large = quickest(body(10_000));
    console.log(
      `${name}: ${large.length} B, ${large.ms.toFixed(0)} ms, ` +
        `stored ${large.stored}, faults ${large.faults}; a map of 10,000: ${simple.ms.toFixed(0)} ms`,
    );
    expect(large.faults).toBeLessThanOrEqual(101);
    // The time of a plain flow of as many tasks and as many bytes, many times over: what is quadratic takes thousands of it.
    const bytes = Math.max(1, large.length / simple.length);
    expect(large.ms).toBeLessThan(40 * Math.max(10, simple.ms) * bytes);
    // Rows of a flow that is accepted: its edges, twice, and each source once.
    expect(large.stored).toBeLessThan(2 * 100_000 * 33 + 20 * large.length);
  });

  it("valid and light is planned in memory that grows with it", () => {
    const bytesOf = (n: number) => JSON.stringify(planFlow(BODIES["a chain"]!(n), newIds).plan).length;
    expect(bytesOf(10_000) / bytesOf(5_000)).toBeLessThan(2.2);
    const before = process.memoryUsage().heapUsed;
    const { plan: made } = planFlow(BODIES["a map that each of a chain takes"]!(10_000), newIds);
    expect(made.tasks).toHaveLength(10_000);
    const grown = (process.memoryUsage().heapUsed - before) / 1_048_576;
    console.log(`a flow of 10,000 tasks: ${grown.toFixed(0)} MiB of heap`);
    expect(grown).toBeLessThan(64);
  });
});

describe("a source that several take", () => {
  it("is stored once, and is the same for each of them", () => {
    const { plan: made } = planFlow(BODIES["a map that each of a chain takes"]!(3_000), newIds);
    const sharing = new Sharing(made.tasks);
    const taken = made.tasks.flatMap(({ from }) => Object.values(from));
    const stored = taken.map((source) => sharing.stored(source));
    expect(sharing.shared).toHaveLength(1);
    expect(stored.every(isShared)).toBe(true);
    const known = new Map(sharing.shared.entries());
    for (const each of stored.slice(0, 3)) expect(restored(each, known)).toEqual(taken[0]);
  });

  it("may hold others, and what only one takes stands where it is", () => {
    const dag = {
      a: { node: { group: [A, A] } },
      b: { node: { group: [A, A] } },
      c: { node: { group: [A, { ...A, input: [{ $from: "a" }, { $from: "previous" }] }] }, needs: ["a", "b"] },
      d: { node: A, needs: ["b"] },
    };
    const { plan: made } = planFlow({ dag }, newIds);
    const sharing = new Sharing(made.tasks);
    const pairs = made.tasks
      .flatMap(({ passed, from }) => [passed, ...Object.values(from)])
      .filter((source) => source !== null)
      .map((source): [Source, StoredSource] => [source, sharing.stored(source)]);
    const known = new Map(sharing.shared.entries());
    for (const [source, stored] of pairs) expect(restored(stored, known)).toEqual(source);
    expect(sharing.shared.flatMap(numbersIn)).not.toHaveLength(0);
    expect(pairs.some(([, stored]) => !isShared(stored))).toBe(true);
  });
});
