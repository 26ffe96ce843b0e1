/** The form of one task: its input by its schema, or as JSON, and the usual options. */

import { useSignal } from "@preact/signals";
import { useState } from "preact/hooks";
import { faultWords, say } from "../acts.ts";
import { go, hrefTo } from "../address.ts";
import { literal, type Call } from "../call.ts";
import { AsCode } from "../parts/as-code.tsx";
import { JsonField, readJson, SelectField, TextField } from "../parts/fields.tsx";
import { client } from "../session.ts";
import { LANES } from "../states.ts";
import type { TaskType } from "../task-types.ts";
import { fieldsOf, type InputField } from "./input-fields.ts";
import { SchemaFields } from "./schema-fields.tsx";

interface SubmitFormProps {
  type: TaskType;
  /** What it begins with; undefined: what the schema suggests. */
  input: unknown;
  tags?: Readonly<Record<string, string>>;
}

export function SubmitForm({ type, input, tags = {} }: SubmitFormProps) {
  const fields = fieldsOf(type.input);
  const isForm = useSignal(fields !== null && (input === undefined || isObject(input)));
  const value = useSignal<unknown>(input ?? (fields === null ? undefined : beginning(fields)));
  const text = useSignal(value.value === undefined ? "" : JSON.stringify(value.value, null, 2));
  const [delay, lane, tagText] = [useSignal(""), useSignal(""), useSignal(tagWords(tags))];
  const [fault, setFault] = useState("");
  const [isBusy, setBusy] = useState(false);

  const read = isForm.value ? { value: value.value } : readJson(text.value);
  const options = {
    ...(delay.value === "" ? {} : { delay: delay.value }),
    ...(lane.value === "" ? {} : { lane: lane.value as (typeof LANES)[number] }),
    ...(tagText.value.trim() === "" ? {} : { tags: tagsOf(tagText.value) }),
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

  function swap(): void {
    if (isForm.value) text.value = JSON.stringify(value.value, null, 2);
    else if (readJson(text.value).fault === undefined) value.value = readJson(text.value).value ?? {};
    isForm.value = !isForm.value;
  }

  return (
    <form class="submit" onSubmit={(event) => void submit(event)} novalidate>
      {type.description !== "" && <p>{type.description}</p>}
      <div class="bar">
        <h2>Input</h2>
        {fields !== null && (
          <button type="button" class="quiet" onClick={swap}>
            {isForm.value ? "As JSON" : "As a form"}
          </button>
        )}
      </div>
      {isForm.value && fields !== null ? (
        <SchemaFields fields={fields} value={value} />
      ) : (
        <JsonField label="Input as JSON" value={text} hint={type.mayOmitInput ? "May be left out." : "JSON"} />
      )}
      <h2>Options</h2>
      <div class="three">
        <TextField label="Delay" value={delay} placeholder="30s" />
        <SelectField
          label="Lane"
          value={lane}
          options={[["", "as defined"], ...LANES.map((name) => [name, name] as const)]}
        />
        <TextField label="Tags" value={tagText} placeholder="customer=42 plan=pro" />
      </div>
      {fault !== "" && (
        <p class="refusal" role="alert">
          {fault}
        </p>
      )}
      <div class="buttons">
        <button type="submit" class="primary" disabled={isBusy || read.fault !== undefined}>
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

function isObject(value: unknown): boolean {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** What the required fields begin with. */
function beginning(fields: readonly InputField[]): Record<string, unknown> {
  const given = fields.flatMap(({ name, schema, isRequired }) => {
    if (schema.const !== undefined) return [[name, schema.const] as const];
    return isRequired && schema.type === "string" ? [[name, ""] as const] : [];
  });
  return Object.fromEntries(given);
}

function tagWords(tags: Readonly<Record<string, string>>): string {
  return Object.entries(tags)
    .map(([name, value]) => `${name}=${value}`)
    .join(" ");
}

/** Reads `customer=42 plan=pro`. */
function tagsOf(text: string): Record<string, string> {
  const parts = text.trim().split(/\s+/);
  return Object.fromEntries(parts.map((part) => [part.split("=", 1)[0]!, part.slice(part.indexOf("=") + 1)]));
}
