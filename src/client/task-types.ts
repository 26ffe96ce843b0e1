/** What the client's verbs on tasks take and give. */

import type { OptionsInput } from "../contract/submission.ts";
import type { TaskResource } from "../contract/task.ts";
import type { FilterInput } from "../contract/task-filter.ts";
import type { InputOf, Named, NameOf, TaskOf, Tasks } from "../contract/typed-task.ts";
import type { CallOptions } from "./connection.ts";
import type { LovageProblem } from "./problem-errors.ts";
import type { WaitOptions } from "./wait.ts";

/** What every request takes that submits something. */
export interface SubmitCallOptions extends CallOptions {
  /** Names the request, so that sending it again makes nothing twice. Unless given, each call has a new one. */
  idempotencyKey?: string | undefined;
  /** W3C Trace Context, which the task continues. */
  traceparent?: string | undefined;
}

/** Options for a browser that must not see the key. */
export interface LinksOptions {
  /** Gives each of the answer's links a token: a client without a key may do with the answer what they allow. */
  links?: "signed" | undefined;
  /** For how many seconds, an hour unless given. */
  linksTtl?: number | undefined;
}

/** The options of the submission, and those of the request. */
export interface SubmitOptions extends OptionsInput, SubmitCallOptions, LinksOptions {}

/** The same, and for how long to wait. */
export interface RunOptions extends SubmitOptions, Pick<WaitOptions, "within"> {}

/** One item of a batch. */
export type Submission<T extends Tasks> = {
  [Name in NameOf<T>]: { task: Name; options?: OptionsInput } & (undefined extends InputOf<Named<T, Name>>
    ? { input?: InputOf<Named<T, Name>> }
    : { input: InputOf<Named<T, Name>> });
}[NameOf<T>];

/** The outcome of one item of a batch. */
export type BatchItem<Task> = { ok: true; task: Task } | { ok: false; problem: LovageProblem };

/** The outcomes of a batch's items, in order. */
export type BatchItems<T extends Tasks, Items extends readonly { task: string }[]> = {
  -readonly [I in keyof Items]: BatchItem<TaskOf<Named<T, Items[I]["task"]>>>;
};

/** A task: its id, or what `submit`, `get` and `list` give, which says its type too. */
export type TaskRef<Name extends string> = string | { id: string; task: Name; links?: TaskResource["links"] };

type State = TaskResource["state"];

/** Finds the tasks that match every member. */
export interface TaskFilter<Name extends string> extends Omit<FilterInput, "task"> {
  state?: State | readonly State[] | undefined;
  task?: Name | undefined;
  tags?: Readonly<Record<string, string>> | undefined;
}

export interface ListTasksOptions extends CallOptions {
  /** Items on a page. */
  limit?: number | undefined;
  /** Newest first unless given. The other two list what has ended: the latest end, or the longest run, first. */
  sort?: "created" | "finished" | "duration" | undefined;
}

export interface BulkFilter<Name extends string> extends TaskFilter<Name> {
  ids?: readonly string[] | undefined;
}

export interface BulkOptions extends CallOptions {
  /** Only counts. */
  dryRun?: boolean | undefined;
}

export interface CancelOptions extends CallOptions {
  reason?: string | undefined;
  /** Undoes the steps that the task has completed before it ends. */
  undo?: boolean | undefined;
}

/** What a filter found that the verb can act on, and what it changed. */
export interface BulkResult {
  matched: number;
  changed: number;
}
