/** The next 24 hours: when each schedule runs. */

import type { ScheduleResource } from "../../../contract/schedule.ts";
import { hrefTo } from "../address.ts";
import { now } from "../reach.ts";
import { clockWords, many, shortened } from "../words.ts";

const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;
const SHOWN = 20;

export function Strip({ schedules }: { schedules: readonly ScheduleResource[] }) {
  // Moves once a minute.
  const start = Math.floor(now.value / 60_000) * 60_000;
  const place = (at: number) => `${((at - start) / DAY_MS) * 100}%`;
  const hours = Array.from({ length: 8 }, (_, i) => Math.ceil(start / HOUR_MS) * HOUR_MS + i * 3 * HOUR_MS);
  return (
    <section class="timeline strip" aria-label="The next 24 hours">
      <div class="lines">
        <div class="line axis" aria-hidden="true">
          <div class="line-name" />
          <div class="line-track">
            {hours.map((at) => (
              <span key={at} class="tick" style={{ left: place(at) }}>
                {new Date(at).toLocaleTimeString(undefined, { hour: "2-digit", minute: "2-digit" })}
              </span>
            ))}
          </div>
        </div>
        {schedules.slice(0, SHOWN).map(({ id, nextRuns }) => {
          const soon = nextRuns.map((run) => Date.parse(run)).filter((at) => at >= start && at < start + DAY_MS);
          // The service lists the next ten runs; later ones are not drawn, but the label mentions them.
          const more = soon.length === nextRuns.length && nextRuns.length > 0 ? " or more" : "";
          return (
            <div class="line" key={id}>
              <div class="line-name">
                <a href={hrefTo("schedules", id)}>{shortened(id, 24)}</a>
              </div>
              <div class="line-track" role="img" aria-label={`${many(soon.length, "run")}${more} in 24 hours`}>
                {soon.map((at) => (
                  <span key={at} class="run" style={{ left: place(at) }} title={clockWords(at, now.value)} />
                ))}
                {more !== "" && soon.length > 0 && (
                  <span
                    class="goes-on"
                    style={{ left: place(soon.at(-1)!), width: `calc(100% - ${place(soon.at(-1)!)})` }}
                  />
                )}
              </div>
            </div>
          );
        })}
      </div>
    </section>
  );
}
