/** What the operations on tasks have in common. */

import { z } from "zod";
import type { TaskResource } from "../../contract/task.ts";
import { isTerminal } from "../../core/states.ts";
import { isTaskId } from "../../engine/ids.ts";
import { LINK_TTL, signLinks } from "../../engine/links.ts";
import { presentTask, type View } from "../../engine/present.ts";
import { progressObject } from "../../engine/tell.ts";
import { OBJECT } from "../../core/wake.ts";
import type { Progress } from "../../core/define-task.ts";
import { readTask } from "../../results/read-tasks.ts";
import type { WholeTaskRow } from "../../results/task-row.ts";
import { refuse } from "../problem.ts";
import type { Principal } from "../principal.ts";

/** Asks for links that carry a token; `linksTtl` is seconds. */
export const linkQuery = z.strictObject({
  links: z.enum(["signed"]).optional(),
  linksTtl: z
    .string()
    .regex(/^\d{1,6}$/, "seconds, as a whole number")
    .transform(Number)
    .refine((seconds) => seconds >= 1 && seconds <= LINK_TTL.max, `1 to ${LINK_TTL.max} seconds`)
    .optional(),
});

export type LinkQuery = z.output<typeof linkQuery>;

/** The tenant's task; 404 as if it did not exist where it is somebody else's. */
export async function findRow(env: Env, principal: Principal, id: string): Promise<WholeTaskRow> {
  const row = isTaskId(id) ? await readTask(env.DB, principal.tenant, id) : null;
  return row ?? refuse("not-found", "There is no task with this id.");
}

/** The resource as this caller sees it. */
export async function show(
  env: Env,
  principal: Principal,
  row: WholeTaskRow,
  query: LinkQuery = {},
  view: View = {},
): Promise<TaskResource> {
  const task = presentTask(row, { ...view, stacks: principal.scopes.has("admin") });
  return query.links ? signLinks(env, principal.tenant, task, query.linksTtl ?? LINK_TTL.default) : task;
}

/** The same with the progress of a task that is alive, which only its object knows. */
export async function showLive(
  env: Env,
  principal: Principal,
  row: WholeTaskRow,
  query: LinkQuery = {},
): Promise<TaskResource> {
  const task = await show(env, principal, row, query, { attempts: true });
  if (isTerminal(row.state) || !(row.object & OBJECT.used)) return task;
  const latest = await progressObject(env, row.id)
    .latestProgress()
    .catch(() => null);
  return latest ? { ...task, progress: latest.data as Progress } : task;
}

/** Seconds until it is worth asking again: the start of what waits, more patience for what has run for long. */
export function retryAfter(row: WholeTaskRow, now: number): number {
  if (row.state === "scheduled" || row.state === "retrying") {
    return Math.max(1, Math.min(3_600, Math.ceil((row.runAt - now) / 1_000)));
  }
  return Math.max(1, Math.min(30, Math.round((now - row.createdAt) / 10_000)));
}
