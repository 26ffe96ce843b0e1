/** Checks the names in a dag, and sorts its nodes into the order in which they are compiled. */

import { meant } from "../nearest.ts";
import { inside, type Path } from "../path.ts";

export interface DagEntry {
  node: unknown;
  needs?: string[];
  onFailure?: "fail" | "ignore";
}

/** Receives a fault and its place. */
export type Complain = (path: Path, detail: string) => unknown;

const NAME = /^[A-Za-z0-9_-]{1,64}$/;

/** Names that no node may have, and why. */
const TAKEN: ReadonlyMap<string, string> = new Map([
  ["previous", '"previous" is what $from calls the value that a node is passed; choose another name'],
  ["__proto__", "__proto__ cannot be the name of a node; choose another name"],
]);

/** Whether a value is an object. Reports a fault if it is not, and for each member that is not one of `members`. */
export function hasOnly(
  value: unknown,
  members: readonly string[],
  path: Path,
  complain: Complain,
): value is Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    complain(path, `an object of ${members.join(", ")}`);
    return false;
  }
  for (const member of Object.keys(value)) {
    if (!members.includes(member)) complain(inside(path, member), `unknown member${meant(member, members)}`);
  }
  return true;
}

/** The entries of a dag at `path`, each after those that it needs; null where there are faults. */
export function dagInOrder(
  dag: Record<string, unknown>,
  path: Path,
  complain: Complain,
): [name: string, entry: DagEntry][] | null {
  let isSound = true;
  const note: Complain = (at, detail) => {
    isSound = false;
    complain(at, detail);
  };
  for (const [name, entry] of Object.entries(dag)) checkEntry(dag, name, entry, inside(path, name), note);
  if (!isSound) return null;
  const { order, stuck } = sort(dag as Record<string, DagEntry>);
  for (const name of stuck)
    complain(inside(path, name, "needs"), "is part of a cycle of needs, or needs a node of one");
  return stuck.length > 0 ? null : order.map((name) => [name, dag[name] as DagEntry]);
}

function checkEntry(dag: Record<string, unknown>, name: string, entry: unknown, at: Path, complain: Complain): void {
  if (!NAME.test(name)) complain(at, "a name is 1 to 64 letters, digits, _ and -");
  const taken = TAKEN.get(name);
  if (taken !== undefined) complain(at, taken);
  if (!hasOnly(entry, ["node", "needs", "onFailure"], at, complain)) return;
  const { needs = [], onFailure = "fail" } = entry;
  if (onFailure !== "fail" && onFailure !== "ignore") complain(inside(at, "onFailure"), '"fail" or "ignore"');
  if (!Array.isArray(needs)) {
    complain(inside(at, "needs"), "a list of names");
    return;
  }
  const seen = new Set<unknown>();
  for (const [i, need] of (needs as unknown[]).entries()) {
    if (typeof need !== "string" || !Object.hasOwn(dag, need)) {
      complain(inside(at, "needs", i), "no node has this name");
    } else if (seen.has(need)) complain(inside(at, "needs", i), "is named twice");
    seen.add(need);
  }
}

/**
 * Sorts topologically, depth first in the order of writing, so that names already in order stay so. `stuck`: the nodes of a
 * cycle, and the nodes that need one. No recursion, because a chain of needs may be as long as a body.
 */
function sort(dag: Record<string, DagEntry>): { order: string[]; stuck: string[] } {
  const names = Object.keys(dag);
  const order: string[] = [];
  const marks = new Map<string, "open" | "done" | "stuck">();
  for (const root of names) {
    if (marks.has(root)) continue;
    const stack = [{ name: root, next: 0, isStuck: false }];
    marks.set(root, "open");
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      const need = dag[top.name]!.needs?.[top.next++];
      if (need === undefined) {
        stack.pop();
        marks.set(top.name, top.isStuck ? "stuck" : "done");
        if (!top.isStuck) order.push(top.name);
        const below = stack.at(-1);
        if (below && top.isStuck) below.isStuck = true;
      } else if (!marks.has(need)) {
        marks.set(need, "open");
        stack.push({ name: need, next: 0, isStuck: false });
      } else if (marks.get(need) !== "done") top.isStuck = true;
    }
  }
  return { order, stuck: names.filter((name) => marks.get(name) === "stuck") };
}
