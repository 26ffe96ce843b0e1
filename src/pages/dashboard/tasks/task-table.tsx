/** Tasks as rows. Also without a pointer: j and k go through them, enter opens, x selects. */

import { useEffect, useRef, useState } from "preact/hooks";
import type { TaskResource } from "../../../contract/task.ts";
import { change, go, here, hrefTo } from "../address.ts";
import { may } from "../session.ts";
import { useKeys } from "../shell/keyboard.ts";
import type { Column } from "./columns.tsx";
import { chooseNone, chosen, isAllChosen, marked, toggle, toggleAll } from "./selection.ts";

export interface TaskTableProps {
  rows: readonly TaskResource[];
  columns: readonly Column[];
  label: string;
  /** For a tree: the depth of each row. */
  depths?: readonly number[];
  /** Called when the user begins to look at a row, and when the user stops. */
  onHold?: (isHeld: boolean) => void;
}

export function TaskTable({ rows, columns, label, depths, onHold }: TaskTableProps) {
  const [at, show] = useState(-1);
  // Keys may come faster than the page is drawn.
  const latest = useRef(-1);
  const canSelect = may("cancel") && onHold !== undefined;
  const ids = rows.map((task) => task.id);

  function setAt(next: number): void {
    latest.current = next;
    show(next);
    if (onHold !== undefined) marked.value = rows[next]?.id ?? null;
  }

  function withRow(act: (task: TaskResource) => void): void {
    const row = rows[latest.current];
    if (row !== undefined) act(row);
  }

  function move(step: number): void {
    const next = Math.max(0, Math.min(rows.length - 1, latest.current + step));
    setAt(next);
    onHold?.(true);
    document.querySelectorAll("tr[data-task]")[next]?.scrollIntoView({ block: "nearest" });
  }

  useEffect(() => () => void (marked.value = null), []);

  useEffect(() => {
    if (at >= rows.length) setAt(rows.length - 1);
  }, [rows.length]);

  useKeys({
    j: () => move(1),
    k: () => move(-1),
    Enter: () => withRow(({ id }) => go(hrefTo("tasks", id))),
    // Only the list of tasks has room beside it.
    o: () => onHold && withRow(({ id }) => change({ beside: id, tab: undefined }, true)),
    e: () => {
      const failed = rows.find(({ state }) => state === "failed");
      if (failed !== undefined) go(hrefTo("tasks", failed.id));
    },
    x: () => canSelect && withRow(({ id }) => toggle(id)),
    Escape: () => {
      setAt(-1);
      chooseNone();
      onHold?.(false);
      if (here.value.query.has("beside")) change({ beside: undefined, tab: undefined }, true);
    },
  });

  return (
    <div class="scroll" role="group" aria-label={label} tabIndex={0}>
      <table class="list tasks" onPointerEnter={() => onHold?.(true)} onPointerLeave={() => onHold?.(at >= 0)}>
        <thead>
          <tr>
            {canSelect && (
              <th class="select">
                <input
                  type="checkbox"
                  aria-label="Select all on this page"
                  checked={ids.length > 0 && (isAllChosen.value || ids.every((id) => chosen.value.has(id)))}
                  onChange={() => toggleAll(ids)}
                />
              </th>
            )}
            {columns.map(({ name, title }) => (
              <th key={name} scope="col" class={`col-${name.replace(/:.*/, "")}`}>
                {title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((task, i) => (
            <tr key={task.id} data-task={task.id} data-state={task.state} class={i === at ? "at" : undefined}>
              {canSelect && (
                <td class="select">
                  <input
                    type="checkbox"
                    aria-label={`Select ${task.task} ${task.id.slice(-8)}`}
                    checked={isAllChosen.value || chosen.value.has(task.id)}
                    onChange={() => toggle(task.id)}
                  />
                </td>
              )}
              {columns.map(({ name, title, cell }) => (
                <td key={name} class={`col-${name.replace(/:.*/, "")}`} data-title={title}>
                  {name === "task" && <Indent depth={depths?.[i] ?? 0} />}
                  {cell(task)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** The deepest indent; deeper rows have it, too. */
const DEEPEST = 8;

function Indent({ depth }: { depth: number }) {
  if (depth === 0) return null;
  return (
    <span class="soft" data-depth={depth}>
      <span aria-hidden="true" style={{ display: "inline-block", width: `${Math.min(depth, DEEPEST) - 1}rem` }} />
      <span aria-hidden="true">└ </span>
      <span class="unseen">{`level ${depth}: `}</span>
    </span>
  );
}
