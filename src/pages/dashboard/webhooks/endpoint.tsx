/** An endpoint: its state, and its deliveries. */

import { here } from "../address.ts";
import { AsCode } from "../parts/as-code.tsx";
import { Badge } from "../parts/badge.tsx";
import { Empty, Loaded } from "../parts/loading.tsx";
import { Pager } from "../parts/pager.tsx";
import { Age } from "../parts/time.tsx";
import { usePolled } from "../polled.ts";
import { client } from "../session.ts";
import { literal } from "../call.ts";
import { many } from "../words.ts";
import type { DeliveryResource } from "../../../contract/webhook.ts";
import { DeliveryTable } from "./delivery-table.tsx";
import { EndpointActs } from "./endpoint-acts.tsx";

const EVERY_MS = 5_000;

export function Endpoint({ id }: { id: string }) {
  const cursor = here.value.query.get("cursor");
  const read = usePolled(`webhook ${id}`, (signal) => client().webhooks.get(id, { signal }), EVERY_MS);
  const deliveries = usePolled(
    `deliveries ${id} ${cursor ?? ""}`,
    (signal) => client().webhooks.deliveries(id, { signal }).page(cursor),
    EVERY_MS,
  );
  return (
    <>
      <p class="path">
        <a href="#/webhooks">Webhooks</a> / <code>{id}</code>
      </p>
      <Loaded from={read}>
        {(webhook) => (
          <header class="head">
            <h1>
              <bdi>{webhook.url}</bdi> {webhook.paused && <Badge state="paused" />}
            </h1>
            {webhook.pausedReason !== null && <p class="error">It was paused: {webhook.pausedReason}</p>}
            {webhook.failingSince !== null && (
              <p class="error">
                Every attempt has failed for <Age at={webhook.failingSince} />.
              </p>
            )}
            <p class="soft">
              It is told of {webhook.events.join(", ")}
              {webhook.payload === "thin" ? ", without inputs and results" : ""}.
            </p>
            <EndpointActs webhook={webhook} />
          </header>
        )}
      </Loaded>
      <h2>Deliveries</h2>
      <Loaded from={deliveries}>
        {({ items, nextCursor }) =>
          items.length === 0 ? (
            <Empty>Nothing was delivered yet. A test event tells whether the receiver answers.</Empty>
          ) : (
            <>
              <p class="soft">{rateWords(items)}</p>
              <DeliveryTable webhook={id} deliveries={items} />
              <Pager nextCursor={nextCursor} />
            </>
          )
        }
      </Loaded>
      <AsCode
        call={{ method: "GET", path: `/v1/webhooks/${id}/deliveries` }}
        code={`const { items } = await client.webhooks.deliveries(${literal(id)}).page();`}
      />
    </>
  );
}

function rateWords(items: readonly DeliveryResource[]): string {
  const ended = items.filter(({ state }) => state === "succeeded" || state === "failed");
  const taken = ended.filter(({ state }) => state === "succeeded").length;
  if (ended.length === 0) return "None of these has ended yet.";
  return `${taken} of ${many(ended.length, "delivery", "deliveries")} on this page ${taken === 1 ? "was" : "were"} taken (${Math.round((taken / ended.length) * 100)} %).`;
}
