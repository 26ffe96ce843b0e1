/** A field for each member of an object, by its schema. */

import type { Signal } from "@preact/signals";
import { useId, useState } from "preact/hooks";
import { readJson } from "../parts/fields.tsx";
import type { InputField } from "./input-fields.ts";

export function SchemaFields({ fields, value }: { fields: readonly InputField[]; value: Signal<unknown> }) {
  const object = (value.value ?? {}) as Record<string, unknown>;
  const set = (name: string, next: unknown) => {
    const { [name]: _, ...rest } = object;
    value.value = next === undefined ? rest : { ...rest, [name]: next };
  };
  return (
    <div class="three">
      {fields.map((field) => (
        <Field key={field.name} field={field} value={object[field.name]} set={(next) => set(field.name, next)} />
      ))}
    </div>
  );
}

interface FieldProps {
  field: InputField;
  value: unknown;
  set: (value: unknown) => void;
}

function Field({ field, value, set }: FieldProps) {
  const id = useId();
  const { name, schema, isRequired, kind } = field;
  const hint = [
    schema.description,
    schema.default === undefined ? "" : `${JSON.stringify(schema.default)} unless given`,
  ]
    .filter(Boolean)
    .join("; ");
  return (
    <div class="field">
      <label for={id}>
        {name}
        {isRequired ? "" : <span class="soft"> (optional)</span>}
      </label>
      <Control id={id} field={field} value={value} set={set} hintId={hint === "" ? undefined : `${id}-hint`} />
      {hint !== "" && (
        <p id={`${id}-hint`} class="hint">
          {hint}
        </p>
      )}
      {kind === "json" && value === undefined && hint === "" && <p class="hint">JSON</p>}
    </div>
  );
}

function Control({ id, field, value, set, hintId }: FieldProps & { id: string; hintId: string | undefined }) {
  const { kind, choices, isRequired, schema } = field;
  const [text, setText] = useState(textOf(kind, value));
  const shared = { id, "aria-describedby": hintId, required: isRequired };
  switch (kind) {
    case "choice":
      return (
        <select
          {...shared}
          value={typeof value === "string" ? value : ""}
          onChange={(event) => set(event.currentTarget.value || undefined)}
        >
          <option value="">–</option>
          {choices.map((choice) => (
            <option key={choice} value={choice}>
              {choice}
            </option>
          ))}
        </select>
      );
    case "boolean":
      return (
        <select
          {...shared}
          value={typeof value === "boolean" ? String(value) : ""}
          onChange={(event) => set(event.currentTarget.value === "" ? undefined : event.currentTarget.value === "true")}
        >
          <option value="">–</option>
          <option value="true">yes</option>
          <option value="false">no</option>
        </select>
      );
    case "number":
      return (
        <input
          {...shared}
          type="number"
          step={schema.type === "integer" ? 1 : "any"}
          value={typeof value === "number" ? value : ""}
          onInput={(event) => set(event.currentTarget.value === "" ? undefined : Number(event.currentTarget.value))}
        />
      );
    case "text":
      return (
        <textarea
          {...shared}
          rows={1}
          spellcheck={false}
          value={typeof value === "string" ? value : ""}
          onInput={(event) =>
            set(event.currentTarget.value === "" && !isRequired ? undefined : event.currentTarget.value)
          }
        />
      );
    case "json":
    case "loose":
      return (
        <textarea
          {...shared}
          rows={kind === "json" ? 2 : 1}
          spellcheck={false}
          value={text}
          aria-invalid={kind === "json" && readJson(text).fault !== undefined ? true : undefined}
          onInput={(event) => {
            setText(event.currentTarget.value);
            const { value: next, fault } = readJson(event.currentTarget.value);
            if (fault === undefined) set(next);
            else if (kind === "loose") set(event.currentTarget.value);
          }}
        />
      );
  }
}

function textOf(kind: InputField["kind"], value: unknown): string {
  if (value === undefined) return "";
  return kind === "loose" && typeof value === "string" ? value : JSON.stringify(value);
}
