/** What this deployment offers: the application that `createLovage` was given. */

import type { Hono } from "hono";
import type { DeclaredSchedule } from "../contract/schedule.ts";
import type { TaskDefinition } from "../core/task.ts";

/** An application: everything that a deployment adds to Lovage. */
export interface Application {
  /** Every task that can be submitted by name. */
  tasks: readonly TaskDefinition[];
  /** Tasks for tests, offered only where the configuration says `FIXTURES = "1"`. */
  fixtures?: readonly TaskDefinition[];
  /** Every schedule that is declared in code. One that is no longer listed ends with the next deployment. */
  schedules?: readonly DeclaredSchedule[];
  /** Routes of the deployment's own, mounted at the root. */
  routes?: Hono<{ Bindings: Env }>;
}

/** The one binding that is read here. Not `Env`, because a project that installs the package describes an `Env` of its own. */
interface Fixtures {
  FIXTURES?: string;
}

/** Names that begin with this are those of the system's own tasks, among which a worker looks first. */
const RESERVED = "lovage.";

let offered: ReadonlyMap<string, TaskDefinition> = new Map();
let withFixtures = offered;
let declared: readonly DeclaredSchedule[] = [];

/**
 * Makes this the isolate's application. The platform constructs the Durable Objects itself, so nothing can be passed to them:
 * they, the consumer and the web node all read it from here. Throws a `RangeError` for two tasks of one name, or a name of
 * the system's own.
 */
export function register({ tasks, fixtures = [], schedules = [] }: Application): void {
  offered = byName(tasks);
  withFixtures = byName([...tasks, ...fixtures]);
  declared = schedules;
}

/** The task of that name, or undefined where this deployment has none. */
export function findTask(name: string, env: Fixtures): TaskDefinition | undefined {
  return known(env).get(name);
}

/** Whether a worker can run tasks of that name: the system's own, too. */
export function isKnown(name: string, env: Fixtures): boolean {
  return name.startsWith(RESERVED) || findTask(name, env) !== undefined;
}

/** The names that {@link findTask} knows, in the order in which the tasks are listed. */
export function taskNames(env: Fixtures): string[] {
  return [...known(env).keys()];
}

/** The schedules that this version of the code declares. They belong to the tenant `default`. */
export function declaredSchedules(): readonly DeclaredSchedule[] {
  return declared;
}

function known(env: Fixtures): ReadonlyMap<string, TaskDefinition> {
  return env.FIXTURES === "1" ? withFixtures : offered;
}

function byName(definitions: readonly TaskDefinition[]): ReadonlyMap<string, TaskDefinition> {
  const map = new Map(definitions.map((definition) => [definition.name, definition]));
  const reserved = definitions.find((definition) => definition.name.startsWith(RESERVED));
  if (reserved) throw new RangeError(`task ${reserved.name}: names that begin with ${RESERVED} are the system's own`);
  // Otherwise the second task of a name would get all submissions of the first, without an error.
  const twice = definitions.find(
    (definition, at) => definitions.findIndex(({ name }) => name === definition.name) < at,
  );
  if (twice) throw new RangeError(`two tasks have the name ${twice.name}`);
  return map;
}
