/** Limits: how much of each is used, how many wait, and what set it. */

import { signal } from "@preact/signals";
import type { LimitResource } from "../../../contract/limit.ts";
import { ask } from "../acts.ts";
import { hrefTo } from "../address.ts";
import { literal } from "../call.ts";
import { TextField } from "../parts/fields.tsx";
import { At } from "../parts/time.tsx";
import { client, may } from "../session.ts";
import { tasksHref } from "../tasks/filter.ts";
import { countWords, durationWords } from "../words.ts";

/** The most tasks that are named of those that hold a limit, and of those that wait for it. */
const NAMED = 3;

export function LimitTable({ limits, marked = null }: { limits: readonly LimitResource[]; marked?: string | null }) {
  return (
    <div class="scroll" tabIndex={0} role="group" aria-label="Limits">
      <table class="list">
        <thead>
          <tr>
            <th scope="col">Limit</th>
            <th scope="col">Used</th>
            <th scope="col">Held by</th>
            <th scope="col">Waiting</th>
            <th scope="col">Set by</th>
            <th scope="col">Held until</th>
            {may("admin") && (
              <th scope="col">
                <span class="unseen">Acts</span>
              </th>
            )}
          </tr>
        </thead>
        <tbody>
          {limits.map((limit) => (
            <tr key={limit.id} data-limit={limit.id} class={marked !== null && limit.key === marked ? "at" : undefined}>
              <td data-title="Limit">
                <bdi class="strong">{limit.key ?? limit.task ?? limit.id}</bdi>{" "}
                <span class="soft">
                  {limit.kind}
                  {limit.task !== null && (
                    <>
                      {" of "}
                      <a href={tasksHref({ task: limit.task })}>{limit.task}</a>
                    </>
                  )}
                </span>
              </td>
              <td data-title="Used">
                <Use limit={limit} />
              </td>
              <td data-title="Held by">
                <Ids ids={limit.heldBy} total={limit.used ?? 0} />
              </td>
              <td data-title="Waiting">
                <a href={tasksHref({ state: "queued", task: limit.task ?? undefined })}>{countWords(limit.waiting)}</a>
                {limit.waiters.length > 0 && <span class="soft">: </span>}
                <Ids ids={limit.waiters} total={limit.waiting} />
              </td>
              <td data-title="Set by">
                <SetBy limit={limit} />
              </td>
              <td data-title="Held until">
                <At at={limit.heldUntil} />
              </td>
              {may("admin") && (
                <td class="acts-cell">
                  <button type="button" class="quiet" onClick={() => askChange(limit)}>
                    Change…<span class="unseen"> {limit.id}</span>
                  </button>
                  {limit.source === "api" && (
                    <button type="button" class="quiet" onClick={() => askReset(limit)}>
                      Reset…<span class="unseen"> {limit.id}</span>
                    </button>
                  )}
                </td>
              )}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** Links to the first of the tasks. The tasks of other tenants are counted, not named. */
function Ids({ ids, total }: { ids: readonly string[]; total: number }) {
  if (total === 0) return null;
  const shown = ids.slice(0, NAMED);
  const more = total - shown.length;
  return (
    <span class="soft">
      {shown.map((id, i) => (
        <span key={id}>
          {i > 0 && ", "}
          <a href={hrefTo("tasks", id)} title={id}>
            {id.slice(-8)}
          </a>
        </span>
      ))}
      {more > 0 && (shown.length === 0 ? `${countWords(more)} of other tenants` : ` and ${countWords(more)} more`)}
    </span>
  );
}

/** What set the limit; an operator's change with its key and time, where they are known. */
function SetBy({ limit: { id, task, source, changedBy, changedAt } }: { limit: LimitResource }) {
  if (source !== "api") return <>the {source}</>;
  // Only the deployment's key changes the limits of definitions.
  const by = changedBy ?? (task === null ? "an operator" : "deployment");
  return (
    <>
      {may("admin") && changedBy !== null ? <a href={hrefTo("keys/audit", null, { target: id })}>{by}</a> : by}
      {changedAt !== null && (
        <span class="soft">
          {", since "}
          <At at={changedAt} />
        </span>
      )}
    </>
  );
}

export function Use({ limit }: { limit: LimitResource }) {
  const { used, limit: most, per, tokens } = limit;
  if (per !== null) {
    return (
      <>
        {countWords(most)} in {durationWords(per)}, {countWords(tokens ?? 0)} may start now
      </>
    );
  }
  return (
    <span class="use">
      <meter min={0} max={most} value={Math.min(most, used ?? 0)} aria-label={`Used of ${limit.id}`} />{" "}
      {countWords(used ?? 0)} of {countWords(most)}
    </span>
  );
}

function askChange({ id, limit, per }: LimitResource): void {
  const most = signal(String(limit));
  const span = signal(per === null ? "" : String(per));
  const body = () => ({ limit: Number(most.value), ...(per === null ? {} : { per: Number(span.value) }) });
  const isRight = () => /^[1-9]\d{0,6}$/.test(most.value) && (per === null || /^[1-9]\d{0,8}$/.test(span.value));
  ask({
    title: `Change the limit ${id}`,
    verb: "Change it",
    words: <p>It takes effect at once, before what code and submissions say, until it is reset.</p>,
    fields: () => (
      <>
        <TextField label={per === null ? "Slots" : "Starts"} value={most} />
        {per !== null && <TextField label="Per (ms)" value={span} />}
      </>
    ),
    call: () => (isRight() ? { method: "PUT", path: `/v1/limits/${encodeURIComponent(id)}`, body: body() } : null),
    code: () => `await client.limits.put(${literal(id)}, ${literal(body())});`,
    run: async () => {
      await client().limits.put(id, body());
      return `The limit ${id} is changed`;
    },
  });
}

function askReset({ id }: LimitResource): void {
  ask({
    title: `Reset the limit ${id}`,
    verb: "Reset",
    words: <p>What the code or the latest submission says holds again.</p>,
    call: () => ({ method: "DELETE", path: `/v1/limits/${encodeURIComponent(id)}` }),
    code: () => `await client.limits.delete(${literal(id)});`,
    run: async () => {
      await client().limits.delete(id);
      return `The limit ${id} is reset`;
    },
  });
}
