/** The latest runs of a schedule as dots, the newest last: each in the colour of what became of it, or a ring where it was missed. */

import type { ScheduleResource } from "../../../contract/schedule.ts";
import { hrefTo } from "../address.ts";
import { usePolled } from "../polled.ts";
import { client } from "../session.ts";
import { MOST, runsOf } from "./runs.ts";

export function LastRuns({ schedule, everyMs }: { schedule: ScheduleResource; everyMs: number }) {
  const read = usePolled(
    `ticks of ${schedule.id}`,
    (signal) => client().list({ schedule: schedule.id }, { limit: MOST, signal }).page(),
    everyMs,
  );
  return (
    <span class="dots">
      {runsOf(schedule.lastRuns, read.data?.items ?? []).map(({ at, taskId, words, state }) =>
        taskId === null ? (
          <span key={at} class="dot missed" role="img" aria-label={words} title={`${at}: ${words}`} />
        ) : (
          <a
            key={taskId}
            class="dot"
            data-state={state}
            href={hrefTo("tasks", taskId)}
            aria-label={`The task of ${at}: ${words}`}
            title={`${at}: ${words}`}
          />
        ),
      )}
    </span>
  );
}
