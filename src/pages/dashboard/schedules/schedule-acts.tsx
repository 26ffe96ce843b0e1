/** What can be done with schedules. */

import { signal } from "@preact/signals";
import type { ScheduleResource } from "../../../contract/schedule.ts";
import { ask, type Act } from "../acts.ts";
import { go, hrefTo } from "../address.ts";
import { literal } from "../call.ts";
import { JsonField, readJson, TextField } from "../parts/fields.tsx";
import { At } from "../parts/time.tsx";
import { client, may } from "../session.ts";
import { msOf } from "../words.ts";
import { cronWords, previewOf, rhythmWords } from "./rhythm.ts";

export function ScheduleActs({ schedule }: { schedule: ScheduleResource }) {
  const { id, paused, source } = schedule;
  const path = `/v1/schedules/${encodeURIComponent(id)}`;
  if (!may("admin")) return null;
  const acts: (Act & { name: string })[] = [
    {
      name: "Run now…",
      title: `Run ${id} now`,
      verb: "Run it",
      call: () => ({ method: "POST", path: `${path}/run` }),
      code: () => `const task = await client.schedules.run(${literal(id)});`,
      run: async () => {
        const task = await client().schedules.run(id);
        go(hrefTo("tasks", task.id));
        return "It runs now";
      },
    },
    {
      name: paused ? "Resume…" : "Pause…",
      title: paused ? `Resume ${id}` : `Pause ${id}`,
      verb: paused ? "Resume" : "Pause",
      call: () => ({ method: "POST", path: `${path}/${paused ? "resume" : "pause"}` }),
      code: () => `await client.schedules.${paused ? "resume" : "pause"}(${literal(id)});`,
      run: async () => {
        await (paused ? client().schedules.resume(id) : client().schedules.pause(id));
        return paused ? `${id} goes on` : `${id} is paused`;
      },
    },
  ];
  if (source === "api") {
    acts.push({
      name: "Delete…",
      title: `Delete ${id}`,
      verb: "Delete the schedule",
      isDanger: true,
      words: <p>The tasks that it has made stay.</p>,
      call: () => ({ method: "DELETE", path }),
      code: () => `await client.schedules.delete(${literal(id)});`,
      run: async () => {
        await client().schedules.delete(id);
        go("#/schedules");
        return `${id} is deleted`;
      },
    });
  }
  return (
    <div class="acts">
      {acts.map((act) => (
        <button key={act.name} type="button" class="quiet" onClick={() => ask(act)}>
          {act.name}
        </button>
      ))}
      {source === "api" && (
        <button type="button" class="quiet" onClick={() => askPut(schedule)}>
          Change…
        </button>
      )}
    </div>
  );
}

/** Asks for a schedule, a new one or another form of this one. */
export function askPut(old?: ScheduleResource): void {
  const id = signal(old?.id ?? "");
  const when = signal(old === undefined ? "30 2 * * MON-FRI" : (old.cron ?? String(old.every)));
  const zone = signal(old?.timezone ?? Intl.DateTimeFormat().resolvedOptions().timeZone);
  const task = signal(old?.task ?? "");
  const input = signal(old === undefined ? "" : JSON.stringify(old.input, null, 2));
  const openedAt = Date.now();
  const isEvery = () => msOf(when.value) !== null || /^\d+$/.test(when.value);
  const every = () => (/^\d+$/.test(when.value) ? Number(when.value) : when.value);
  const body = () => ({
    ...(isEvery() ? { every: every() } : { cron: when.value }),
    ...(isEvery() ? {} : { timezone: zone.value }),
    task: task.value,
    input: readJson(input.value).value,
    ...(old === undefined
      ? {}
      : { options: old.options, overlap: old.overlap, catchUp: old.catchUp, paused: old.paused }),
  });
  const preview = () => {
    if (isEvery()) return rhythmWords({ cron: null, every: every() });
    return cronWords(when.value) ?? "This is neither a cron expression nor a duration such as 30s.";
  };
  const nextRuns = () => {
    const ms = typeof every() === "number" ? Number(every()) : msOf(when.value);
    return previewOf(ms === null ? { cron: when.value, timezone: zone.value } : { everyMs: ms }, openedAt);
  };
  const isRight = () => id.value !== "" && task.value !== "" && (isEvery() || cronWords(when.value) !== null);
  ask({
    title: old === undefined ? "New schedule" : `Change ${old.id}`,
    verb: "Save",
    fields: () => (
      <>
        {old === undefined && <TextField label="Id" value={id} placeholder="nightly" />}
        <TextField label="When" value={when} hint={preview()} placeholder="30 2 * * MON-FRI, or 30s" />
        {!isEvery() && <TextField label="Time zone" value={zone} />}
        <Preview runs={nextRuns()} />
        <TextField label="Task" value={task} placeholder="process_item" />
        <JsonField label="Input" value={input} rows={5} />
      </>
    ),
    call: () =>
      isRight() && readJson(input.value).fault === undefined
        ? { method: "PUT", path: `/v1/schedules/${encodeURIComponent(id.value)}`, body: body() }
        : null,
    code: () => `await client.schedules.put(${literal(id.value)}, ${literal(body())});`,
    run: async () => {
      await client().schedules.put(id.value, body());
      go(hrefTo("schedules", id.value));
      return `${id.value} is saved`;
    },
  });
}

/** When what is typed would run next. */
function Preview({ runs }: { runs: readonly number[] }) {
  return (
    <div class="field" role="status">
      <span>Next runs</span>
      {runs.length === 0 && <p class="hint">none</p>}
      <ol class="plain" data-preview>
        {runs.map((run) => (
          <li key={run}>
            <At at={new Date(run).toISOString()} />{" "}
            <span class="soft">{new Date(run).toISOString().slice(0, 16).replace("T", " ")} UTC</span>
          </li>
        ))}
      </ol>
    </div>
  );
}
