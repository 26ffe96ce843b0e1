/** `GET /v1/waits`. */

import { z } from "zod";
import { signalWaitListSchema, type SignalWait } from "../../contract/wait.ts";
import type { AskedSignal } from "../../core/settle.ts";
import { isTaskId } from "../../engine/ids.ts";
import { jsonOf } from "../../results/task-row.ts";
import { listWaits, type WaitPlace, type WaitRow } from "../../results/waits.ts";
import { operation } from "../operation.ts";
import { cursorAfter, page, pageQuery, readCursor } from "../paging.ts";

export const listWaitsOperation = operation({
  id: "listWaits",
  method: "get",
  path: "/v1/waits",
  tag: "tasks",
  summary: "List what waits for a signal, the newest tasks first",
  description:
    "Tasks in `ctx.waitForSignal`, an item for each signal that a task waits for. The first signal that fits, or the timeout, ends the wait.",
  scope: "read",
  query: z.strictObject(pageQuery),
  answers: { 200: { description: "A page of waits", schema: signalWaitListSchema, headers: ["Link"] } },
  problems: ["invalid-cursor"],
  async handle({ c, env, principal, query }) {
    const { limit = 50, cursor } = query;
    const after = readCursor(cursor, (text) => placeOf(text) !== null);
    const rows = await listWaits(env.DB, principal.tenant, after === null ? null : placeOf(after), limit);
    const last = rows.length > limit ? rows[limit - 1]! : null;
    return page(c, rows.slice(0, limit).map(present), last && cursorAfter(`${last.taskId}:${last.place}`));
  },
});

function placeOf(text: string): WaitPlace | null {
  const [taskId = "", place = "", ...more] = text.split(":");
  return isTaskId(taskId) && /^\d{1,9}$/.test(place) && more.length === 0 ? { taskId, place: Number(place) } : null;
}

function present({ taskId, task, name, asked, until, suspendedAt }: WaitRow): SignalWait {
  const known = jsonOf<AskedSignal>(asked) ?? { since: suspendedAt, until, schema: null };
  return {
    taskId,
    task,
    name,
    schema: known.schema,
    since: new Date(known.since).toISOString(),
    until: known.until === null ? null : new Date(known.until).toISOString(),
  };
}
