/** Operations on many tasks, selected by a filter. */

import { z } from "zod";
import { tagsSchema } from "../../contract/submission.ts";
import { bulkResultSchema, type BulkResult } from "../../contract/task.ts";
import { filterSchema } from "../../contract/task-filter.ts";
import { LANES } from "../../core/bounds.ts";
import { budgetOf } from "../../core/plan.ts";
import { searchOf } from "../../core/search.ts";
import { ARROWS, LIVE_STATES, STATES, TERMINAL_STATES, type State } from "../../core/states.ts";
import { cancel } from "../../engine/cancel.ts";
import { deleteEnded, deleteFlow } from "../../engine/delete.ts";
import { isFlowId, isTaskId } from "../../engine/ids.ts";
import { admitFirst, keepOnly, withCounts } from "../../engine/quota.ts";
import { retry } from "../../engine/retry.ts";
import type { Background } from "../../engine/store.ts";
import type { Audit } from "../../results/audit.ts";
import { readFlow } from "../../results/flows/flows.ts";
import { countMatches, listIds } from "../../results/list-tasks.ts";
import { readEndedFlows } from "../../results/flows/purge.ts";
import { findsTooMany, MAX_FOUND } from "../../results/search.ts";
import type { TaskFilter } from "../../results/task-filter.ts";
import { operation } from "../operation.ts";
import { cursorAfter, pageQuery, readCursor } from "../paging.ts";
import { refuse } from "../problem.ts";

/** D1 statements that a verb needs for one page of tasks, and that finding the page needs. */
const STATEMENTS = { verb: 20, looks: 4 };

const bulkFilterSchema = filterSchema
  .extend({
    state: z.union([z.array(z.enum(STATES)).min(1).max(STATES.length), z.enum(STATES).transform((state) => [state])]),
    tags: tagsSchema.refine((tags) => Object.keys(tags).length > 0, "no tag would mean every task: name at least one"),
    ids: z.array(z.string()).max(10_000),
  })
  .partial()
  .refine(
    (filter) => Object.keys(filter).length > 0,
    "an empty filter would mean everything: name at least one member",
  );

const bulkSchema = z
  .strictObject({ filter: bulkFilterSchema, dryRun: z.boolean().optional(), cursor: pageQuery.cursor })
  .meta({ id: "BulkRequest" });

const bulkCancelSchema = bulkSchema.extend({ undo: z.boolean().optional() }).meta({ id: "BulkCancel" });

interface Acting {
  env: Env;
  background: Background;
  now: number;
  undo: boolean;
  audit: Audit;
}

type Act = (acting: Acting, ids: string[]) => Promise<number>;

export const bulkCancel = bulk(
  "cancel",
  "cancelTasks",
  "Cancel many tasks",
  LIVE_STATES,
  async ({ env, now, undo, audit }, ids) => {
    const after = await cancel(env, ids, null, now, undo, audit);
    return after.filter((task) => task.cancelRequestedAt === now).length;
  },
  bulkCancelSchema,
);

export const bulkRetry = bulk(
  "retry",
  "retryTasks",
  "Run many ended tasks again",
  ARROWS.retry.from,
  async ({ env, background, now, audit }, ids) => {
    return (await retry(env, background, ids, null, now, audit)).length;
  },
);

export const bulkDelete = bulk(
  "delete",
  "deleteTasks",
  "Remove many ended tasks",
  TERMINAL_STATES,
  ({ env, audit }, ids) => deleteEnded(env, ids, audit),
  bulkSchema,
  {
    act: deleteWhole,
    rule: "Members of a flow live as long as it, so no filter finds them but one: `flowId` alone, which removes the whole flow once it has ended.",
  },
);

/** A verb that acts on a whole flow, where the filter is only its id, and never on single members. */
interface OnFlows {
  /** `audit`: null in a dry run. */
  act: (env: Env, tenant: string, flowId: string, audit: Audit | null) => Promise<BulkResult>;
  rule: string;
}

async function deleteWhole(env: Env, tenant: string, flowId: string, audit: Audit | null): Promise<BulkResult> {
  const flow = isFlowId(flowId) ? await readFlow(env.DB, tenant, flowId) : null;
  const [ended] = flow === null ? [] : await readEndedFlows(env.DB, [flow.id]);
  if (ended === undefined) return resultOf(0, 0, null);
  const removal = audit === null ? null : await deleteFlow(env, ended.id, audit);
  return resultOf(ended.size, typeof removal === "object" && removal !== null ? removal.tasks : 0, null);
}

function bulk(
  verb: "cancel" | "retry" | "delete",
  id: string,
  summary: string,
  actsOn: readonly State[],
  act: Act,
  schema: typeof bulkSchema | typeof bulkCancelSchema = bulkSchema,
  onFlows: OnFlows | null = null,
) {
  return operation({
    id,
    method: "post",
    path: `/v1/tasks/${verb}`,
    tag: "tasks",
    summary,
    description:
      "`matched` counts what the filter finds and the verb can act on; with `dryRun` nothing is changed. One request does a bounded amount of work: where that was not all, the answer has a `nextCursor`, with which the same request goes on as its `cursor`; its counts are those of this request alone." +
      (verb === "retry"
        ? " Where the tenant's quota ends it, the 429 has `matched` and `changed` of what was done before."
        : "") +
      (onFlows === null ? "" : ` ${onFlows.rule}`),
    scope: "cancel",
    audits: `tasks.${verb}`,
    body: schema,
    example: { filter: { task: "process_item", createdBefore: "2026-11-01T00:00:00.000Z" }, dryRun: true },
    answers: { 200: { description: "How many", schema: bulkResultSchema } },
    problems: ["not-found", "invalid-cursor", ...(verb === "retry" ? (["quota-exceeded"] as const) : [])],
    async handle({ c, env, principal, body, audit }) {
      const { state, lane, ids, ...rest } = body.filter;
      if (lane !== undefined && !LANES.some((known) => known === lane)) {
        refuse("not-found", `There is no lane ${JSON.stringify(lane)}.`);
      }
      const { flowId } = body.filter;
      if (onFlows !== null && flowId !== undefined && Object.keys(body.filter).length === 1) {
        const entry = body.dryRun === true ? null : audit(flowId, { detail: { filter: body.filter } });
        return c.json(await onFlows.act(env, principal.tenant, flowId, entry), 200);
      }
      const now = Date.now();
      const filter: TaskFilter = {
        ...rest,
        lane,
        now,
        tenant: principal.tenant,
        ids: ids?.filter(isTaskId),
        states: actsOn.filter((each) => state === undefined || state.includes(each)),
        alone: onFlows !== null,
      };
      await refuseTooMany(env, principal.tenant, rest.q);
      const from = readCursor(body.cursor, isTaskId, "/cursor");
      const budget = budgetOf(env);
      const rounds = Math.floor((budget.statements * 0.6) / (STATEMENTS.verb + STATEMENTS.looks));
      if (body.dryRun) {
        const { found, next } = await countMatches(env.DB, filter, from, rounds * STATEMENTS.looks);
        return c.json(resultOf(found, 0, next), 200);
      }
      const undo = "undo" in body && body.undo === true;
      const told = { ...body.filter, ...(ids === undefined ? {} : { ids: ids.length }) };
      const entry = audit(null, { detail: { filter: told, ...(undo ? { undo } : {}) }, isCounted: true });
      const acting = { env, background: c.executionCtx, now, undo, audit: entry };
      let matched = 0;
      let changed = 0;
      let cursor = from;
      for (let round = 0; round < rounds; round++) {
        const page = await listIds(env.DB, filter, cursor, budget.rowsPerBulk, STATEMENTS.looks);
        matched += page.items.length;
        const room = verb === "retry" ? await roomFor(env, principal.tenant, page.items.length, now) : null;
        const items = room === null ? page.items : page.items.slice(0, room.admitted);
        const run = () => act(acting, items);
        const admitted = { tasks: room?.admitted ?? 0 };
        if (room !== null) changed += await keepOnly(principal.tenant, admitted, run, (tasks) => ({ tasks }));
        else if (items.length > 0) changed += await run();
        if (room?.refusal)
          await withCounts(
            () => ({ matched, changed }),
            () => Promise.reject(room.refusal!),
          );
        cursor = page.next;
        if (cursor === null) break;
      }
      return c.json(resultOf(matched, changed, cursor), 200);
    },
  });
}

/** Refuses words that find too many tasks. A list may leave out the oldest of them; a verb that did so would seem to have reached all. */
async function refuseTooMany(env: Env, tenant: string, q: string | undefined): Promise<void> {
  const { words } = searchOf(q ?? "");
  if (words.length === 0 || !(await findsTooMany(env.DB, tenant, words))) return;
  const detail = `More than ${MAX_FOUND} tasks have these words, ended ones included: give more words, or find the tasks by other filters.`;
  refuse("invalid-body", detail, [{ pointer: "/filter/q", detail: "finds too many tasks" }]);
}

/** How many of `count` tasks the tenant's quota lets run again, and why no more. */
function roomFor(env: Env, tenant: string, count: number, now: number) {
  return admitFirst(
    env,
    tenant,
    Array.from({ length: count }, () => ONE_TASK),
    now,
  );
}

const ONE_TASK = { tasks: 1, bytes: 0, signals: 0 };

function resultOf(matched: number, changed: number, next: string | null): BulkResult {
  return { matched, changed, ...(next === null ? {} : { nextCursor: cursorAfter(next) }) };
}
