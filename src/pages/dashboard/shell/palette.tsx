/** Everything by its name: views, tasks, lanes, and whatever id is pasted. */

import { useState } from "preact/hooks";
import { go, hrefTo } from "../address.ts";
import { tasksHref } from "../tasks/filter.ts";
import { taskTypes } from "../task-types.ts";
import { session, signOut } from "../session.ts";
import { STATES } from "../states.ts";
import { Modal } from "./modal.tsx";
import { isPaletteOpen } from "./open.ts";
import { VIEWS } from "./views.tsx";

interface Entry {
  name: string;
  act: () => void;
}

const MOST = 12;

export function Palette() {
  return isPaletteOpen.value && session.value !== null ? <Open /> : null;
}

function Open() {
  const [text, setText] = useState("");
  const [at, setAt] = useState(0);
  const close = () => (isPaletteOpen.value = false);
  const found = matching(text);
  const chosen = Math.min(at, found.length - 1);

  function run(entry: Entry | undefined): void {
    if (entry === undefined) return;
    close();
    entry.act();
  }

  return (
    <Modal title="Everything by its name" close={close}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          run(found[chosen]);
        }}
      >
        <input
          class="palette-field"
          type="text"
          role="combobox"
          aria-label="Name or id"
          aria-expanded="true"
          aria-controls="palette-list"
          aria-activedescendant={found.length > 0 ? `palette-${chosen}` : undefined}
          placeholder="A view, a task, a state, an id…"
          autocomplete="off"
          spellcheck={false}
          value={text}
          onInput={(event) => {
            setText(event.currentTarget.value);
            setAt(0);
          }}
          onKeyDown={(event) => {
            const step = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
            if (step === 0) return;
            event.preventDefault();
            setAt((chosen + step + found.length) % Math.max(1, found.length));
          }}
        />
        <ul id="palette-list" class="palette" role="listbox" aria-label="Found">
          {found.map((entry, i) => (
            <li
              key={entry.name}
              id={`palette-${i}`}
              role="option"
              aria-selected={i === chosen}
              onClick={() => run(entry)}
            >
              {entry.name}
            </li>
          ))}
        </ul>
        {found.length === 0 && <p class="hint">Nothing has this name. An id of a task or a flow opens it.</p>}
      </form>
    </Modal>
  );
}

function matching(text: string): Entry[] {
  const wanted = text.trim().toLowerCase();
  const words = wanted.split(/\s+/);
  const to = (name: string, href: string): Entry => ({ name, act: () => go(href) });
  const entries = [
    ...VIEWS.map(({ name, title }) => to(title, `#/${name}`)),
    ...STATES.map((state) => to(`Tasks: ${state}`, tasksHref({ state }))),
    ...taskTypes.value.map(({ name }) => to(`Tasks of ${name}`, tasksHref({ task: name }))),
    ...taskTypes.value.map(({ name }) => to(`Submit ${name}`, hrefTo("submit", name))),
    { name: "Sign out", act: () => signOut() },
  ];
  const found = entries.filter(({ name }) => words.every((word) => name.toLowerCase().includes(word)));
  if (/^task_\w+$/.test(wanted)) found.unshift(to(`Open the task ${wanted}`, hrefTo("tasks", wanted)));
  if (/^flow_\w+$/.test(wanted)) found.unshift(to(`Open the flow ${wanted}`, hrefTo("flows", wanted)));
  return found.slice(0, MOST);
}
