/** The input of a task that is changed or run again: it is sent only where it was edited. */

import type { TaskResource } from "../../../contract/task.ts";
import { DiffView } from "../parts/diff-view.tsx";
import { isSame } from "../parts/json-diff.ts";
import { readInput, schemaInput, SchemaInputFields } from "../submit/schema-input.tsx";
import { loadTaskTypes, taskTypes, type Schema } from "../task-types.ts";

/** Stands in the place of each secret value. */
const MASK = "•••";

export type EditedInput = ReturnType<typeof editedInput>;

/** Begins with the task's input: a form where its schema allows one, or JSON. */
export function editedInput({ input, omitted = [] }: TaskResource, schema: Schema = {}) {
  const form = schemaInput(schema, input);
  const read = () => readInput(form);
  const isEdited = () => {
    const { value, fault } = read();
    // Neither another order of members nor an empty field is an edit.
    return fault !== undefined || (value !== undefined && !isSame(input, value));
  };
  return {
    form,
    old: input,
    isShown: !omitted.includes("input"),
    hasSecrets: holdsMask(input),
    changed: (): { input?: unknown } => (isEdited() ? { input: read().value } : {}),
    isRight: () => !isEdited() || (read().fault === undefined && !holdsMask(read().value)),
  };
}

/** The schema of a task's input; undefined where the service no longer has the task, or its description cannot be read. */
export async function inputSchemaOf(task: string): Promise<Schema | undefined> {
  await loadTaskTypes().catch(() => undefined);
  return taskTypes.value.find(({ name }) => name === task)?.input;
}

export function EditedInputField({ input }: { input: EditedInput }) {
  if (!input.isShown) return <p class="hint">The input is not shown to this key, or too large to be edited here.</p>;
  const hint = input.hasSecrets
    ? `A changed input replaces the old one: write what stands in place of each ${MASK}.`
    : "A changed input replaces the old one.";
  const { input: edited } = input.isRight() ? input.changed() : {};
  return (
    <>
      <SchemaInputFields of={input.form} title="Input" hint={hint} />
      {input.form.isForm.value && <p class="hint">{hint}</p>}
      {edited !== undefined && (
        <div class="field">
          <span>What is different</span>
          <DiffView before={input.old} after={edited} label="What is different in the input" />
        </div>
      )}
    </>
  );
}

function holdsMask(value: unknown): boolean {
  return (JSON.stringify(value) ?? "").includes(`"${MASK}"`);
}
