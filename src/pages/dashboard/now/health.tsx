/** The service's verdict on how the work stands: one sentence, and the facts that it was made from. */

import type { HealthReport } from "../../../contract/health-report.ts";
import { hrefTo } from "../address.ts";
import { Loaded } from "../parts/loading.tsx";
import { usePolled } from "../polled.ts";
import { client } from "../session.ts";
import { ExplainedText } from "../parts/explained-text.tsx";
import { tasksHref } from "../tasks/filter.ts";

const EVERY_MS = 10_000;

export function Health() {
  const report = usePolled("report", (signal) => client().report({ signal }), EVERY_MS);
  return <Loaded from={report}>{(read) => <Verdict report={read} />}</Loaded>;
}

function Verdict({ report: { verdict, summary, facts, ruledOut } }: { report: HealthReport }) {
  const found = facts.filter(({ level }) => level !== "ok");
  return (
    <section class="health" data-verdict={verdict} aria-label="Health">
      <p class="why-sentence">
        <ExplainedText text={summary} />
      </p>
      {found.length > 0 && (
        <p>
          {found.map((fact) => (
            <a key={`${fact.code} ${fact.subject}`} class="count" href={hrefOf(fact)}>
              {wordsOf(fact.code)}
              {fact.subject === null ? "" : `: ${fact.subject}`}
            </a>
          ))}
        </p>
      )}
      {ruledOut.length > 0 && <p class="hint">Looked for and not found: {ruledOut.map(wordsOf).join(", ")}.</p>}
    </section>
  );
}

const WORDS: Partial<Record<string, string>> = {
  "lane-stalled": "a lane that stands still",
  "lane-held": "a lane that is paused or drains",
  "backlog-old": "an old wait",
  "errors-rising": "more failures than usual",
  "schedule-missed": "a missed tick",
  "limit-near": "a quota that is nearly used",
  storage: "a database that gets full",
  "clock-behind": "a clock that is late",
};

function wordsOf(code: string): string {
  return WORDS[code] ?? code;
}

/** The view that shows more of a finding. */
function hrefOf({ code, subject }: HealthReport["facts"][number]): string {
  switch (code) {
    case "lane-stalled":
      return tasksHref({ lane: subject ?? undefined, state: "running" });
    case "backlog-old":
      return tasksHref({ lane: subject ?? undefined, state: "queued" });
    case "errors-rising":
      return hrefTo("errors");
    case "schedule-missed":
      return hrefTo("schedules", subject);
    case "lane-held":
    case "limit-near":
      return hrefTo("limits");
    case "storage":
    case "clock-behind":
    case "moving":
    case "idle":
      return hrefTo("now");
  }
}
