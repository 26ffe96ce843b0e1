/** Fields of dialogs and forms, each bound to a signal. */

import type { Signal } from "@preact/signals";
import { useId } from "preact/hooks";

interface FieldProps {
  label: string;
  value: Signal<string>;
  hint?: string;
  placeholder?: string;
}

export function TextField({ label, value, hint, placeholder }: FieldProps) {
  const id = useId();
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <input
        id={id}
        type="text"
        autocomplete="off"
        spellcheck={false}
        placeholder={placeholder}
        value={value.value}
        aria-describedby={hint === undefined ? undefined : `${id}-hint`}
        onInput={(event) => (value.value = event.currentTarget.value)}
      />
      {hint !== undefined && (
        <p id={`${id}-hint`} class="hint">
          {hint}
        </p>
      )}
    </div>
  );
}

/** An instant as ISO 8601, in the reader's own zone; empty is none. */
export function TimeField({ label, value, hint }: FieldProps) {
  const id = useId();
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <input
        id={id}
        type="datetime-local"
        step={1}
        value={localWords(value.value)}
        aria-describedby={`${id}-hint`}
        onInput={(event) => {
          const at = Date.parse(event.currentTarget.value);
          value.value = Number.isNaN(at) ? "" : new Date(at).toISOString();
        }}
      />
      <p id={`${id}-hint`} class="hint">
        {value.value === "" ? hint : value.value.replace(/\.\d+Z$/, "Z")}
      </p>
    </div>
  );
}

/** `2026-11-28T12:00:00` of the reader's clock. */
function localWords(at: string): string {
  if (at === "") return "";
  const time = new Date(at);
  return new Date(time.getTime() - time.getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
}

/** JSON, or nothing; says where it is not JSON. */
export function JsonField({ label, value, hint, rows = 8 }: FieldProps & { rows?: number }) {
  const id = useId();
  const { fault } = readJson(value.value);
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <textarea
        id={id}
        rows={rows}
        spellcheck={false}
        value={value.value}
        aria-invalid={fault === undefined ? undefined : true}
        aria-describedby={`${id}-hint`}
        onInput={(event) => (value.value = event.currentTarget.value)}
      />
      <p id={`${id}-hint`} class={fault === undefined ? "hint" : "hint refusal"}>
        {fault ?? hint ?? "JSON"}
      </p>
    </div>
  );
}

export function SelectField({
  label,
  value,
  options,
}: FieldProps & { options: readonly (readonly [string, string])[] }) {
  const id = useId();
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <select id={id} value={value.value} onChange={(event) => (value.value = event.currentTarget.value)}>
        {options.map(([name, words]) => (
          <option key={name} value={name}>
            {words}
          </option>
        ))}
      </select>
    </div>
  );
}

export function CheckField({ label, value }: { label: string; value: Signal<boolean> }) {
  return (
    <label class="check">
      <input type="checkbox" checked={value.value} onChange={(event) => (value.value = event.currentTarget.checked)} />
      {label}
    </label>
  );
}

/** The value of JSON text; nothing is undefined. `fault` says why it is none. */
export function readJson(text: string): { value?: unknown; fault?: string } {
  if (text.trim() === "") return { value: undefined };
  try {
    return { value: JSON.parse(text) as unknown };
  } catch (error) {
    return { fault: `This is not valid JSON: ${error instanceof Error ? error.message : String(error)}` };
  }
}
