/** The input of a task that is changed or run again: it is sent only where it was edited. */

import { signal } from "@preact/signals";
import type { TaskResource } from "../../../contract/task.ts";
import { DiffView } from "../parts/diff-view.tsx";
import { JsonField, readJson } from "../parts/fields.tsx";

/** What stands in place of what the page is not shown. */
const MASK = "•••";

export type EditedInput = ReturnType<typeof editedInput>;

export function editedInput({ input, omitted = [] }: TaskResource) {
  const old = JSON.stringify(input, null, 2);
  const text = signal(old);
  const isEdited = () => text.value !== old && text.value.trim() !== "";
  return {
    text,
    old: input,
    isShown: !omitted.includes("input"),
    hasSecrets: old.includes(`"${MASK}"`),
    changed: (): { input?: unknown } => (isEdited() ? { input: readJson(text.value).value } : {}),
    isRight: () => !isEdited() || (readJson(text.value).fault === undefined && !text.value.includes(`"${MASK}"`)),
  };
}

export function EditedInputField({ input }: { input: EditedInput }) {
  if (!input.isShown) return <p class="hint">The input is not shown to this key, or too large to be edited here.</p>;
  const hint = input.hasSecrets
    ? `A changed input replaces the old one: write what stands in place of each ${MASK}.`
    : "A changed input replaces the old one.";
  const { input: edited } = input.isRight() ? input.changed() : {};
  return (
    <>
      <JsonField label="Input" value={input.text} rows={6} hint={hint} />
      {edited !== undefined && (
        <div class="field">
          <span>What is different</span>
          <DiffView before={input.old} after={edited} label="What is different in the input" />
        </div>
      )}
    </>
  );
}
