/** Who changed what, the newest first. */

import { useSignal } from "@preact/signals";
import type { AuditAction, AuditEntry } from "../../../contract/audit.ts";
import { change, here, hrefTo } from "../address.ts";
import { pathWith } from "../call.ts";
import { AsCode } from "../parts/as-code.tsx";
import { TextField } from "../parts/fields.tsx";
import { Empty, Loaded } from "../parts/loading.tsx";
import { Pager } from "../parts/pager.tsx";
import { At } from "../parts/time.tsx";
import { usePolled } from "../polled.ts";
import { client } from "../session.ts";
import { glance } from "../words.ts";

const EVERY_MS = 5_000;

export function AuditLog() {
  const { query } = here.value;
  const action = (query.get("action") ?? undefined) as AuditAction | undefined;
  const actor = query.get("actor") ?? undefined;
  const target = query.get("target") ?? undefined;
  const cursor = query.get("cursor");
  const read = usePolled(
    `audit ${action ?? ""} ${actor ?? ""} ${target ?? ""} ${cursor ?? ""}`,
    (signal) =>
      client()
        .audit.list({ ...given({ action, actor, target }), signal })
        .page(cursor),
    EVERY_MS,
  );
  return (
    <>
      <Filters />
      <Loaded from={read}>
        {({ items, nextCursor }) =>
          items.length === 0 ? (
            <Empty>No changes match this filter.</Empty>
          ) : (
            <>
              <Entries items={items} />
              <Pager nextCursor={nextCursor} />
            </>
          )
        }
      </Loaded>
      <AsCode
        call={{ method: "GET", path: pathWith("/v1/audit", { action, actor, target }) }}
        code={
          "for await (const { at, actor, action, target } of client.audit.list()) console.log(at, actor.id, action, target);"
        }
      />
    </>
  );
}

/** The members that are not undefined. */
function given<T extends object>(members: T): { [Name in keyof T]?: NonNullable<T[Name]> } {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as never;
}

function Filters() {
  const { query } = here.value;
  const target = useSignal(query.get("target") ?? "");
  return (
    <form
      class="bar"
      onSubmit={(event) => {
        event.preventDefault();
        change({ target: target.value, cursor: undefined });
      }}
    >
      <TextField label="Changes of" value={target} placeholder="an id or a name" />
      <button type="submit" class="quiet">
        Find
      </button>
      {[...query.keys()].length > 0 && <a href="#/keys/audit">All changes</a>}
    </form>
  );
}

function Entries({ items }: { items: readonly AuditEntry[] }) {
  return (
    <div class="scroll" tabIndex={0} role="group" aria-label="Changes">
      <table class="list">
        <thead>
          <tr>
            <th scope="col">At</th>
            <th scope="col">By</th>
            <th scope="col">Change</th>
            <th scope="col">Of</th>
            <th scope="col">Detail</th>
            <th scope="col">From</th>
          </tr>
        </thead>
        <tbody>
          {items.map(({ id, at, actor, action, target, detail, ip }) => (
            <tr key={id}>
              <td data-title="At">
                <At at={at} />
              </td>
              <td data-title="By">
                {actor.kind}{" "}
                {actor.id !== null && <a href={hrefTo("keys", "audit", { actor: actor.id })}>{actor.id.slice(-12)}</a>}
              </td>
              <td data-title="Change">
                <a href={hrefTo("keys", "audit", { action })}>{action}</a>
              </td>
              <td data-title="Of">
                <Target target={target} />
              </td>
              <td data-title="Detail">
                <bdi class="mono">{detail === null ? "" : glance(detail)}</bdi>
              </td>
              <td data-title="From">{ip ?? "–"}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** What was changed, as a link to it where it has a view. */
function Target({ target }: { target: string | null }) {
  if (target === null) return <>many</>;
  const [kind] = target.split("_");
  const view = kind === "task" ? "tasks" : kind === "flow" ? "flows" : null;
  return view === null ? <bdi>{target}</bdi> : <a href={hrefTo(view, target)}>{target.slice(-12)}</a>;
}
