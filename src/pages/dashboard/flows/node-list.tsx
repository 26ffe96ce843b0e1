/** The nodes of a flow as a list, which can be searched. */

import { useState } from "preact/hooks";
import type { FlowMember } from "../../../client/index.ts";
import { hrefTo } from "../address.ts";
import { Badge } from "../parts/badge.tsx";
import { Why } from "../tasks/why.tsx";
import { many, shortened } from "../words.ts";

const SHOWN = 200;

export function NodeList({ nodes }: { nodes: readonly FlowMember[] }) {
  const [text, setText] = useState("");
  const wanted = text.trim().toLowerCase();
  const found = nodes.filter(({ key, task }) =>
    [key, task.task, task.state, task.id].some((each) => each.toLowerCase().includes(wanted)),
  );
  const states = new Map(nodes.map(({ key, task }) => [key, task.state]));
  return (
    <>
      <label class="search">
        Search{" "}
        <input
          type="search"
          value={text}
          onInput={(event) => setText(event.currentTarget.value)}
          placeholder="a key, a task, a state"
        />
      </label>
      {found.length > SHOWN && (
        <p class="hint">
          The first {many(SHOWN, "node")} of {found.length}.
        </p>
      )}
      <div class="scroll" tabIndex={0} role="group" aria-label="Nodes">
        <table class="list">
          <thead>
            <tr>
              <th scope="col">State</th>
              <th scope="col">Key</th>
              <th scope="col">Task</th>
              <th scope="col">Needs</th>
              <th scope="col">Why</th>
            </tr>
          </thead>
          <tbody>
            {found.slice(0, SHOWN).map(({ key, needs, task }) => (
              <tr key={key} data-node={key} data-state={task.state}>
                <td data-title="State">
                  <Badge state={task.state} />
                </td>
                <td data-title="Key">
                  <bdi>{shortened(key, 60)}</bdi>
                </td>
                <td data-title="Task">
                  <a class="strong" href={hrefTo("tasks", task.id)}>
                    {task.task}
                  </a>
                </td>
                <td data-title="Needs">{needsWords(needs, states)}</td>
                <td data-title="Why">
                  <Why task={task} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </>
  );
}

/** How many of a node's needs are met. */
function needsWords(needs: readonly string[], states: ReadonlyMap<string, string>): string {
  if (needs.length === 0) return "–";
  const met = needs.filter((key) => states.get(key) === "succeeded").length;
  return needs.length <= 3 ? `${needs.join(", ")} (${met} of ${needs.length} met)` : `${met} of ${needs.length} met`;
}
