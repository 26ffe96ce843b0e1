/** The lanes: what waits and runs in each, and whether it is held back. */

import { signal } from "@preact/signals";
import type { LaneResource } from "../../../contract/lane.ts";
import { ask } from "../acts.ts";
import { literal } from "../call.ts";
import { Badge } from "../parts/badge.tsx";
import { SelectField, TextField } from "../parts/fields.tsx";
import { Age, At } from "../parts/time.tsx";
import { client, session } from "../session.ts";
import { tasksHref } from "../tasks/filter.ts";
import { countWords, msOf } from "../words.ts";

export function LaneTable({ lanes }: { lanes: readonly LaneResource[] }) {
  // Lanes are the deployment's: only its own key may hold one back.
  const mayAct = session.value?.own.id === "deployment";
  return (
    <div class="scroll" tabIndex={0} role="group" aria-label="Lanes">
      <table class="list">
        <thead>
          <tr>
            <th scope="col">Lane</th>
            <th scope="col">State</th>
            <th scope="col" class="number">
              Queued
            </th>
            <th scope="col" class="number">
              Running
            </th>
            <th scope="col" class="number">
              Oldest wait
            </th>
            <th scope="col">Why</th>
            {mayAct && (
              <th scope="col">
                <span class="unseen">Acts</span>
              </th>
            )}
          </tr>
        </thead>
        <tbody>
          {lanes.map((lane) => (
            <tr key={lane.name} data-lane={lane.name}>
              <td data-title="Lane">
                <a class="strong" href={tasksHref({ lane: lane.name })}>
                  {lane.name}
                </a>
              </td>
              <td data-title="State">
                <Badge state={lane.paused || lane.draining ? "paused" : "succeeded"}>
                  {lane.paused ? "paused" : lane.draining ? "draining" : "open"}
                </Badge>
              </td>
              <td class="number" data-title="Queued">
                <a href={tasksHref({ lane: lane.name, state: "queued" })}>{counted(lane.queued, lane.capped)}</a>
              </td>
              <td class="number" data-title="Running">
                <a href={tasksHref({ lane: lane.name, state: "running" })}>{counted(lane.running, lane.capped)}</a>
              </td>
              <td class="number" data-title="Oldest wait">
                {lane.oldestWaitingSince !== null && (
                  <a href={tasksHref({ lane: lane.name, state: "queued" })}>
                    <Age at={lane.oldestWaitingSince} />
                  </a>
                )}
              </td>
              <td data-title="Why">
                <bdi>{lane.reason ?? ""}</bdi>
                {lane.until !== null && (
                  <>
                    {" "}
                    until <At at={lane.until} />
                  </>
                )}
              </td>
              {mayAct && (
                <td class="acts-cell">
                  <button
                    type="button"
                    class="quiet"
                    onClick={() => (lane.paused || lane.draining ? askResume(lane) : askPause(lane))}
                  >
                    {lane.paused || lane.draining ? "Resume…" : "Pause…"}
                    <span class="unseen"> {lane.name}</span>
                  </button>
                </td>
              )}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** A count, with a `+` where it is a lower bound. */
function counted(n: number, isCapped: boolean): string {
  return `${countWords(n)}${isCapped ? "+" : ""}`;
}

function askPause({ name }: LaneResource): void {
  const verb = signal("pause");
  const reason = signal("");
  const span = signal("");
  const body = () => {
    const ms = msOf(span.value);
    return {
      ...(reason.value === "" ? {} : { reason: reason.value }),
      ...(ms === null ? {} : { until: new Date(Date.now() + ms).toISOString() }),
    };
  };
  ask({
    title: `Hold back the lane ${name}`,
    verb: "Hold it back",
    isDanger: true,
    fields: () => (
      <>
        <SelectField
          label="How"
          value={verb}
          options={[
            ["pause", "Pause: accept and keep everything, start nothing"],
            ["drain", "Drain: finish what is there, refuse what is new"],
          ]}
        />
        <TextField label="Reason" value={reason} />
        <TextField label="For" value={span} placeholder="30m; empty: until it is resumed" />
      </>
    ),
    call: () =>
      span.value !== "" && msOf(span.value) === null
        ? null
        : { method: "POST", path: `/v1/lanes/${name}/${verb.value}`, body: body() },
    code: () => `await client.lanes.${verb.value}(${literal(name)}, ${literal(body())});`,
    run: async () => {
      await (verb.value === "drain" ? client().lanes.drain(name, body()) : client().lanes.pause(name, body()));
      return `The lane ${name} is held back`;
    },
  });
}

function askResume({ name }: LaneResource): void {
  ask({
    title: `Open the lane ${name}`,
    verb: "Open it",
    call: () => ({ method: "POST", path: `/v1/lanes/${name}/resume` }),
    code: () => `await client.lanes.resume(${literal(name)});`,
    run: async () => {
      await client().lanes.resume(name);
      return `The lane ${name} is open`;
    },
  });
}
