/** One schedule: when it runs, what it ran, and what it submits. */

import { AsCode } from "../parts/as-code.tsx";
import { Badge } from "../parts/badge.tsx";
import { JsonView } from "../parts/json-view.tsx";
import { Empty, Loaded } from "../parts/loading.tsx";
import { Age, At } from "../parts/time.tsx";
import { hrefTo } from "../address.ts";
import { literal } from "../call.ts";
import { usePolled } from "../polled.ts";
import { client } from "../session.ts";
import { tasksHref } from "../tasks/filter.ts";
import type { ScheduleResource } from "../../../contract/schedule.ts";
import { clockChange, rhythmWords } from "./rhythm.ts";
import { LastRuns } from "./last-runs.tsx";
import { ScheduleActs } from "./schedule-acts.tsx";

const EVERY_MS = 4_000;

const OVERLAPS = {
  skip: "A run is skipped while the one before goes on.",
  queue: "A run waits while the one before goes on.",
  allow: "Runs may overlap.",
  replace: "A run cancels the one before if it goes on.",
} as const;

const CATCH_UPS = {
  none: "Missed runs are not made up for.",
  last: "The last of missed runs is made up for.",
  all: "Missed runs are made up for.",
} as const;

export function ScheduleView({ id }: { id: string }) {
  const read = usePolled(`schedule ${id}`, (signal) => client().schedules.get(id, { signal }), EVERY_MS);
  return (
    <>
      <p class="path">
        <a href="#/schedules">Schedules</a> / <code>{id}</code>
      </p>
      <Loaded from={read}>{(schedule) => <Shown schedule={schedule} />}</Loaded>
      <AsCode
        call={{ method: "GET", path: `/v1/schedules/${encodeURIComponent(id)}` }}
        code={`const { nextRuns } = await client.schedules.get(${literal(id)});`}
      />
    </>
  );
}

function Shown({ schedule }: { schedule: ScheduleResource }) {
  const { id, task, input, options, nextRuns, lastRuns, overlap, catchUp, paused, timezone, cron } = schedule;
  return (
    <article>
      <header class="head">
        <h1>
          {id} {paused && <Badge state="paused" />}
        </h1>
        <p>
          {rhythmWords(schedule)} {cron !== null && <code>{cron}</code>}{" "}
          <span class="soft">
            {timezone}. {OVERLAPS[overlap]} {CATCH_UPS[catchUp]}
          </span>
        </p>
        <p>
          It submits <a href={tasksHref({ task })}>{task}</a>. <a href={tasksHref({ schedule: id })}>Its tasks</a>
        </p>
        <ScheduleActs schedule={schedule} />
      </header>
      <div class="two">
        <section>
          <h2>Next runs</h2>
          {nextRuns.length === 0 && <Empty>{paused ? "It is paused." : "It is over."}</Empty>}
          <ol class="plain">
            {nextRuns.map((at, i) => (
              <li key={at}>
                <At at={at} /> <span class="soft">{at.slice(0, 16).replace("T", " ")} UTC</span>{" "}
                {cron !== null && <b>{clockChange(nextRuns[i - 1], at, timezone)}</b>}
              </li>
            ))}
          </ol>
        </section>
        <section>
          <h2>Last runs</h2>
          {lastRuns.length === 0 && <Empty>It has not run yet.</Empty>}
          <LastRuns schedule={schedule} everyMs={EVERY_MS} />
          <ol class="plain">
            {lastRuns.map(({ tick, taskId, missed }) => (
              <li key={tick}>
                <At at={tick} />{" "}
                <span class="soft">
                  <Age at={tick} /> ago
                </span>{" "}
                {taskId === null ? (
                  <b class="bad">missed: {missed}</b>
                ) : (
                  <a href={hrefTo("tasks", taskId)}>{taskId.slice(-8)}</a>
                )}
              </li>
            ))}
          </ol>
        </section>
      </div>
      <div class="two">
        <section>
          <h2>Input</h2>
          <JsonView value={input} label="input" />
        </section>
        <section>
          <h2>Options</h2>
          <JsonView value={options} label="options" />
        </section>
      </div>
    </article>
  );
}
