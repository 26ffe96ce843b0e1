/** Now: the tasks that have not ended, how fast tasks end, what fails, and which limits are reached. */

import type { LimitResource } from "../../../contract/limit.ts";
import type { Stats } from "../../../contract/stats.ts";
import { AsCode } from "../parts/as-code.tsx";
import { Loaded } from "../parts/loading.tsx";
import { usePolled } from "../polled.ts";
import { client } from "../session.ts";
import { ErrorTable } from "../errors/error-table.tsx";
import { LimitTable } from "../limits/limit-table.tsx";
import { Lanes } from "../limits/limits-view.tsx";
import { STATES } from "../states.ts";
import { tasksHref } from "../tasks/filter.ts";
import { countWords } from "../words.ts";
import { Charts } from "./charts.tsx";
import { Health } from "./health.tsx";
import { Performance } from "./performance.tsx";
import { Quotas } from "./quotas.tsx";

const EVERY_MS = 5_000;

export function NowView() {
  const stats = usePolled("stats now", (signal) => client().stats({ signal }), EVERY_MS);
  return (
    <>
      <h1 class="unseen">Now</h1>
      <Health />
      <Loaded from={stats}>{(read) => <States stats={read} />}</Loaded>
      <Charts />
      <h2>Lanes</h2>
      <Lanes />
      <AtTheirEdge />
      <TopErrors />
      <Loaded from={stats}>
        {(read) => (
          <>
            <h2>Tasks</h2>
            <Performance stats={read} />
            <Quotas stats={read} />
          </>
        )}
      </Loaded>
      <AsCode call={{ method: "GET", path: "/v1/stats" }} code={"const { states, lastHour } = await client.stats();"} />
    </>
  );
}

/** How many tasks are in each state; what has ended is counted for a day. */
function States({ stats }: { stats: Stats }) {
  return (
    <ul class="tiles">
      {STATES.map((state) => {
        const isDay = ["succeeded", "failed", "cancelled", "expired"].includes(state);
        return (
          <li key={state}>
            <a
              href={tasksHref({ state, finished: isDay ? "24h" : undefined })}
              data-state={state}
              data-none={stats.states[state] === 0}
            >
              <b>
                {countWords(stats.states[state])}
                {stats.capped && !isDay ? "+" : ""}
              </b>
              <span>{state}</span>
              {isDay && <small>in 24 h</small>}
            </a>
          </li>
        );
      })}
    </ul>
  );
}

/** The errors that tasks have failed with lately. */
function TopErrors() {
  const read = usePolled(
    "top errors",
    (signal) => client().errors.list({ state: "open", limit: 5, signal }).page(),
    EVERY_MS,
  );
  const groups = read.data?.items ?? [];
  if (groups.length === 0) return null;
  return (
    <>
      <div class="bar section">
        <h2>Errors</h2>
        <a href="#/errors">All of them</a>
      </div>
      <ErrorTable groups={groups} />
    </>
  );
}

/** Limits that hold something back. */
function AtTheirEdge() {
  const limits = usePolled(
    "limits at their edge",
    (signal) => client().limits.list({ limit: 200, signal }).page(),
    EVERY_MS,
  );
  const full = (limits.data?.items ?? []).filter(isFull).toSorted((a, b) => b.waiting - a.waiting);
  if (full.length === 0) return null;
  return (
    <>
      <h2>Limits that hold tasks back</h2>
      <LimitTable limits={full.slice(0, 10)} />
    </>
  );
}

function isFull({ waiting, used, limit, heldUntil }: LimitResource): boolean {
  return waiting > 0 && (heldUntil !== null || used === null || used >= limit);
}
