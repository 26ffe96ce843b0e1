/** Picks the columns, which are kept in the address. */

import { useSignal } from "@preact/signals";
import { change, here } from "../address.ts";
import { TextField } from "../parts/fields.tsx";
import { COLUMNS, columnsOf, USUAL } from "./columns.tsx";

export function ColumnPicker() {
  const path = useSignal("");
  const text = here.value.query.get("cols") ?? USUAL;
  const shown = columnsOf(text);
  const own = shown.filter(({ name }) => name.includes(":"));
  const isPath = /^(input|result)\/.+/.test(path.value);

  function set(names: readonly string[]): void {
    const cols = names.join(",");
    change({ cols: cols === USUAL || names.length === 0 ? undefined : cols });
  }

  function toggle(name: string): void {
    const names = shown.map((column) => column.name);
    if (names.includes(name)) return set(names.filter((each) => each !== name));
    // The usual order, and the paths after it.
    const order = [
      ...COLUMNS.map((column) => column.name).filter((each) => each === name || names.includes(each)),
      ...own.map((column) => column.name),
    ];
    set(order);
  }

  return (
    <details class="columns">
      <summary>Columns</summary>
      <div class="menu">
        {[...COLUMNS, ...own].map(({ name, title }) => (
          <label key={name} class="check">
            <input
              type="checkbox"
              checked={shown.some((column) => column.name === name)}
              onChange={() => toggle(name)}
            />
            {title}
          </label>
        ))}
        <form
          onSubmit={(event) => {
            event.preventDefault();
            if (!isPath) return;
            set([...shown.map((column) => column.name), path.value.replace("/", ":/")]);
            path.value = "";
          }}
        >
          <TextField label="A path" value={path} placeholder="input/customer/id" />
          <button type="submit" class="quiet" disabled={!isPath}>
            Add
          </button>
        </form>
      </div>
    </details>
  );
}
