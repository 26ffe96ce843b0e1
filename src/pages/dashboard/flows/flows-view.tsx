/** Flows: the list, or one as a graph. */

import type { FlowFilter } from "../../../client/index.ts";
import { change, here, hrefTo } from "../address.ts";
import { literal, pathWith } from "../call.ts";
import { AsCode } from "../parts/as-code.tsx";
import { Badge } from "../parts/badge.tsx";
import { Empty, Loaded } from "../parts/loading.tsx";
import { Pager } from "../parts/pager.tsx";
import { Age } from "../parts/time.tsx";
import { usePolled } from "../polled.ts";
import { now } from "../reach.ts";
import { client } from "../session.ts";
import { durationWords } from "../words.ts";
import { FlowView } from "./flow-view.tsx";

const EVERY_MS = 3_000;
const FLOW_STATES = ["running", "succeeded", "failed", "cancelled"] as const;

export function FlowsView() {
  const { id } = here.value;
  return id === null ? <FlowList /> : <FlowView key={id} id={id} />;
}

function FlowList() {
  const { query } = here.value;
  const cursor = query.get("cursor");
  const state = FLOW_STATES.find((each) => each === query.get("state"));
  const filter: FlowFilter = state === undefined ? {} : { state };
  const read = usePolled(
    `flows ${state ?? ""} ${cursor ?? ""}`,
    (signal) => client().flows.list(filter, { signal }).page(cursor),
    EVERY_MS,
  );
  return (
    <>
      <div class="bar">
        <h1>Flows</h1>
        <label>
          State{" "}
          <select
            value={state ?? ""}
            onChange={(event) => change({ state: event.currentTarget.value, cursor: undefined })}
          >
            <option value="">all</option>
            {FLOW_STATES.map((each) => (
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
              <h2>No flow{state === undefined ? " yet" : ` is ${state}`}</h2>
              <p>
                A flow is a graph of tasks: chains, groups, chords, maps. <code>POST /v1/flows</code> takes one as data.
              </p>
            </Empty>
          ) : (
            <>
              <div class="scroll" tabIndex={0} role="group" aria-label="Flows">
                <table class="list">
                  <thead>
                    <tr>
                      <th scope="col">State</th>
                      <th scope="col">Flow</th>
                      <th scope="col">Took</th>
                      <th scope="col">Deadline</th>
                      <th scope="col">Age</th>
                    </tr>
                  </thead>
                  <tbody>
                    {items.map((each) => (
                      <tr key={each.id} data-flow={each.id}>
                        <td data-title="State">
                          <Badge state={each.state} />
                        </td>
                        <td data-title="Flow">
                          <a class="strong" href={hrefTo("flows", each.id)}>
                            {each.id}
                          </a>
                        </td>
                        <td data-title="Took">
                          {durationWords(
                            Math.max(
                              0,
                              (each.finishedAt === null ? now.value : Date.parse(each.finishedAt)) -
                                Date.parse(each.createdAt),
                            ),
                          )}
                        </td>
                        <td data-title="Deadline">
                          <Age at={each.deadline} />
                        </td>
                        <td data-title="Age">
                          <Age at={each.createdAt} />
                        </td>
                      </tr>
                    ))}
                  </tbody>
                </table>
              </div>
              <Pager nextCursor={nextCursor} />
            </>
          )
        }
      </Loaded>
      <AsCode
        call={{ method: "GET", path: pathWith("/v1/flows", { state }) }}
        code={`for await (const { id, state } of client.flows.list(${literal(filter)})) console.log(id, state);`}
      />
    </>
  );
}
