/** One task: its state and why, its timeline, and all that is known of it. */

import { here, hrefTo } from "../address.ts";
import { Badge } from "../parts/badge.tsx";
import { Loaded } from "../parts/loading.tsx";
import { Age, At } from "../parts/time.tsx";
import { usePolled } from "../polled.ts";
import { client } from "../session.ts";
import { isEnded } from "../states.ts";
import { Tags } from "../tasks/columns.tsx";
import { tasksHref } from "../tasks/filter.ts";
import type { TaskEvent } from "../../../client/index.ts";
import type { TaskResource } from "../../../contract/task.ts";
import { ExplainedSentence } from "./explained-sentence.tsx";
import { useEvents } from "./followed.ts";
import { Tabs } from "./tabs.tsx";
import { TaskActs } from "./task-acts.tsx";
import { Timeline } from "./timeline.tsx";
import { useSteps } from "./steps.ts";

const EVERY_MS = 5_000;
const WHY_MS = 2_000;
const ENDED_MS = 60_000;
/** The most of its children that are drawn. */
const CHILDREN = 30;

/** `isBeside`: beside a list, which has the keys. */
export function TaskView({ id, isBeside = false }: { id: string; isBeside?: boolean }) {
  const read = usePolled(`task ${id}`, (signal) => client().get(id, { signal }) as Promise<TaskResource>, EVERY_MS);
  const hasEnded = read.data !== undefined && isEnded(read.data.state);
  const events = useEvents(id, hasEnded, read.refresh);
  return (
    <>
      <p class="path">
        {isBeside ? <a href={hrefTo("tasks", id)}>Open</a> : <a href={tasksHref({})}>Tasks</a>} / <code>{id}</code>
      </p>
      <Loaded from={read}>{(task) => <Shown task={task} events={events} isBeside={isBeside} />}</Loaded>
    </>
  );
}

function Shown({ task, events, isBeside }: { task: TaskResource; events: readonly TaskEvent[]; isBeside: boolean }) {
  const hasEnded = isEnded(task.state);
  const why = usePolled(
    `why ${task.id} ${task.state}`,
    (signal) => client().explain(task.id, { signal }),
    hasEnded ? ENDED_MS : WHY_MS,
  );
  const steps = useSteps(task, events);
  const children = usePolled(
    `children ${task.id}`,
    async (signal) => {
      const { items } = await client().list({ parentId: task.id }, { limit: CHILDREN, signal }).page();
      return items;
    },
    hasEnded ? ENDED_MS : EVERY_MS,
  );
  const latest = events.findLast((event) => event.type === "progress");
  const progress = latest?.type === "progress" && task.state === "running" ? latest.data : task.progress;
  return (
    <article class="task">
      <header class="head" data-state={task.state}>
        <h1>
          <a href={tasksHref({ task: task.task })}>{task.task}</a> <Badge state={task.state} />
        </h1>
        {why.data !== undefined && !hasEnded && <ExplainedSentence explanation={why.data} />}
        {task.error !== null && (
          <p class="error">
            <a href={tasksHref({ state: task.state, error: task.error.type })}>{task.error.type}</a>:{" "}
            <bdi>{task.error.message}</bdi>
          </p>
        )}
        {progress !== null && progress.percent !== null && (
          <p class="progress wide">
            <progress max={100} value={progress.percent} aria-label="Progress" /> {Math.round(progress.percent)} %{" "}
            <bdi class="soft">{progress.message}</bdi>
          </p>
        )}
        <Facts task={task} />
        <TaskActs task={task} steps={steps} hasKeys={!isBeside} />
      </header>
      <Timeline task={task} events={events} steps={steps} children={children.data ?? []} />
      <Tabs task={task} events={events} tab={here.value.query.get("tab") ?? "values"} />
    </article>
  );
}

function Facts({ task }: { task: TaskResource }) {
  return (
    <dl class="facts">
      <Fact name="Lane">
        <a href={tasksHref({ lane: task.lane })}>{task.lane}</a>
      </Fact>
      <Fact name="Attempt">
        {task.attempt} of {task.maxAttempts}
      </Fact>
      <Fact name="Age">
        <Age at={task.createdAt} />
      </Fact>
      {task.state === "scheduled" && (
        <Fact name={task.pausedAt === undefined ? "Starts" : "Planned for"}>
          <At at={task.runAt} />
        </Fact>
      )}
      {task.pausedAt !== undefined && !isEnded(task.state) && (
        <Fact name="Paused">
          <span>
            <Age at={task.pausedAt} /> ago
          </span>
        </Fact>
      )}
      {task.finishedAt !== null && (
        <Fact name="Ended">
          <span>
            <Age at={task.finishedAt} /> ago
          </span>
        </Fact>
      )}
      {task.expiresAt !== null && (
        <Fact name="Expires">
          <Age at={task.expiresAt} />
        </Fact>
      )}
      {task.flowId !== null && (
        <Fact name="Flow">
          <a href={hrefTo("flows", task.flowId)}>{task.flowId.slice(-8)}</a>
        </Fact>
      )}
      {task.parentId !== null && (
        <Fact name="Parent">
          <a href={hrefTo("tasks", task.parentId)}>{task.parentId.slice(-8)}</a>
        </Fact>
      )}
      {Object.keys(task.tags).length > 0 && (
        <Fact name="Tags">
          <Tags tags={task.tags} />
        </Fact>
      )}
    </dl>
  );
}

function Fact({ name, children }: { name: string; children: preact.ComponentChildren }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}
