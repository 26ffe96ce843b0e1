/** Lanes and limits: what is used, what waits, and what an operator has changed. */

import { here } from "../address.ts";
import { AsCode } from "../parts/as-code.tsx";
import { Empty, Loaded } from "../parts/loading.tsx";
import { Pager } from "../parts/pager.tsx";
import { usePolled } from "../polled.ts";
import { client } from "../session.ts";
import { LaneTable } from "./lane-table.tsx";
import { LimitTable } from "./limit-table.tsx";

const EVERY_MS = 3_000;

export function LimitsView() {
  const cursor = here.value.query.get("cursor");
  const key = here.value.query.get("key");
  const limits = usePolled(
    `limits ${cursor ?? ""}`,
    (signal) => client().limits.list({ signal }).page(cursor),
    EVERY_MS,
  );
  return (
    <>
      <h1>Lanes</h1>
      <Lanes />
      <h2>Limits</h2>
      <Loaded from={limits}>
        {({ items, nextCursor }) =>
          items.length === 0 ? (
            <Empty>
              No limit is in use. A definition sets one with <code>concurrency</code> or <code>rate</code>, a submission
              with <code>options.concurrency</code>.
            </Empty>
          ) : (
            <>
              <LimitTable limits={items} marked={key} />
              <Pager nextCursor={nextCursor} />
            </>
          )
        }
      </Loaded>
      <AsCode
        call={{ method: "GET", path: "/v1/limits" }}
        code={"for await (const { id, used, limit } of client.limits.list()) console.log(id, used, limit);"}
      />
    </>
  );
}

/** The lanes, also on the first view. */
export function Lanes() {
  const read = usePolled("lanes", (signal) => client().lanes.list({ signal }), EVERY_MS);
  return <Loaded from={read}>{(lanes) => <LaneTable lanes={lanes} />}</Loaded>;
}
