/** Groups of the same error, with what can be done about each. */

import { signal } from "@preact/signals";
import type { ErrorGroupResource } from "../../../contract/error-group.ts";
import { ask } from "../acts.ts";
import { hrefTo } from "../address.ts";
import { literal } from "../call.ts";
import { Badge } from "../parts/badge.tsx";
import { TextField } from "../parts/fields.tsx";
import { Age } from "../parts/time.tsx";
import { client, may } from "../session.ts";
import { askBulk } from "../tasks/bulk.tsx";
import { tasksHref } from "../tasks/filter.ts";
import { countWords, shortened } from "../words.ts";

export function ErrorTable({ groups }: { groups: readonly ErrorGroupResource[] }) {
  return (
    <div class="scroll" tabIndex={0} role="group" aria-label="Errors">
      <table class="list">
        <thead>
          <tr>
            <th scope="col">State</th>
            <th scope="col">Error</th>
            <th scope="col">Task</th>
            <th scope="col" class="number">
              Tasks
            </th>
            <th scope="col">Tags</th>
            <th scope="col">First</th>
            <th scope="col">Last</th>
            {may("cancel") && (
              <th scope="col">
                <span class="unseen">Acts</span>
              </th>
            )}
          </tr>
        </thead>
        <tbody>
          {groups.map((group) => (
            <Row key={group.id} group={group} />
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Row({ group }: { group: ErrorGroupResource }) {
  const { id, task, type, message, count, firstAt, lastAt, tags, state, sampleIds } = group;
  const [latest] = sampleIds;
  return (
    <tr data-error={id}>
      <td data-title="State">
        <Badge state={state === "open" ? "failed" : state === "resolved" ? "succeeded" : "cancelled"}>{state}</Badge>
      </td>
      <td data-title="Error">
        <a class="strong" href={tasksHref({ error: id })}>
          {shortened(type, 60)}
        </a>{" "}
        <bdi class="soft">{shortened(message, 200)}</bdi>
      </td>
      <td data-title="Task">
        <a href={tasksHref({ task, state: "failed" })}>{task}</a>
      </td>
      <td class="number" data-title="Tasks">
        <a href={tasksHref({ error: id })}>{countWords(count)}</a>
      </td>
      <td data-title="Tags">
        <span class="tags">
          {tags.slice(0, 3).map(({ name, value, count: n }) => (
            <a key={`${name} ${value}`} href={tasksHref({ error: id, [`tag.${name}`]: value })}>
              <span class="soft">{name}</span> <bdi>{shortened(value, 30)}</bdi> {countWords(n)}
            </a>
          ))}
        </span>
      </td>
      <td data-title="First">
        <Age at={firstAt} />
      </td>
      <td data-title="Last">
        {latest === undefined ? (
          <Age at={lastAt} />
        ) : (
          <a href={hrefTo("tasks", latest)}>
            <Age at={lastAt} />
          </a>
        )}
      </td>
      {may("cancel") && (
        <td class="acts-cell">
          <Acts group={group} />
        </td>
      )}
    </tr>
  );
}

function Acts({ group }: { group: ErrorGroupResource }) {
  const { id, type, state } = group;
  const named = <span class="unseen"> {type}</span>;
  return (
    <>
      <button type="button" class="quiet" onClick={() => askBulk("retry", { error: id }, `what failed with ${type}`)}>
        Run again…{named}
      </button>
      {state !== "resolved" && (
        <button type="button" class="quiet" onClick={() => askResolve(group)}>
          Resolve…{named}
        </button>
      )}
      {state === "open" && (
        <button type="button" class="quiet" onClick={() => askIgnore(group)}>
          Ignore…{named}
        </button>
      )}
    </>
  );
}

function askResolve({ id, type }: ErrorGroupResource): void {
  ask({
    title: `Resolve ${type}`,
    verb: "Mark as resolved",
    words: <p>The next task that fails with it opens it again.</p>,
    call: () => ({ method: "POST", path: `/v1/errors/${id}/resolve` }),
    code: () => `await client.errors.resolve(${literal(id)});`,
    run: async () => {
      await client().errors.resolve(id);
      return `${type} is resolved`;
    },
  });
}

function askIgnore({ id, type, count }: ErrorGroupResource): void {
  const until = signal("");
  const options = () => (until.value === "" ? {} : { untilCount: Number(until.value) });
  ask({
    title: `Ignore ${type}`,
    verb: "Ignore it",
    fields: () => (
      <TextField
        label="Ignore until this many tasks have failed with it"
        value={until}
        hint={`It is ${countWords(count)} now; empty: for good.`}
      />
    ),
    call: () =>
      until.value === "" || /^[1-9]\d{0,8}$/.test(until.value)
        ? { method: "POST", path: `/v1/errors/${id}/ignore`, body: options() }
        : null,
    code: () => `await client.errors.ignore(${literal(id)}, ${literal(options())});`,
    run: async () => {
      await client().errors.ignore(id, options());
      return `${type} is ignored`;
    },
  });
}
