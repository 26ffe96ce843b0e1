/** The edges between a flow's tasks, while it is compiled. */

import type { PlannedTask, Source } from "./flow.ts";

export interface Edge {
  task: PlannedTask;
  /** The task that needs `task` runs even if `task` failed. */
  ignore: boolean;
  /** Not named by the graph: a task that needs an ignored node also needs what that node needs. */
  isInherited?: boolean;
}

/** A compiled node: the source of its result, and the edges that the nodes after it wait for. */
export interface Built {
  result: Source;
  exits: Edge[];
}

/** Called with a number of edges or sources before they are visited; throws when the total is too large. */
export type Spend = (edges: number) => void;

/** The exits of all of these nodes as one list. */
export function exitsOf(built: readonly Built[], spend: Spend): Edge[] {
  if (built.length === 1) return built[0]!.exits;
  spend(built.reduce((sum, each) => sum + each.exits.length, 0));
  return built.flatMap((each) => each.exits);
}

/** Keeps one edge for each task, the stricter of two, and drops inherited edges that another need implies. */
export function merged(edges: Edge[], spend: Spend): Edge[] {
  spend(edges.length);
  const strict = edges.filter((edge) => !edge.ignore);
  const own = strict.filter((edge) => !edge.isInherited);
  const taken = new Set<string>();
  const take = (edge: Edge) => !taken.has(edge.task.id) && taken.add(edge.task.id);
  const kept = own.filter(take);
  if (strict.length > own.length) {
    spend(own.reduce((sum, edge) => sum + edge.task.needs.length, 0));
    const implied = new Set(own.flatMap((edge) => edge.task.needs));
    kept.push(...strict.filter((edge) => !implied.has(edge.task.id) && take(edge)));
  }
  return [...kept, ...edges.filter((edge) => edge.ignore && take(edge))];
}

/** Makes a node's own failure stop no other node. A failure before it still does, so the strict edges of `after` are inherited. */
export function lenient({ result, exits }: Built, after: Edge[], spend: Spend): Built & { hidden: string[] } {
  spend(exits.length + after.length);
  const shown = tasksIn(result, spend);
  const hidden = exits.filter((edge) => !edge.ignore && !shown.has(edge.task.id)).map((edge) => edge.task.id);
  return {
    result: { orNull: result, ...(hidden.length > 0 ? { if: hidden } : {}) },
    exits: merged(
      [
        ...exits.map((edge) => ({ ...edge, ignore: true })),
        ...after.filter((edge) => !edge.ignore).map((edge) => ({ ...edge, isInherited: true })),
      ],
      spend,
    ),
    hidden,
  };
}

/** The tasks whose results make up a source. */
function tasksIn(source: Source, spend: Spend, found = new Set<string>()): Set<string> {
  spend(1);
  if (typeof source === "string") found.add(source);
  else if ("list" in source) for (const each of source.list) tasksIn(each, spend, found);
  else if ("object" in source) for (const each of Object.values(source.object)) tasksIn(each, spend, found);
  else if ("orNull" in source) tasksIn(source.orNull, spend, found);
  return found;
}
