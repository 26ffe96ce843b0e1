/** Schedules: all of them on a strip of 24 hours, or one. */

import { here, hrefTo } from "../address.ts";
import { AsCode } from "../parts/as-code.tsx";
import { Badge } from "../parts/badge.tsx";
import { Empty, Loaded } from "../parts/loading.tsx";
import { Pager } from "../parts/pager.tsx";
import { Age } from "../parts/time.tsx";
import { usePolled } from "../polled.ts";
import { client, may } from "../session.ts";
import type { ScheduleResource } from "../../../contract/schedule.ts";
import { LastRuns } from "./last-runs.tsx";
import { rhythmWords } from "./rhythm.ts";
import { askPut } from "./schedule-acts.tsx";
import { ScheduleView } from "./schedule-view.tsx";
import { Strip } from "./strip.tsx";

const EVERY_MS = 5_000;
/** Less often, because each schedule on the page needs a call of its own. */
const RUNS_MS = 30_000;

export function SchedulesView() {
  const { id } = here.value;
  return id === null ? <Schedules /> : <ScheduleView key={id} id={id} />;
}

function Schedules() {
  const cursor = here.value.query.get("cursor");
  const read = usePolled(
    `schedules ${cursor ?? ""}`,
    (signal) => client().schedules.list({ signal }).page(cursor),
    EVERY_MS,
  );
  return (
    <>
      <div class="bar">
        <h1>Schedules</h1>
        {may("admin") && (
          <button type="button" class="quiet" onClick={() => askPut()}>
            New schedule…
          </button>
        )}
      </div>
      <Loaded from={read}>
        {({ items, nextCursor }) =>
          items.length === 0 ? (
            <Empty>
              <h2>No schedule</h2>
              <p>
                A schedule submits a task again and again: <code>PUT /v1/schedules/nightly</code>, or{" "}
                <code>src/app/schedules.ts</code> of the deployment.
              </p>
            </Empty>
          ) : (
            <>
              <Strip schedules={items} />
              <Table items={items} />
              <Pager nextCursor={nextCursor} />
            </>
          )
        }
      </Loaded>
      <AsCode
        call={{ method: "GET", path: "/v1/schedules" }}
        code={"for await (const { id, nextRunAt } of client.schedules.list()) console.log(id, nextRunAt);"}
      />
    </>
  );
}

function Table({ items }: { items: readonly ScheduleResource[] }) {
  return (
    <div class="scroll" tabIndex={0} role="group" aria-label="Schedules">
      <table class="list">
        <thead>
          <tr>
            <th scope="col">State</th>
            <th scope="col">Schedule</th>
            <th scope="col">When</th>
            <th scope="col">Task</th>
            <th scope="col">Next</th>
            <th scope="col">Last runs</th>
          </tr>
        </thead>
        <tbody>
          {items.map((each) => (
            <tr key={each.id} data-schedule={each.id}>
              <td data-title="State">
                <Badge state={each.paused ? "paused" : each.nextRunAt === null ? "succeeded" : "scheduled"}>
                  {each.paused ? "paused" : each.nextRunAt === null ? "over" : "on"}
                </Badge>
              </td>
              <td data-title="Schedule">
                <a class="strong" href={hrefTo("schedules", each.id)}>
                  {each.id}
                </a>{" "}
                {each.source === "code" && <span class="soft">in code</span>}
              </td>
              <td data-title="When">
                {rhythmWords(each)} <span class="soft">{each.cron === null ? "" : each.timezone}</span>
              </td>
              <td data-title="Task">{each.task}</td>
              <td data-title="Next">
                <Age at={each.nextRunAt} />
              </td>
              <td data-title="Last runs">
                <LastRuns schedule={each} everyMs={RUNS_MS} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
