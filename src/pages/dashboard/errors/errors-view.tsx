/** The errors that tasks fail with, in groups. */

import { change, here } from "../address.ts";
import { literal, pathWith } from "../call.ts";
import { AsCode } from "../parts/as-code.tsx";
import { Empty, Loaded } from "../parts/loading.tsx";
import { Pager } from "../parts/pager.tsx";
import { usePolled } from "../polled.ts";
import { client } from "../session.ts";
import { msOf } from "../words.ts";
import { ErrorTable } from "./error-table.tsx";

const EVERY_MS = 5_000;
const STATES = ["open", "resolved", "ignored"] as const;
const TIMES = ["1h", "24h", "7d"] as const;

export function ErrorsView() {
  const { query } = here.value;
  const cursor = query.get("cursor");
  const shown = query.get("state") ?? "open";
  const state = STATES.find((each) => each === shown);
  const isNew = TIMES.find((each) => each === query.get("new"));
  const given = () => ({
    ...(state === undefined ? {} : { state }),
    ...(isNew === undefined ? {} : { newSince: new Date(Date.now() - msOf(isNew)!) }),
  });
  const read = usePolled(
    `errors ${shown} ${isNew ?? ""} ${cursor ?? ""}`,
    (signal) =>
      client()
        .errors.list({ ...given(), signal })
        .page(cursor),
    EVERY_MS,
  );
  const newSince = given().newSince?.toISOString();
  return (
    <>
      <div class="bar">
        <h1>Errors</h1>
        <label>
          State{" "}
          <select value={shown} onChange={(event) => change({ state: event.currentTarget.value, cursor: undefined })}>
            {[...STATES, "all"].map((each) => (
              <option key={each} value={each}>
                {each}
              </option>
            ))}
          </select>
        </label>
        <label>
          New in{" "}
          <select
            value={isNew ?? ""}
            onChange={(event) => change({ new: event.currentTarget.value, cursor: undefined })}
          >
            <option value="">any time</option>
            {TIMES.map((each) => (
              <option key={each} value={each}>
                {each}
              </option>
            ))}
          </select>
        </label>
      </div>
      <Loaded from={read}>
        {({ items, nextCursor }) =>
          items.length === 0 ? (
            <Empty>
              {shown === "open" && isNew === undefined
                ? "No error is open. What tasks fail with appears here, the same errors together."
                : "No error fits this choice."}
            </Empty>
          ) : (
            <>
              <ErrorTable groups={items} />
              <Pager nextCursor={nextCursor} />
            </>
          )
        }
      </Loaded>
      <AsCode
        call={{ method: "GET", path: pathWith("/v1/errors", { state, newSince }) }}
        code={`for await (const { type, message, count } of client.errors.list(${literal({ state })})) console.log(type, message, count);`}
      />
    </>
  );
}
