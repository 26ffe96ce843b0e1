/** What is known of a task, a part at a time; the part is kept in the address. */

import { useEffect, useRef } from "preact/hooks";
import { change } from "../address.ts";
import { AsCode } from "../parts/as-code.tsx";
import { literal } from "../call.ts";
import { DeliveriesOfTask } from "./deliveries-of-task.tsx";
import { EventList } from "./event-list.tsx";
import { LogView } from "./log-view.tsx";
import { Related } from "./related.tsx";
import type { TabProps } from "./tab-props.ts";
import { Values } from "./values.tsx";

const TABS = [
  { name: "values", title: "Input and result", show: Values },
  { name: "log", title: "Log and output", show: LogView },
  { name: "events", title: "Events", show: EventList },
  { name: "related", title: "Related", show: Related },
  { name: "deliveries", title: "Deliveries", show: DeliveriesOfTask },
  { name: "code", title: "curl and code", show: Code },
] as const;

export function Tabs({ tab, ...props }: TabProps & { tab: string }) {
  const shown = TABS.find(({ name }) => name === tab) ?? TABS[0];
  const list = useRef<HTMLDivElement>(null);

  // On a narrow screen not all of them are in sight.
  useEffect(() => {
    const own = list.current?.querySelector<HTMLElement>(`#tab-${shown.name}`);
    list.current?.scrollTo({ left: (own?.offsetLeft ?? 0) - list.current.offsetLeft });
  }, [shown]);

  function step(by: number): void {
    const next = TABS[(TABS.indexOf(shown) + by + TABS.length) % TABS.length]!;
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
        {TABS.map(({ name, title }) => (
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

function Code({ task }: TabProps) {
  return (
    <>
      <AsCode
        title="Read this task"
        call={{ method: "GET", path: `/v1/tasks/${task.id}` }}
        code={`const task = await client.get(${literal(task.id)});`}
      />
      <AsCode
        title="Ask why it is where it is"
        call={{ method: "GET", path: `/v1/tasks/${task.id}/explain` }}
        code={`const { summary } = await client.explain(${literal(task.id)});`}
      />
      <AsCode
        title="Submit the same again"
        call={{ method: "POST", path: "/v1/tasks", body: { task: task.task, input: task.input } }}
        code={`const task = await client.submit(${literal(task.task)}, ${literal(task.input)});`}
      />
    </>
  );
}
