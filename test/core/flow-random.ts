/** Random flows: graphs of every kind of node, nested, for the tests that hold the compiler and the engine against a plain reading of them. */

/** A graph as it crosses the wire, before it was checked. */
export type Graph =
  | { task: string; input?: unknown; options?: unknown }
  | { chain: Graph[] }
  | { group: Graph[] }
  | { chord: { header: Graph[]; body: Graph } }
  | { map: { task: string; inputs: unknown[] } }
  | { dag: Record<string, DagEntry> };

export type DagEntry = { node: Graph; needs?: string[]; onFailure?: "fail" | "ignore" };

/** Numbers in [0, 1), the same for the same seed: mulberry32. */
export function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** What a node may refer to. */
interface Reach {
  previous: boolean;
  names: string[];
}

/** A graph of at most `size` tasks, and at least one unless only empty groups came up. */
export function randomGraph(random: () => number, size: number): Graph {
  return draw(random, { left: Math.max(1, size) }, 0, { previous: false, names: [] });
}

function draw(random: () => number, budget: { left: number }, depth: number, reach: Reach): Graph {
  const upTo = (max: number) => Math.floor(random() * (max + 1));
  const inner = (more: Partial<Reach> = {}) => draw(random, budget, depth + 1, { ...reach, ...more });
  // As many as the budget lets, sometimes none at all.
  const members = (make: (i: number) => Graph) => {
    const count = random() < 0.07 ? 0 : 1 + upTo(Math.min(7, budget.left));
    return Array.from({ length: count }, (_, i) => make(i));
  };
  if (budget.left <= 1 || depth >= 6 || random() < 0.12 * depth) return drawTask(random, budget, reach);
  switch (upTo(4)) {
    case 0: {
      const count = 1 + upTo(Math.min(4, budget.left));
      return { chain: Array.from({ length: count }, (_, i) => inner(i === 0 ? {} : { previous: true })) };
    }
    case 1:
      return { group: members(() => inner()) };
    case 2:
      return { chord: { header: members(() => inner()), body: inner({ previous: true }) } };
    case 3: {
      const inputs = Array.from({ length: upTo(Math.min(8, budget.left)) }, () => drawInput(random, reach));
      budget.left -= inputs.length;
      return { map: { task: "test.noop", inputs } };
    }
    default:
      return { dag: drawDag(random, budget, reach, inner) };
  }
}

function drawDag(
  random: () => number,
  budget: { left: number },
  reach: Reach,
  inner: (more: Partial<Reach>) => Graph,
): Record<string, DagEntry> {
  const count = 1 + Math.floor(random() * Math.min(6, budget.left));
  const names = Array.from({ length: count }, (_, i) => `n${i}`);
  const entries = names.map((name, i): [string, DagEntry] => {
    const needs = names.slice(0, i).filter(() => random() < 0.45);
    const previous = needs.length > 0 || reach.previous;
    return [
      name,
      {
        node: inner({ previous, names: [...reach.names.filter((each) => !names.includes(each)), ...needs] }),
        ...(needs.length > 0 || random() < 0.3 ? { needs } : {}),
        ...(random() < 0.3 ? { onFailure: random() < 0.8 ? ("ignore" as const) : ("fail" as const) } : {}),
      },
    ];
  });
  // The order in which a graph is written means nothing.
  return Object.fromEntries(entries.toSorted(() => random() - 0.5));
}

function drawTask(random: () => number, budget: { left: number }, reach: Reach): Graph {
  budget.left--;
  return random() < 0.5 ? { task: "test.noop" } : { task: "test.noop", input: drawInput(random, reach) };
}

function drawInput(random: () => number, { previous, names }: Reach): unknown {
  const references = [...names, ...(previous ? ["previous"] : [])];
  const n = Math.floor(random() * 1_000);
  if (references.length === 0 || random() < 0.3) return { n };
  const $from = references[Math.floor(random() * references.length)];
  return random() < 0.3 ? { $from } : { n, deep: [{ got: { $from, path: "" } }] };
}
