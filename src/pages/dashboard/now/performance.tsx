/** How the tasks do, by their names: how many end and fail, how long they wait and run. */

import type { Stats, StatsWindow } from "../../../contract/stats.ts";
import { Empty } from "../parts/loading.tsx";
import { tasksHref } from "../tasks/filter.ts";
import { countWords, durationWords } from "../words.ts";

export function Performance({ stats }: { stats: Stats }) {
  if (stats.tasks.length === 0) {
    return (
      <Empty>
        No task has run in the last day. <a href="#/tasks">The list of tasks</a> says how to submit one.
      </Empty>
    );
  }
  return (
    <div class="scroll" tabIndex={0} role="group" aria-label="Tasks by their names">
      <table class="list figures">
        <thead>
          <tr>
            <th scope="col">Task</th>
            <th scope="col" class="number">
              Not ended
            </th>
            <th scope="col" class="number">
              Ended, 1 h
            </th>
            <th scope="col" class="number">
              Failed, 1 h
            </th>
            <th scope="col" class="number">
              Failed, 24 h
            </th>
            <th scope="col" class="number">
              Wait, half / 95 %
            </th>
            <th scope="col" class="number">
              Run, half / 95 %
            </th>
          </tr>
        </thead>
        <tbody>
          <Row name={null} figures={stats} />
          {stats.tasks
            .toSorted((a, b) => ended(b.lastDay) - ended(a.lastDay))
            .map((each) => (
              <Row key={each.task} name={each.task} figures={each} />
            ))}
        </tbody>
      </table>
    </div>
  );
}

const LIVE = ["scheduled", "queued", "waiting", "running", "retrying"] as const;

function Row({ name, figures }: { name: string | null; figures: Pick<Stats, "states" | "lastHour" | "lastDay"> }) {
  const task = name ?? undefined;
  const { states, lastHour, lastDay } = figures;
  const live = LIVE.reduce((sum, state) => sum + states[state], 0);
  return (
    <tr class={name === null ? "total" : undefined}>
      <th scope="row">{name === null ? "All tasks" : <a href={tasksHref({ task })}>{name}</a>}</th>
      <td class="number" data-title="Not ended">
        <Count n={live} href={tasksHref({ task, state: LIVE.join(",") })} />
      </td>
      <td class="number" data-title="Ended, 1 h">
        <Count n={ended(lastHour)} href={tasksHref({ task, finished: "1h" })} />
      </td>
      <td class="number" data-title="Failed, 1 h">
        <Count n={lastHour.ended.failed} isBad href={tasksHref({ task, state: "failed", finished: "1h" })} />
      </td>
      <td class="number" data-title="Failed, 24 h">
        <Count n={lastDay.ended.failed} isBad href={tasksHref({ task, state: "failed", finished: "24h" })} />
      </td>
      <td class="number" data-title="Wait">
        <Quantiles of={lastHour.waitMs} />
      </td>
      <td class="number" data-title="Run">
        <Quantiles of={lastHour.runMs} />
      </td>
    </tr>
  );
}

/** A number, and the list that it counts. */
function Count({ n, href, isBad = false }: { n: number; href: string; isBad?: boolean }) {
  return (
    <a href={href} data-none={n === 0} data-bad={isBad && n > 0}>
      {countWords(n)}
    </a>
  );
}

function ended(window: StatsWindow): number {
  return Object.values(window.ended).reduce((sum, n) => sum + n, 0);
}

function Quantiles({ of: { p50, p95 } }: { of: StatsWindow["waitMs"] }) {
  if (p50 === null || p95 === null) return <>–</>;
  return (
    <>
      {durationWords(p50)} / {durationWords(p95)}
    </>
  );
}
