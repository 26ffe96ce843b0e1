/** The form of one task: its input by its schema, or as JSON, and the usual options. */

import { useSignal } from "@preact/signals";
import { useState } from "preact/hooks";
import { faultWords, say } from "../acts.ts";
import { go, hrefTo } from "../address.ts";
import { literal, type Call } from "../call.ts";
import { AsCode } from "../parts/as-code.tsx";
import { DiffView } from "../parts/diff-view.tsx";
import { SelectField, TextField } from "../parts/fields.tsx";
import { tagsOf, tagWords } from "../parts/tag-words.ts";
import { TagsField } from "../parts/tags-field.tsx";
import { client } from "../session.ts";
import { LANES } from "../states.ts";
import type { TaskType } from "../task-types.ts";
import { readInput, schemaInput, SchemaInputFields } from "./schema-input.tsx";

interface SubmitFormProps {
  type: TaskType;
  /** What it begins with, and is compared with; undefined: what the schema suggests. */
  input: unknown;
  tags?: Readonly<Record<string, string>>;
  /** The initial options: those that have a field fill it, the others are sent as they are. */
  given?: Readonly<Record<string, unknown>>;
}

export function SubmitForm({ type, input, tags = {}, given = {} }: SubmitFormProps) {
  const [form] = useState(() => schemaInput(type.input, input));
  const { delay: givenDelay = "", lane: givenLane = "", tags: _, ...others } = given;
  const [delay, lane, tagText] = [
    useSignal(String(givenDelay as string | number)),
    useSignal(givenLane as string),
    useSignal(tagWords(tags)),
  ];
  const [fault, setFault] = useState("");
  const [isBusy, setBusy] = useState(false);

  const read = readInput(form);
  const givenTags = tagsOf(tagText.value);
  const options = {
    ...others,
    ...(delay.value === "" ? {} : { delay: delay.value }),
    ...(lane.value === "" ? {} : { lane: lane.value as (typeof LANES)[number] }),
    ...(tagText.value.trim() === "" || givenTags === null ? {} : { tags: givenTags }),
  };
  const hasOptions = Object.keys(options).length > 0;
  const call: Call = {
    method: "POST",
    path: "/v1/tasks",
    body: { task: type.name, input: read.value, ...(hasOptions ? { options } : {}) },
  };

  async function submit(event: Event): Promise<void> {
    event.preventDefault();
    setBusy(true);
    setFault("");
    try {
      const task = await client().submit(type.name, read.value, options);
      say(`${type.name} is submitted`);
      go(hrefTo("tasks", task.id));
    } catch (error) {
      setFault(faultWords(error));
      setBusy(false);
    }
  }

  return (
    <form class="submit" onSubmit={(event) => void submit(event)} novalidate>
      {type.description !== "" && <p>{type.description}</p>}
      <SchemaInputFields of={form} title="Input" hint={type.mayOmitInput ? "May be left out." : "JSON"} />
      {input !== undefined && read.fault === undefined && (
        <>
          <h3>What is different</h3>
          <DiffView before={input} after={read.value} label="What is different in the input" />
        </>
      )}
      <h2>Options</h2>
      <div class="three">
        <TextField label="Delay" value={delay} placeholder="30s" />
        <SelectField
          label="Lane"
          value={lane}
          options={[["", "as defined"], ...LANES.map((name) => [name, name] as const)]}
        />
        <TagsField value={tagText} />
      </div>
      {fault !== "" && (
        <p class="refusal" role="alert">
          {fault}
        </p>
      )}
      <div class="buttons">
        <button type="submit" class="primary" disabled={isBusy || read.fault !== undefined || givenTags === null}>
          Submit {type.name}
        </button>
      </div>
      <AsCode
        call={call}
        code={`const task = await client.submit(${literal(type.name)}, ${literal(read.value)}${hasOptions ? `, ${literal(options)}` : ""});`}
      />
    </form>
  );
}
