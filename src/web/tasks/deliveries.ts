/** `GET /v1/tasks/{id}/deliveries`. */

import { z } from "zod";
import { taskDeliveryListSchema, type TaskDelivery } from "../../contract/webhook.ts";
import { isMessageId } from "../../engine/webhooks/ids.ts";
import { deliveriesOf } from "../../engine/webhooks/of-task.ts";
import { jsonOf } from "../../results/task-row.ts";
import type { SentRow } from "../../results/webhooks/read-deliveries.ts";
import { operation } from "../operation.ts";
import { cursorAfter, page, pageQuery, readCursor } from "../paging.ts";
import { presentDelivery } from "../webhooks/present.ts";
import { findRow } from "./shared.ts";

export const listTaskDeliveries = operation({
  id: "listTaskDeliveries",
  method: "get",
  path: "/v1/tasks/{id}/deliveries",
  tag: "tasks",
  summary: "List the webhook deliveries that tell of a task, newest first",
  description:
    "To every endpoint and to the submission's own, with what was sent, every attempt and what the receiver answered. They are kept for a week after their end.",
  scope: "read",
  query: z.strictObject(pageQuery),
  answers: { 200: { description: "A page of deliveries", schema: taskDeliveryListSchema, headers: ["Link"] } },
  problems: ["not-found", "invalid-cursor", "unavailable"],
  async handle({ c, env, principal, params, query }) {
    const limit = query.limit ?? 50;
    const cursor = readCursor(query.cursor, isMessageId);
    const row = await findRow(env, principal, params["id"]!);
    const { rows, webhooks } = await deliveriesOf(env, row, cursor, limit + 1);
    const shown = rows.slice(0, limit);
    const items = shown.map((each) => present(each, webhooks.get(each.webhookId)?.url ?? ""));
    return page(c, items, rows.length > limit ? cursorAfter(shown.at(-1)!.id) : null);
  },
});

function present(row: SentRow, url: string): TaskDelivery {
  const request = jsonOf<{ payload: unknown }>(row.input)?.payload ?? null;
  return { ...presentDelivery(row, { url }), webhookId: row.webhookId, request };
}
