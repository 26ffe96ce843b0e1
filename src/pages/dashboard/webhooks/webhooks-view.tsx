/** Webhooks: the endpoints, or one with its deliveries. */

import { here, hrefTo } from "../address.ts";
import { AsCode } from "../parts/as-code.tsx";
import { Badge } from "../parts/badge.tsx";
import { Empty, Loaded } from "../parts/loading.tsx";
import { Pager } from "../parts/pager.tsx";
import { Age } from "../parts/time.tsx";
import { usePolled } from "../polled.ts";
import { client } from "../session.ts";
import { Endpoint } from "./endpoint.tsx";
import { askCreate } from "./endpoint-acts.tsx";

const EVERY_MS = 10_000;

export function WebhooksView() {
  const { id } = here.value;
  return id === null ? <Endpoints /> : <Endpoint key={id} id={id} />;
}

function Endpoints() {
  const cursor = here.value.query.get("cursor");
  const read = usePolled(
    `webhooks ${cursor ?? ""}`,
    (signal) => client().webhooks.list({ signal }).page(cursor),
    EVERY_MS,
  );
  return (
    <>
      <div class="bar">
        <h1>Webhooks</h1>
        <button type="button" class="quiet" onClick={() => askCreate()}>
          New endpoint…
        </button>
      </div>
      <Loaded from={read}>
        {({ items, nextCursor }) =>
          items.length === 0 ? (
            <Empty>
              <h2>No endpoint</h2>
              <p>An endpoint is told when tasks end, by a request that is signed (Standard Webhooks).</p>
            </Empty>
          ) : (
            <>
              <div class="scroll" tabIndex={0} role="group" aria-label="Endpoints">
                <table class="list">
                  <thead>
                    <tr>
                      <th scope="col">State</th>
                      <th scope="col">Address</th>
                      <th scope="col">Events</th>
                      <th scope="col">Fails since</th>
                      <th scope="col">Age</th>
                    </tr>
                  </thead>
                  <tbody>
                    {items.map((each) => (
                      <tr key={each.id}>
                        <td data-title="State">
                          <Badge state={each.paused ? "paused" : each.failingSince === null ? "succeeded" : "failed"}>
                            {each.paused ? "paused" : each.failingSince === null ? "ok" : "failing"}
                          </Badge>
                        </td>
                        <td data-title="Address">
                          <a href={hrefTo("webhooks", each.id)}>
                            <bdi>{each.url}</bdi>
                          </a>{" "}
                          <bdi class="soft">{each.description}</bdi>
                        </td>
                        <td data-title="Events">{each.events.map((event) => event.replace("task.", "")).join(", ")}</td>
                        <td data-title="Fails since">
                          <Age at={each.failingSince} />
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
        call={{ method: "GET", path: "/v1/webhooks" }}
        code={"for await (const { id, url } of client.webhooks.list()) console.log(id, url);"}
      />
    </>
  );
}
