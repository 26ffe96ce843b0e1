/**
 * Plans flows: a graph of tasks given as data is compiled into tasks that name what they need. Pure: the ids come
 * from the caller. Every fault of a graph is found here or in the checks of its tasks, before anything is stored,
 * in time and memory that grow as the body does.
 */

import { Compiler, isObject, START, TooMuch } from "./compile.ts";
import type { Plan, PlannedTask, Source } from "./flow.ts";
import { inside } from "../path.ts";
import type { Fault } from "../problems.ts";

/** A planned flow, and the `deadline` of the body as given, which is not part of the graph. */
export interface Planned {
  plan: Plan;
  faults: Fault[];
  deadline: unknown;
}

const NO_PLAN: Plan = { tasks: [], onError: [], result: { value: null } };

/** Compiles a graph as it came over the wire. `newIds` gives that many ids in ascending order. */
export function planFlow(body: unknown, newIds: (count: number) => string[]): Planned {
  const { onError, deadline, ...graph } = isObject(body) ? body : {};
  const compiler = new Compiler();
  try {
    const { result } = compiler.node(isObject(body) ? graph : body, START);
    const tasks = compiler.takeTasks();
    if (onError !== undefined) {
      compiler.node(onError, {
        ...START,
        passed: { failure: true },
        key: "onError",
        path: inside(null, "onError"),
      });
    }
    const plan = { tasks, onError: compiler.takeTasks(), result };
    if (compiler.faults.length > 0) return { plan, faults: compiler.faults, deadline };
    return { plan: named(plan, newIds(tasks.length + plan.onError.length)), faults: [], deadline };
  } catch (error) {
    if (!(error instanceof TooMuch)) throw error;
    return { plan: NO_PLAN, faults: compiler.faults, deadline };
  }
}

/** Gives the tasks their ids in place of their numbers. A source object that tasks share stays one object. */
function named(plan: Plan, ids: string[]): Plan {
  const idOf = (number: string) => ids[Number(number)]!;
  const known = new Map<Source, Source>();
  const source = (from: Source): Source => {
    if (typeof from === "string") return idOf(from);
    const before = known.get(from);
    if (before !== undefined) return before;
    const after = renamed(from, source, idOf);
    known.set(from, after);
    return after;
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

function renamed(
  from: Exclude<Source, string>,
  source: (inner: Source) => Source,
  idOf: (number: string) => string,
): Source {
  if ("list" in from) return { list: from.list.map(source) };
  if ("orNull" in from) return { orNull: source(from.orNull), ...(from.if ? { if: from.if.map(idOf) } : {}) };
  return "object" in from ? { object: mapValues(from.object, source) } : from;
}

function mapValues<A, B>(record: Record<string, A>, change: (value: A) => B): Record<string, B> {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [name, change(value)]));
}
