/** The columns of a list of tasks. Further ones are JSON paths into the input or the result: `input:/customer`. */

import type { ComponentChildren } from "preact";
import type { TaskResource } from "../../../contract/task.ts";
import { hrefTo } from "../address.ts";
import { Badge } from "../parts/badge.tsx";
import { Age } from "../parts/time.tsx";
import { durationWords, glance, shortened } from "../words.ts";
import { now } from "../reach.ts";
import { tasksHref } from "./filter.ts";
import { Why } from "./why.tsx";

export interface Column {
  name: string;
  title: string;
  cell: (task: TaskResource) => ComponentChildren;
}

export const COLUMNS: readonly Column[] = [
  { name: "state", title: "State", cell: (task) => <Badge state={task.state} /> },
  {
    name: "task",
    title: "Task",
    cell: (task) => (
      <>
        <a class="strong" href={hrefTo("tasks", task.id)} data-open>
          {task.task}
        </a>
        <code class="id">{task.id.slice(-8)}</code>
      </>
    ),
  },
  { name: "why", title: "Why", cell: (task) => <Why task={task} /> },
  { name: "id", title: "Id", cell: (task) => <code>{task.id}</code> },
  { name: "lane", title: "Lane", cell: (task) => <a href={tasksHref({ lane: task.lane })}>{task.lane}</a> },
  { name: "tags", title: "Tags", cell: (task) => <Tags tags={withoutTick(task.tags)} /> },
  { name: "attempt", title: "Attempt", cell: (task) => `${task.attempt} of ${task.maxAttempts}` },
  { name: "wait", title: "Wait", cell: waitOf },
  { name: "run", title: "Run", cell: runOf },
  { name: "age", title: "Age", cell: (task) => <Age at={task.createdAt} /> },
  { name: "input", title: "Input", cell: (task) => <bdi class="mono">{glance(task.input)}</bdi> },
  {
    name: "result",
    title: "Result",
    cell: (task) => <bdi class="mono">{task.result === null ? "" : glance(task.result)}</bdi>,
  },
];

export const USUAL = "state,task,why,tags,attempt,run,age";
/** The same where a task stands beside the list. */
export const USUAL_BESIDE = "state,task,why,age";

/** The columns of the address's list; names that mean nothing are left out. */
export function columnsOf(names: string): Column[] {
  return names.split(",").flatMap((name) => {
    const known = COLUMNS.find((column) => column.name === name);
    if (known !== undefined) return [known];
    const [, where, path] = /^(input|result):(\/.*)$/s.exec(name) ?? [];
    if (where === undefined || path === undefined) return [];
    return [
      { name, title: path.slice(1), cell: (task: TaskResource) => <AtPath task={task} where={where} path={path} /> },
    ];
  });
}

/** The tick of a schedule's task says no more than its age. */
function withoutTick({ tick, ...rest }: Readonly<Record<string, string>>): Record<string, string> {
  return tick === undefined || rest["schedule"] === undefined
    ? { ...rest, ...(tick === undefined ? {} : { tick }) }
    : rest;
}

export function Tags({ tags }: { tags: Readonly<Record<string, string>> }) {
  return (
    <span class="tags">
      {Object.entries(tags).map(([name, value]) => (
        <a key={name} href={tasksHref({ [`tag.${name}`]: value })} title={`${name}: ${value}`}>
          <span class="soft">{name}</span> <bdi>{shortened(value, 40)}</bdi>
        </a>
      ))}
    </span>
  );
}

function AtPath({ task, where, path }: { task: TaskResource; where: string; path: string }) {
  const value = valueAt(where === "input" ? task.input : task.result, path);
  return (
    <bdi class="mono">
      {value === undefined ? "" : typeof value === "string" ? shortened(value, 120) : glance(value)}
    </bdi>
  );
}

/** The value at a JSON pointer (RFC 6901); undefined where there is none. */
export function valueAt(value: unknown, pointer: string): unknown {
  let at: unknown = value;
  for (const part of pointer.split("/").slice(1)) {
    const name = part.replaceAll("~1", "/").replaceAll("~0", "~");
    if (typeof at !== "object" || at === null || !Object.hasOwn(at, name)) return undefined;
    at = (at as Record<string, unknown>)[name];
  }
  return at;
}

/** From when it could start until it did. */
function waitOf(task: TaskResource): string {
  const began = Date.parse(task.runAt);
  if (task.startedAt !== null) return durationWords(Math.max(0, Date.parse(task.startedAt) - began));
  return task.state === "queued" ? durationWords(Math.max(0, now.value - began)) : "–";
}

function runOf(task: TaskResource): string {
  if (task.startedAt === null) return "–";
  const end = task.finishedAt === null ? now.value : Date.parse(task.finishedAt);
  if (task.finishedAt === null && task.state !== "running") return "–";
  return durationWords(Math.max(0, end - Date.parse(task.startedAt)));
}
