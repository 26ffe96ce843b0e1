/** Sends a signal, with a form from the JSON Schema of the wait where there is one. */

import { signal, type Signal } from "@preact/signals";
import type { SignalWait } from "../../../contract/wait.ts";
import { ask } from "../acts.ts";
import { literal } from "../call.ts";
import { TextField } from "../parts/fields.tsx";
import { At } from "../parts/time.tsx";
import { client } from "../session.ts";
import { isFilledIn, readInput, schemaInput, SchemaInputFields } from "../submit/schema-input.tsx";
import type { Schema } from "../task-types.ts";

type Wait = Pick<SignalWait, "name" | "schema" | "until">;

interface Receiver {
  id: string;
  task: string;
  /** What it waits for now. */
  waits: readonly Wait[];
  /** Whether another signal may be named, which is kept until the task asks for it. */
  isNameFree: boolean;
}

/** Asks for a signal to a task and its body. */
export function askSignal(to: Receiver): void {
  const { id, task, waits, isNameFree } = to;
  const name = signal(waits[0]?.name ?? "");
  const forms = new Map(waits.map((wait) => [wait.name, schemaInput((wait.schema ?? {}) as Schema, undefined)]));
  const free = schemaInput({}, undefined);
  const form = () => forms.get(name.value) ?? free;
  const body = () => readInput(form()).value ?? null;
  ask({
    title: isNameFree ? `Send a signal to ${task}` : `Answer ${task}`,
    verb: "Send",
    words: <Waits to={to} name={name} />,
    fields: () => (
      <>
        {isNameFree && <TextField label="Name" value={name} />}
        <SchemaInputFields key={name.value} of={form()} title="Body" hint="JSON; nothing means null." />
      </>
    ),
    call: () =>
      name.value === "" || readInput(form()).fault !== undefined || !isFilledIn(form())
        ? null
        : { method: "POST", path: `/v1/tasks/${id}/signals/${encodeURIComponent(name.value)}`, body: body() },
    code: () => `await client.signal(${literal(id)}, ${literal(name.value)}, ${literal(body())});`,
    run: async () => {
      await client().signal(id, name.value, body());
      return `${name.value} was sent`;
    },
  });
}

function Waits({ to: { id, waits }, name }: { to: Receiver; name: Signal<string> }) {
  const wait = waits.find((each) => each.name === name.value);
  if (wait === undefined) return <p>It is kept until the task asks for it.</p>;
  return (
    <p>
      <code>{id.slice(-8)}</code> waits for the signal <bdi class="strong">{wait.name}</bdi>
      {wait.until !== null && (
        <>
          {" "}
          until <At at={wait.until} />
        </>
      )}
      .{wait.schema !== null && " A body that does not fit the schema is passed over, and the task's log says so."}
    </p>
  );
}
