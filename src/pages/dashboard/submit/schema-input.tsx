/** A value that a JSON Schema describes: a form where that is possible, or JSON. */

import { signal, type Signal } from "@preact/signals";
import { JsonField, readJson } from "../parts/fields.tsx";
import type { Schema } from "../task-types.ts";
import { beginning, fieldsOf, singleField, type InputField } from "./input-fields.ts";
import { SchemaFields } from "./schema-fields.tsx";

export interface SchemaInput {
  /** Null where there is no form for it, but JSON alone. */
  fields: readonly InputField[] | null;
  /** The one field is the whole value, and no member of it. */
  isSingle: boolean;
  isForm: Signal<boolean>;
  /** By the names of the fields. */
  members: Signal<unknown>;
  text: Signal<string>;
}

/** Begins with `input`; where that is undefined, with what the schema suggests. */
export function schemaInput(schema: Schema, input: unknown): SchemaInput {
  const members = fieldsOf(schema);
  const single = members === null ? singleField(schema) : null;
  const fields = members ?? (single === null ? null : [single]);
  const begun = input ?? (members === null ? undefined : beginning(members));
  return {
    fields,
    isSingle: single !== null,
    isForm: signal(fields !== null && (input === undefined || single !== null || isObject(input))),
    members: signal<unknown>(single === null ? begun : { [single.name]: begun }),
    text: signal(textOf(begun)),
  };
}

/** The value as it stands; `fault` where it is no JSON. */
export function readInput({ isSingle, fields, isForm, members, text }: SchemaInput): ReturnType<typeof readJson> {
  if (!isForm.value) return readJson(text.value);
  if (!isSingle) return { value: members.value };
  return { value: (members.value as Record<string, unknown>)[fields![0]!.name] };
}

/** Whether every field that is required has a value. JSON is left to the service. */
export function isFilledIn({ fields, isForm, members }: SchemaInput): boolean {
  const given = (members.value ?? {}) as Record<string, unknown>;
  return !isForm.value || (fields ?? []).every(({ name, isRequired }) => !isRequired || given[name] !== undefined);
}

export function SchemaInputFields({ of, title, hint }: { of: SchemaInput; title: string; hint: string }) {
  const { fields, isSingle, isForm, members, text } = of;

  function swap(): void {
    const { value, fault } = readInput(of);
    if (isForm.value) text.value = textOf(value);
    else if (fault === undefined) members.value = isSingle ? { [fields![0]!.name]: value } : (value ?? {});
    isForm.value = !isForm.value;
  }

  return (
    <>
      <div class="bar">
        <h2>{title}</h2>
        {fields !== null && (
          <button type="button" class="quiet" onClick={swap}>
            {isForm.value ? "As JSON" : "As a form"}
          </button>
        )}
      </div>
      {isForm.value && fields !== null ? (
        <SchemaFields fields={fields} value={members} />
      ) : (
        <JsonField label={`${title} as JSON`} value={text} hint={hint} />
      )}
    </>
  );
}

function textOf(value: unknown): string {
  return value === undefined ? "" : JSON.stringify(value, null, 2);
}

function isObject(value: unknown): boolean {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
