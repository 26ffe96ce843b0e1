/** The types of submissions that follow from a list of definitions: names, inputs and results. Nothing of it exists at run time. */

import type { InputOf, OutputOf, TaskDefinition } from "../core/task.ts";
import type { TaskResource } from "./task.ts";

export type { InputOf, OutputOf, TaskDefinition };

/** A list of definitions, such as `typeof tasks` of `src/app/tasks/index.ts`. */
export type Tasks = readonly TaskDefinition[];

/** The names in a list. */
export type NameOf<T extends Tasks> = T[number]["name"];

/** The definition of that name. */
export type Named<T extends Tasks, Name extends string> = Name extends string ? WithName<T[number], Name> : never;

type WithName<D extends TaskDefinition, Name extends string> = D extends TaskDefinition
  ? Name extends D["name"]
    ? D
    : never
  : never;

/** The arguments after the task in a call that submits it: `input` may be left out where its schema accepts undefined. */
export type SubmitArgs<D extends TaskDefinition, Options> =
  undefined extends InputOf<D> ? [input?: InputOf<D>, options?: Options] : [input: InputOf<D>, options?: Options];

/** The resource of a task of this definition. Once `state` is `"succeeded"`, `result` is what the output schema says. */
export type TaskOf<D extends TaskDefinition> = D extends TaskDefinition
  ? Omit<TaskResource, "task" | "state" | "result"> & { task: D["name"] } & (
        | { state: "succeeded"; result: OutputOf<D> }
        | { state: Exclude<TaskResource["state"], "succeeded">; result: null }
      )
  : never;
