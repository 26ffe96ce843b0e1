/** The webhook deliveries that tell of a task. */

import { DeliveryTable } from "../webhooks/delivery-table.tsx";
import { Empty, Loaded } from "../parts/loading.tsx";
import { usePolled } from "../polled.ts";
import { client } from "../session.ts";
import type { DeliveryResource } from "../../../contract/webhook.ts";
import type { TabProps } from "./tab-props.ts";

/** So many endpoints are looked through, and so many of the latest deliveries of each. */
const ENDPOINTS = 20;
const LATEST = 200;
const EVERY_MS = 10_000;

export function DeliveriesOfTask({ task }: TabProps) {
  const read = usePolled(`deliveries of ${task.id}`, (signal) => deliveriesOf(task.id, signal), EVERY_MS);
  return (
    <Loaded from={read}>
      {(found) =>
        found.length === 0 ? (
          <Empty>No endpoint was told of this task, as far as its latest {LATEST} deliveries show.</Empty>
        ) : (
          <>
            {found.map(({ webhook, deliveries }) => (
              <DeliveryTable key={webhook} webhook={webhook} deliveries={deliveries} />
            ))}
          </>
        )
      }
    </Loaded>
  );
}

async function deliveriesOf(
  id: string,
  signal: AbortSignal,
): Promise<{ webhook: string; deliveries: DeliveryResource[] }[]> {
  const { items } = await client().webhooks.list({ limit: ENDPOINTS, signal }).page();
  const found = await Promise.all(
    items.map(async ({ id: webhook }) => {
      const page = await client().webhooks.deliveries(webhook, { limit: LATEST, signal }).page();
      return { webhook, deliveries: page.items.filter(({ taskId }) => taskId === id) };
    }),
  );
  return found.filter(({ deliveries }) => deliveries.length > 0);
}
