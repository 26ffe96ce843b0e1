/** The deliveries that tell of a task. Their ids follow from the task's ends, so that no list of an endpoint is read for them. */

import { isTerminal } from "../../core/states.ts";
import { DEFAULT_WEBHOOK, MAX_WEBHOOKS } from "../../core/webhook.ts";
import { findDeliveries, type SentRow } from "../../results/webhooks/read-deliveries.ts";
import { listWebhooks } from "../../results/webhooks/read.ts";
import type { WebhookRow } from "../../results/webhooks/row.ts";
import { historyOf, type WholeTaskRow } from "../../results/task-row.ts";
import { deliveryTaskIdFor, messageIdOf } from "./ids.ts";

/** Ends that are looked for, the latest: one for each run. */
const MAX_ENDS = 20;

/**
 * A page, newest first, of those before `cursor` (an id), with the endpoints of the tenant by their ids. An end that came without
 * an attempt is found as long as its run is the latest.
 */
export async function deliveriesOf(
  env: Env,
  row: WholeTaskRow,
  cursor: string | null,
  limit: number,
): Promise<{ rows: SentRow[]; webhooks: Map<string, WebhookRow> }> {
  const webhooks = await listWebhooks(env.DB, row.tenant, null, MAX_WEBHOOKS);
  const ids = [DEFAULT_WEBHOOK, ...webhooks.map(({ id }) => id)];
  const places = endsOf(row).flatMap((end) =>
    ids.map(async (webhookId) => ({ webhookId, id: messageIdOf(await deliveryTaskIdFor(webhookId, end)) })),
  );
  const rows = await findDeliveries(env.DB, row.tenant, await Promise.all(places), cursor, limit);
  return { rows, webhooks: new Map(webhooks.map((each) => [each.id, each])) };
}

function endsOf(row: WholeTaskRow): { taskId: string; run: number; finishedAt: number }[] {
  const ends = new Map<number, number>();
  for (const { run, to, finishedAt } of historyOf(row)) if (isTerminal(to)) ends.set(run, finishedAt);
  if (row.finishedAt !== null) ends.set(row.run, row.finishedAt);
  const latest = [...ends].toSorted(([a], [b]) => b - a).slice(0, MAX_ENDS);
  return latest.map(([run, finishedAt]) => ({ taskId: row.id, run, finishedAt }));
}
