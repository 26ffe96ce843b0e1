/** What is known of a task, a part at a time; the part is kept in the address. */

import { useRef } from "preact/hooks";
import type { TaskResource } from "../../../contract/task.ts";
import { change } from "../address.ts";
import { AsCode } from "../parts/as-code.tsx";
import { literal } from "../call.ts";
import { JsonView } from "../parts/json-view.tsx";
import { may } from "../session.ts";
import { DeliveriesOfTask } from "./deliveries-of-task.tsx";
import { EventList } from "./event-list.tsx";
import { LogView } from "./log-view.tsx";
import { Related } from "./related.tsx";
import type { TabProps } from "./tab-props.ts";

const TABS = [
  { name: "values", title: "Input and result", show: Values },
  { name: "log", title: "Log and output", show: LogView },
  { name: "events", title: "Events", show: EventList },
  { name: "related", title: "Related", show: Related },
  { name: "deliveries", title: "Deliveries", show: DeliveriesOfTask },
  { name: "code", title: "curl and code", show: Code },
] as const;

export function Tabs({ tab, ...props }: TabProps & { tab: string }) {
  const tabs = TABS.filter(({ name }) => name !== "deliveries" || may("admin"));
  const shown = tabs.find(({ name }) => name === tab) ?? TABS[0];
  const list = useRef<HTMLDivElement>(null);

  function step(by: number): void {
    const next = tabs[(tabs.indexOf(shown) + by + tabs.length) % tabs.length]!;
    change({ tab: next.name }, true);
    list.current?.querySelector<HTMLElement>(`#tab-${next.name}`)?.focus();
  }

  return (
    <section class="tabs">
      <div
        ref={list}
        role="tablist"
        aria-label="Parts"
        onKeyDown={(event) => {
          if (event.key === "ArrowRight") step(1);
          if (event.key === "ArrowLeft") step(-1);
        }}
      >
        {tabs.map(({ name, title }) => (
          <button
            key={name}
            id={`tab-${name}`}
            type="button"
            role="tab"
            aria-selected={name === shown.name}
            aria-controls="tab-panel"
            tabIndex={name === shown.name ? 0 : -1}
            onClick={() => change({ tab: name }, true)}
          >
            {title}
          </button>
        ))}
      </div>
      <div id="tab-panel" role="tabpanel" aria-labelledby={`tab-${shown.name}`} tabIndex={0}>
        <shown.show {...props} />
      </div>
    </section>
  );
}

function Values({ task }: TabProps) {
  const { omitted = [] } = task;
  return (
    <div class="two">
      <section>
        <h3>Input</h3>
        <JsonView value={task.input} label="input" />
        {omitted.includes("input") && <p class="hint">It is not shown to this key, or too large.</p>}
      </section>
      <section>
        <h3>{task.error === null ? "Result" : "Error"}</h3>
        <JsonView
          value={task.error === null ? task.result : withoutStack(task.error)}
          label={task.error === null ? "result" : "error"}
        />
        {task.error?.stack !== undefined && (
          <pre class="stack" tabIndex={0} role="group" aria-label="Stack">
            {task.error.stack}
          </pre>
        )}
      </section>
    </div>
  );
}

/** The stack is shown by itself. */
function withoutStack(error: NonNullable<TaskResource["error"]>) {
  return { ...error, stack: undefined };
}

function Code({ task }: TabProps) {
  return (
    <>
      <AsCode
        isOpen
        call={{ method: "GET", path: `/v1/tasks/${task.id}` }}
        code={`const task = await client.get(${literal(task.id)});`}
      />
      <AsCode
        isOpen
        call={{ method: "GET", path: `/v1/tasks/${task.id}/explain` }}
        code={`const { summary } = await client.explain(${literal(task.id)});`}
      />
      <AsCode
        isOpen
        call={{ method: "POST", path: "/v1/tasks", body: { task: task.task, input: task.input } }}
        code={`const task = await client.submit(${literal(task.task)}, ${literal(task.input)});`}
      />
    </>
  );
}
