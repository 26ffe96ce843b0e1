/** Every event of a task, the latest first. */

import { At } from "../parts/time.tsx";
import { glance, many } from "../words.ts";
import type { TabProps } from "./tab-props.ts";

const SHOWN = 300;

function stateWords({ state, attempt }: { state: string; attempt: number }): string {
  return attempt === 0 ? state : `${state}, attempt ${attempt}`;
}

export function EventList({ events }: TabProps) {
  return (
    <>
      {events.length > SHOWN && <p class="hint">The last {many(SHOWN, "event")}; the API has all of them.</p>}
      <div class="scroll" tabIndex={0} role="group" aria-label="Events">
        <table class="list">
          <thead>
            <tr>
              <th scope="col">Number</th>
              <th scope="col">Type</th>
              <th scope="col">At</th>
              <th scope="col">Data</th>
            </tr>
          </thead>
          <tbody>
            {events
              .slice(-SHOWN)
              .toReversed()
              .map((event) => (
                <tr key={`${event.seq} ${event.type}`}>
                  <td data-title="Number">{event.seq}</td>
                  <td data-title="Type">{event.type}</td>
                  <td data-title="At">
                    <At at={event.at} />
                  </td>
                  <td data-title="Data">
                    {event.type === "done" && event.data.state}
                    {event.type === "state" && stateWords(event.data)}
                    {event.type !== "done" && event.type !== "state" && (
                      <bdi class="mono">{glance(event.data, 300)}</bdi>
                    )}
                  </td>
                </tr>
              ))}
          </tbody>
        </table>
      </div>
    </>
  );
}
