/** `POST /v1/tasks` and `POST /v1/tasks/batch`. */

import { log } from "../../core/log.ts";
import { z } from "zod";
import { presentProblem, problemSchema } from "../../contract/problem.ts";
import { batchSchema, submissionSchema } from "../../contract/submission.ts";
import { submittedTaskSchema, taskSchema } from "../../contract/task.ts";
import type { Loss } from "../../core/json-text.ts";
import { inside, partsOf } from "../../core/path.ts";
import { MAX_FAULTS, ProblemError, withFewerFaults, type Problem } from "../../core/problems.ts";
import { newTaskIds } from "../../engine/ids.ts";
import { prepare, prepareSubmission, type Origin, type Prepared } from "../../engine/prepare.ts";
import { submit } from "../../engine/submit.ts";
import { waitAt, waitForEnd, type Patience } from "../../engine/events/await-end.ts";
import { Waiter } from "../../engine/events/end-listener.ts";
import { isTerminal } from "../../core/states.ts";
import { OBJECT } from "../../core/wake.ts";
import type { NewTask } from "../../results/new-task.ts";
import type { WholeTaskRow } from "../../results/task-row.ts";
import { answerJson } from "../answer-json.ts";
import { requestKey } from "../idempotency.ts";
import type { AppContext } from "../app-context.ts";
import { lossProblem, operation } from "../operation.ts";
import { may, type Principal } from "../principal.ts";
import { refuse } from "../problem.ts";
import { confirmWait, preferredWait, traceparentOf } from "../request.ts";
import { linkQuery, prepareLinks, retryAfter, show } from "./shared.ts";

export const submitTask = operation({
  id: "submitTask",
  method: "post",
  path: "/v1/tasks",
  tag: "tasks",
  summary: "Submit a task",
  description:
    "Answers at once; the work goes on in the background. With `Prefer: wait=N` it answers the ended task if that comes in time.",
  scope: "submit",
  headers: {
    "Idempotency-Key": "Makes repeating the request safe",
    Prefer: "`wait=N`: seconds to wait for the end, at most 60",
    traceparent: "The caller's trace, which the task continues",
  },
  query: linkQuery,
  body: submissionSchema,
  example: { task: "process_item", input: { name: "herb garden" }, options: { tags: { customer: "42" } } },
  answers: {
    200: {
      description: "The task, which has ended within the time to wait",
      schema: submittedTaskSchema,
      headers: ["Location", "Preference-Applied", "Idempotency-Replayed"],
    },
    202: {
      description: "The task, accepted",
      schema: submittedTaskSchema,
      headers: ["Location", "Retry-After", "Preference-Applied", "Idempotency-Replayed"],
    },
  },
  problems: ["unknown-task", "gone", "invalid-input", "idempotency-key-reused", "quota-exceeded", "lane-draining"],
  async handle({ c, env, principal, query, body }) {
    const now = Date.now();
    const key = await requestKey(c, principal, body);
    const origin = originOf(c, principal);
    await prepareLinks(env, query);
    const prepared = prepareSubmission(env, body, origin, newTaskIds(1)[0]!, now);
    const wait = preferredWait(c);
    const wanted = wait && prepared.ok ? awaited(env, prepared.task) : null;
    try {
      const { items, replayed } = await submit(env, c.executionCtx, [prepared], key, now);
      const item = items[0]!;
      if (!item.ok) throw new ProblemError(item.problem);
      if (replayed) c.header("Idempotency-Replayed", "true");
      c.header("Location", `/v1/tasks/${item.row.id}`);
      confirmWait(c, wait);

      const patience = { ms: (wait ?? 0) * 1_000, signal: c.req.raw.signal };
      const row = wait ? await endOf(env, item.row, wanted, patience) : item.row;
      if (wait && isTerminal(row.state)) {
        return answerJson(c, await show(env, principal, row, query, { attempts: true }, item.isOwn), 200);
      }
      if (!isTerminal(row.state)) c.header("Retry-After", String(retryAfter(row, Date.now())));
      return answerJson(c, await show(env, principal, row, query, {}, item.isOwn), 202);
    } finally {
      wanted?.waiter.close();
    }
  },
});

/** A key without the scope `cancel` debounces only its own submissions: it must not replace the input of another key. */
function originOf(c: AppContext, principal: Principal): Origin {
  const debounces = may(principal, "cancel") ? null : principal.keyId;
  return { tenant: principal.tenant, traceparent: traceparentOf(c), debounces };
}

interface Awaited {
  id: string;
  waiter: Waiter;
}

/** Marks the task to be stored as one whose end is awaited, and begins to wait for that end. */
function awaited(env: Env, task: NewTask): Awaited {
  task.object = (task.object ?? 0) | OBJECT.awaited;
  return { id: task.id, waiter: new Waiter(env, task.id) };
}

/** The submitted task once it has ended, or as it is when the caller's wait is over. It may be an earlier task than `wanted`. */
async function endOf(env: Env, row: WholeTaskRow, wanted: Awaited | null, patience: Patience): Promise<WholeTaskRow> {
  if (isTerminal(row.state)) return row;
  try {
    const after =
      wanted?.id === row.id
        ? await waitAt(env, row, wanted.waiter, patience)
        : await waitForEnd(env, row.tenant, row.id, patience);
    return after ?? row;
  } catch (error) {
    // The task is stored: after an error, the caller would submit it twice.
    log("end_not_read", { taskId: row.id, error });
    return row;
  }
}

const batchItemSchema = z.object({
  status: z.int(),
  task: taskSchema.optional(),
  problem: problemSchema.optional(),
});

export const submitBatch = operation({
  id: "submitBatch",
  method: "post",
  path: "/v1/tasks/batch",
  tag: "tasks",
  summary: "Submit up to 1,000 tasks",
  description: `Each item has a status of its own; an invalid item does not keep the others from being accepted. All items together list at most ${MAX_FAULTS} faults.`,
  scope: "submit",
  headers: {
    "Idempotency-Key": "Makes repeating the request safe",
    traceparent: "The caller's trace, which the tasks continue",
  },
  query: linkQuery,
  body: batchSchema,
  tellsLosses: true,
  example: {
    tasks: [
      { task: "process_item", input: { name: "basil" } },
      { task: "process_item", input: { name: "chervil" } },
    ],
  },
  answers: {
    207: {
      description: "The items' outcomes, in order",
      schema: z.object({ items: z.array(batchItemSchema) }).meta({ id: "BatchResult" }),
      headers: ["Idempotency-Replayed"],
    },
  },
  problems: ["idempotency-key-reused", "quota-exceeded"],
  async handle({ c, env, principal, query, body, losses }) {
    const now = Date.now();
    const lost = lossesOfItems(losses);
    const key = await requestKey(c, principal, body);
    const origin = originOf(c, principal);
    await prepareLinks(env, query);
    const ids = newTaskIds(body.tasks.length);
    const prepared = body.tasks.map((item, i): Prepared => {
      const found = lost.get(i);
      return found ? { ok: false, problem: found } : prepare(env, item, origin, ids[i]!, now);
    });
    const { items, replayed } = await submit(env, c.executionCtx, prepared, key, now);
    if (replayed) c.header("Idempotency-Replayed", "true");
    let left = MAX_FAULTS;
    const answers = await Promise.all(
      items.map(async (item) => {
        if (item.ok) return { status: 202, task: await show(env, principal, item.row, query, {}, item.isOwn) };
        const problem = presentProblem(withFewerFaults(item.problem, left));
        left -= problem.errors?.length ?? 0;
        return { status: problem.status, problem };
      }),
    );
    if (answers.length === 0) refuse("invalid-body", "The batch is empty.");
    return answerJson(c, { items: answers }, 207);
  },
});

/** The losses of each item, by its index. Refuses the batch where a loss is outside of the items. */
function lossesOfItems(losses: readonly Loss[]): ReadonlyMap<number, Problem> {
  const located = losses.map((loss) => ({ loss, parts: partsOf(loss.path) }));
  const elsewhere = located.filter(({ parts }) => parts[0] !== "tasks" || parts.length < 2);
  if (elsewhere.length > 0) throw new ProblemError(lossProblem(losses));
  const byItem = Map.groupBy(located, ({ parts }) => Number(parts[1]));
  return new Map(
    [...byItem].map(([i, of]) => [
      i,
      lossProblem(of.map(({ loss, parts }) => ({ ...loss, path: inside(null, ...parts.slice(2)) }))),
    ]),
  );
}
