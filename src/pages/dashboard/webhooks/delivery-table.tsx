/** Deliveries of an endpoint, each with its attempts. */

import type { DeliveryResource } from "../../../contract/webhook.ts";
import { ask } from "../acts.ts";
import { hrefTo } from "../address.ts";
import { literal } from "../call.ts";
import { Badge } from "../parts/badge.tsx";
import { Age, At } from "../parts/time.tsx";
import { client, may } from "../session.ts";
import { shortened } from "../words.ts";

interface DeliveryTableProps {
  /** The endpoint of the deliveries that do not name theirs. */
  webhook?: string;
  deliveries: readonly (DeliveryResource & { webhookId?: string })[];
}

export function DeliveryTable({ webhook = "", deliveries }: DeliveryTableProps) {
  return (
    <div class="scroll" tabIndex={0} role="group" aria-label="Deliveries">
      <table class="list">
        <thead>
          <tr>
            <th scope="col">State</th>
            <th scope="col">Event</th>
            <th scope="col">Task</th>
            <th scope="col">Attempts</th>
            <th scope="col">Age</th>
            <th scope="col">
              <span class="unseen">Acts</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {deliveries.map((each) => (
            <tr key={each.id}>
              <td data-title="State">
                <Badge state={each.state} />
              </td>
              <td data-title="Event">{each.type}</td>
              <td data-title="Task">
                {each.taskId === null ? "–" : <a href={hrefTo("tasks", each.taskId)}>{each.taskId.slice(-8)}</a>}
              </td>
              <td data-title="Attempts">
                <Attempts delivery={each} />
              </td>
              <td data-title="Age">
                <Age at={each.createdAt} />
              </td>
              <td class="acts-cell">
                {may("admin") && (
                  <button type="button" class="quiet" onClick={() => askReplay(each.webhookId ?? webhook, each.id)}>
                    Replay…<span class="unseen"> {each.id.slice(-8)}</span>
                  </button>
                )}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Attempts({ delivery }: { delivery: DeliveryResource }) {
  const { attempts, nextAttemptAt } = delivery;
  return (
    <ul class="attempts">
      {attempts.map(({ at, status, error }) => (
        <li key={at} data-ok={error === null}>
          <At at={at} /> <b>{status ?? "no answer"}</b> <bdi class="soft">{shortened(error ?? "", 160)}</bdi>
        </li>
      ))}
      {nextAttemptAt !== null && (
        <li>
          next <Age at={nextAttemptAt} />
        </li>
      )}
    </ul>
  );
}

function askReplay(webhook: string, id: string): void {
  ask({
    title: "Replay the delivery",
    verb: "Replay",
    words: <p>The receiver is told again, under the same id.</p>,
    call: () => ({ method: "POST", path: `/v1/webhooks/${webhook}/deliveries/${id}/replay` }),
    code: () => `await client.webhooks.replayDelivery(${literal(webhook)}, ${literal(id)});`,
    run: async () => {
      await client().webhooks.replayDelivery(webhook, id);
      return "The delivery is made again";
    },
  });
}
