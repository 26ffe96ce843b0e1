/** The webhook deliveries that tell of a task, each with its request and what was answered. */

import { literal } from "../call.ts";
import { AsCode } from "../parts/as-code.tsx";
import { JsonView } from "../parts/json-view.tsx";
import { Empty, Loaded } from "../parts/loading.tsx";
import { usePolled } from "../polled.ts";
import { client } from "../session.ts";
import { DeliveryTable } from "../webhooks/delivery-table.tsx";
import type { TabProps } from "./tab-props.ts";

/** The most deliveries that are shown, the latest. */
const MOST = 50;
const EVERY_MS = 10_000;

export function DeliveriesOfTask({ task: { id } }: TabProps) {
  const read = usePolled(
    `deliveries of ${id}`,
    (signal) => client().deliveries(id, { limit: MOST, signal }).page(),
    EVERY_MS,
  );
  return (
    <>
      <Loaded from={read}>
        {({ items, nextCursor }) =>
          items.length === 0 ? (
            <Empty>No endpoint was told of this task. Endpoints are told when a task ends.</Empty>
          ) : (
            <>
              <DeliveryTable deliveries={items} />
              {nextCursor !== null && <p class="hint">These are the latest {MOST}.</p>}
              {items.map(({ id: delivery, type, url, request }) => (
                <details key={delivery}>
                  <summary>
                    The request: {type} to <bdi>{url}</bdi>
                  </summary>
                  {request === null ? (
                    <p class="hint">It is too large to be shown here.</p>
                  ) : (
                    <JsonView value={request} label={`request ${delivery.slice(-8)}`} />
                  )}
                </details>
              ))}
            </>
          )
        }
      </Loaded>
      <AsCode
        call={{ method: "GET", path: `/v1/tasks/${id}/deliveries` }}
        code={`const { items } = await client.deliveries(${literal(id)}).page();`}
      />
    </>
  );
}
