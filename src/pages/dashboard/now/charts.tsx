/** What ended and how long it took, over time. */

import type { Series } from "../../../contract/series.ts";
import { change, here } from "../address.ts";
import { literal, pathWith } from "../call.ts";
import { AsCode } from "../parts/as-code.tsx";
import { Loaded } from "../parts/loading.tsx";
import { usePolled } from "../polled.ts";
import { client } from "../session.ts";
import { countWords, durationWords } from "../words.ts";
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

function Both({ series: { items } }: { series: Series }) {
  const at = items.map((point) => Date.parse(point.at));
  const of = (state: "succeeded" | "failed") => items.map(({ ended }) => ended?.[state] ?? 0);
  const [succeeded, failed] = [of("succeeded"), of("failed")];
  const [wait, run] = [items.map(({ waitMs }) => waitMs?.p95 ?? null), items.map(({ runMs }) => runMs?.p95 ?? null)];
  return (
    <div class="charts">
      <Chart
        kind="count"
        title="Ended"
        at={at}
        lines={[
          { name: "succeeded", values: succeeded },
          { name: "failed", values: failed },
        ]}
        words={`${countWords(sum(succeeded))} succeeded and ${countWords(sum(failed))} failed`}
      />
      <Chart
        kind="time"
        title="95 % took less"
        at={at}
        lines={[
          { name: "waiting", values: wait },
          { name: "running", values: run },
        ]}
        words={`at most ${durationWords(most(wait))} waiting and ${durationWords(most(run))} running`}
      />
    </div>
  );
}

function sum(values: readonly number[]): number {
  return values.reduce((all, value) => all + value, 0);
}

function most(values: readonly (number | null)[]): number {
  return values.reduce<number>((all, value) => Math.max(all, value ?? 0), 0);
}
