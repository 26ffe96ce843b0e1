/** What ended and how long it took, over time. */

import type { Series } from "../../../contract/series.ts";
import { change, here } from "../address.ts";
import { literal, pathWith } from "../call.ts";
import { AsCode } from "../parts/as-code.tsx";
import { At } from "../parts/time.tsx";
import { Loaded } from "../parts/loading.tsx";
import { usePolled } from "../polled.ts";
import { client } from "../session.ts";
import { tasksHref } from "../tasks/filter.ts";
import { countWords, durationWords, many } from "../words.ts";
import { Chart } from "./chart.tsx";

const SPANS = [
  ["1h", "an hour"],
  ["24h", "a day"],
  ["30d", "30 days"],
  ["365d", "a year"],
] as const;

const EVERY_MS = 15_000;

export function Charts() {
  const span = SPANS.find(([name]) => name === here.value.query.get("span"))?.[0] ?? "1h";
  const read = usePolled(`series ${span}`, (signal) => client().series({ span, signal }), EVERY_MS);
  return (
    <section aria-label="Over time">
      <div class="bar section">
        <h2>Over time</h2>
        {SPANS.map(([name, words]) => (
          <button
            key={name}
            type="button"
            class="quiet"
            aria-pressed={name === span}
            onClick={() => change({ span: name === "1h" ? undefined : name }, true)}
          >
            {words}
          </button>
        ))}
      </div>
      <Loaded from={read}>{(series) => <Both series={series} />}</Loaded>
      <AsCode
        call={{ method: "GET", path: pathWith("/v1/stats/series", { span }) }}
        code={`const { items } = await client.series(${literal({ span })});`}
      />
    </section>
  );
}

function Both({ series: { items, marks: given } }: { series: Series }) {
  const marks = given.map((mark) => ({ ...mark, at: Date.parse(mark.at) }));
  const at = items.map((point) => Date.parse(point.at));
  const of = (state: "succeeded" | "failed") => items.map(({ ended }) => ended?.[state] ?? 0);
  const [succeeded, failed] = [of("succeeded"), of("failed")];
  const quantile = (of: "waitMs" | "runMs", p: "p50" | "p95") => items.map((point) => point[of]?.[p] ?? null);
  const [wait, run] = [quantile("waitMs", "p95"), quantile("runMs", "p95")];
  return (
    <>
      <div class="charts">
        <Chart
          kind="count"
          title="Ended"
          at={at}
          marks={marks}
          lines={[
            { name: "succeeded", values: succeeded },
            { name: "failed", values: failed },
          ]}
          words={`${countWords(sum(succeeded))} succeeded and ${countWords(sum(failed))} failed`}
        />
        <Chart
          kind="time"
          title="How long"
          at={at}
          marks={marks}
          lines={[
            { name: "waiting, 95 %", values: wait },
            { name: "running, 95 %", values: run },
            { name: "waiting, half", values: quantile("waitMs", "p50") },
            { name: "running, half", values: quantile("runMs", "p50") },
          ]}
          words={`95 % took at most ${durationWords(most(wait))} waiting and ${durationWords(most(run))} running`}
        />
      </div>
      <Marks marks={marks} />
    </>
  );
}

/** The most marks that are listed in words, the latest. */
const TOLD = 8;

type Mark = Omit<Series["marks"][number], "at"> & { at: number };

function Marks({ marks }: { marks: readonly Mark[] }) {
  if (marks.length === 0) return null;
  return (
    <ul class="marks" aria-label="What happened to the service">
      {marks
        .slice(-TOLD)
        .toReversed()
        .map((mark, i) => (
          <li key={i} data-mark={mark.kind}>
            <At at={new Date(mark.at).toISOString()} /> {markWords(mark)}
          </li>
        ))}
      {marks.length > TOLD && <li>and {many(marks.length - TOLD, "more", "more")} before</li>}
    </ul>
  );
}

const MARKED = { pause: "paused", drain: "drains", resume: "opened", deploy: "" } as const;

function markWords({ kind, lane, version }: Mark) {
  if (kind === "deploy") return <>deployed version {version?.slice(0, 8)}</>;
  return (
    <>
      lane <a href={tasksHref({ lane: lane ?? undefined })}>{lane}</a> {MARKED[kind]}
    </>
  );
}

function sum(values: readonly number[]): number {
  return values.reduce((all, value) => all + value, 0);
}

function most(values: readonly (number | null)[]): number {
  return values.reduce<number>((all, value) => Math.max(all, value ?? 0), 0);
}
