/** The one place where a task's name becomes its definition. Fixture tasks exist only where the configuration says so. */

import type { TaskDefinition } from "../core/define-task.ts";
import { fixtures } from "./fixtures.ts";
import { tasks } from "./index.ts";

/** Tasks of these names are the system's own: a worker finds them before any of these. */
const RESERVED = "lovage.";

const offered = byName(tasks);
const withFixtures = byName([...tasks, ...fixtures]);

/** The task of that name, or undefined where this deployment has none. */
export function findTask(name: string, env: Pick<Env, "FIXTURES">): TaskDefinition | undefined {
  return known(env).get(name);
}

/** The names that {@link findTask} knows, in the order in which the tasks are listed. */
export function taskNames(env: Pick<Env, "FIXTURES">): string[] {
  return [...known(env).keys()];
}

function known(env: Pick<Env, "FIXTURES">): ReadonlyMap<string, TaskDefinition> {
  return env.FIXTURES === "1" ? withFixtures : offered;
}

function byName(definitions: readonly TaskDefinition[]): ReadonlyMap<string, TaskDefinition> {
  const map = new Map(definitions.map((definition) => [definition.name, definition]));
  const reserved = definitions.find((definition) => definition.name.startsWith(RESERVED));
  if (reserved) throw new RangeError(`task ${reserved.name}: names that begin with ${RESERVED} are the system's own`);
  // A second task of the same name would silently take the first one's submissions.
  if (map.size < definitions.length) throw new RangeError("two tasks have the same name");
  return map;
}
