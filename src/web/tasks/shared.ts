/** What the operations on tasks have in common. */

import { z } from "zod";
import type { TaskResource } from "../../contract/task.ts";
import { isTaskId } from "../../engine/ids.ts";
import { linkKeys } from "../../engine/keys/link-keys.ts";
import { LINK_TTL, signLinks } from "../../engine/keys/links.ts";
import { liveProgress, runningProgress } from "../../engine/events/live-progress.ts";
import { presentStub, presentTask, type View } from "../../engine/present.ts";
import { waitForEnd, type Patience } from "../../engine/events/await-end.ts";
import { readTask } from "../../results/read-tasks.ts";
import { readTaskTogether } from "../../results/read-together.ts";
import type { WholeTaskRow } from "../../results/task-row.ts";
import type { AppContext } from "../app-context.ts";
import { refuse } from "../problem.ts";
import { may, type Principal } from "../principal.ts";
import { wholeNumber } from "../request.ts";

/** Asks for links that carry a token. */
export const linkQuery = z.strictObject({
  links: z
    .enum(["signed"])
    .optional()
    .meta({ description: "Gives each of the task's links a token, so that it works without a key" }),
  linksTtl: wholeNumber(1, LINK_TTL.max)
    .optional()
    .meta({ description: `Seconds that the links are valid, ${LINK_TTL.default} unless given` }),
});

export type LinkQuery = z.output<typeof linkQuery>;

/** The tenant's task; 404 where there is none, and also for a task of another tenant. */
export async function findRow(env: Env, principal: Principal, id: string): Promise<WholeTaskRow> {
  const row = isTaskId(id) ? await readTask(env.DB, principal.tenant, id) : null;
  return row ?? refuseUnknown();
}

/** As {@link findRow}, for a read that shares its call to D1 with those of concurrent requests. */
export async function findRowTogether(c: AppContext, principal: Principal, id: string): Promise<WholeTaskRow> {
  const row = isTaskId(id) ? await readTaskTogether(c.env.DB, c.executionCtx, principal.tenant, id) : null;
  return row ?? refuseUnknown();
}

/** The task once it has ended, or as it is when the caller's wait is over. */
export async function findEnded(env: Env, principal: Principal, id: string, patience: Patience): Promise<WholeTaskRow> {
  const row = isTaskId(id) ? await waitForEnd(env, principal.tenant, id, patience) : null;
  return row ?? refuseUnknown();
}

function refuseUnknown(): never {
  refuse("not-found", "There is no task with this id.");
}

/**
 * The resource as this caller sees it, to be written by `answerJson`; without the right to read it is little more than the
 * state. The caller whose request created the task (`isOwn`) may read it, and get links to follow and cancel it.
 */
export async function show(
  env: Env,
  principal: Principal,
  row: WholeTaskRow,
  query: LinkQuery = {},
  view: View = {},
  isOwn = false,
): Promise<TaskResource> {
  const read = isOwn || may(principal, "read");
  const task = read
    ? presentTask(row, { ...view, texts: true, stacks: principal.scopes.has("admin") })
    : presentStub(row);
  if (!query.links) return task;
  if (principal.isLink) refuse("forbidden", "A link makes no further links. Ask with a key.");
  const rights = { read, cancel: isOwn || may(principal, "cancel") };
  return signLinks(env, principal, principal.tenant, task, query.linksTtl ?? LINK_TTL.default, rights);
}

/** Makes sure that links can be signed, before a task is stored for which they are wanted. */
export async function prepareLinks(env: Env, query: LinkQuery): Promise<void> {
  if (query.links) await linkKeys(env, Date.now());
}

/** As {@link show}, with the progress of a task that has not ended, which only its object has. */
export async function showLive(
  env: Env,
  principal: Principal,
  row: WholeTaskRow,
  query: LinkQuery = {},
): Promise<TaskResource> {
  const task = await show(env, principal, row, query, { attempts: true });
  return { ...task, progress: (await liveProgress(env, row)) ?? task.progress };
}

/** A list of tasks, with the progress of those that run. */
export async function showAll(env: Env, principal: Principal, rows: WholeTaskRow[]): Promise<TaskResource[]> {
  const running = await runningProgress(env, rows);
  const tasks = await Promise.all(rows.map((row) => show(env, principal, row)));
  return tasks.map((task) => ({ ...task, progress: running.get(task.id) ?? task.progress }));
}

/** Sets the headers that say where to read the task, and when to ask again. */
export function pointTo(c: AppContext, row: WholeTaskRow): void {
  c.header("Location", `/v1/tasks/${row.id}`);
  c.header("Retry-After", String(retryAfter(row, Date.now())));
}

/** Seconds until the caller should ask again: until a waiting task's start; longer the longer a task has run. */
export function retryAfter(row: WholeTaskRow, now: number): number {
  if (row.state === "scheduled" || row.state === "retrying") {
    return Math.max(1, Math.min(3_600, Math.ceil((row.runAt - now) / 1_000)));
  }
  return Math.max(1, Math.min(30, Math.round((now - row.createdAt) / 10_000)));
}
