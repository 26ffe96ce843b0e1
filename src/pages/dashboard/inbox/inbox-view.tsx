/** Inbox: what waits for a signal, which often is a person's answer. */

import type { SignalWait } from "../../../contract/wait.ts";
import { here, hrefTo } from "../address.ts";
import { pathWith, type Call } from "../call.ts";
import { useFeed } from "../feed.ts";
import { AsCode } from "../parts/as-code.tsx";
import { Empty, Loaded } from "../parts/loading.tsx";
import { Pager } from "../parts/pager.tsx";
import { Age } from "../parts/time.tsx";
import { usePolled } from "../polled.ts";
import { client, may } from "../session.ts";
import { fieldsOf } from "../submit/input-fields.ts";
import type { Schema } from "../task-types.ts";
import { shortened } from "../words.ts";
import { askSignal } from "./signal-act.tsx";

const EVERY_MS = 5_000;

export function InboxView() {
  const cursor = here.value.query.get("cursor");
  const read = usePolled(`waits ${cursor ?? ""}`, (signal) => client().waits({ signal }).page(cursor), EVERY_MS);
  useFeed(({ changed, missed }) => {
    const shown = new Set(read.data?.items.map(({ taskId }) => taskId));
    if (missed || changed.some(({ id, state }) => state === "waiting" || shown.has(id))) read.refresh();
  });
  const call: Call = { method: "GET", path: pathWith("/v1/waits", { cursor }) };
  return (
    <>
      <h1>Inbox</h1>
      <Loaded from={read}>
        {({ items, nextCursor }) =>
          items.length === 0 && cursor === null ? (
            <Empty>
              <h2>Nothing waits for an answer</h2>
              <p>
                A task that calls <code>ctx.waitForSignal(name, {"{ schema }"})</code> stands here until the signal
                comes, with a form made from the schema.
              </p>
            </Empty>
          ) : (
            <>
              <Table waits={items} />
              <Pager nextCursor={nextCursor} />
            </>
          )
        }
      </Loaded>
      <AsCode
        call={call}
        code="for await (const { taskId, name, until } of client.waits()) console.log(taskId, name, until);"
      />
    </>
  );
}

function Table({ waits }: { waits: readonly SignalWait[] }) {
  return (
    <div class="scroll" tabIndex={0} role="group" aria-label="Waits">
      <table class="list">
        <thead>
          <tr>
            <th scope="col">Task</th>
            <th scope="col">Signal</th>
            <th scope="col">Asks for</th>
            <th scope="col">Since</th>
            <th scope="col">Until</th>
            {may("submit") && (
              <th scope="col">
                <span class="unseen">Acts</span>
              </th>
            )}
          </tr>
        </thead>
        <tbody>
          {waits.map((wait, i) => (
            <tr key={`${wait.taskId} ${wait.name} ${wait.since} ${i}`} data-wait={wait.taskId}>
              <td class="col-task" data-title="Task">
                <a class="strong" href={hrefTo("tasks", wait.taskId)}>
                  {wait.task}
                </a>
                <code class="id">{wait.taskId.slice(-8)}</code>
              </td>
              <td data-title="Signal">
                <bdi>{shortened(wait.name, 100)}</bdi>
              </td>
              <td data-title="Asks for">
                <bdi>{askedWords(wait.schema)}</bdi>
              </td>
              <td data-title="Since">
                <Age at={wait.since} /> ago
              </td>
              <td data-title="Until">{wait.until === null ? "no end" : <Age at={wait.until} />}</td>
              {may("submit") && (
                <td class="acts-cell">
                  <button type="button" class="quiet" onClick={() => answer(wait)}>
                    Answer…
                  </button>
                </td>
              )}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function answer(wait: SignalWait): void {
  askSignal({ id: wait.taskId, task: wait.task, waits: [wait], isNameFree: false });
}

/** What the body must have, in a few words. */
function askedWords(given: unknown): string {
  if (given === null || given === undefined) return "anything";
  const schema = given as Schema;
  const fields = fieldsOf(schema);
  if (fields === null) return shortened(schema.description ?? String(schema.type ?? "JSON"), 100);
  return shortened(fields.map(({ name, isRequired }) => (isRequired ? name : `${name} (optional)`)).join(", "), 160);
}
