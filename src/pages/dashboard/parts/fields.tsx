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
    return { fault: `This is no JSON: ${error instanceof Error ? error.message : String(error)}` };
  }
}
