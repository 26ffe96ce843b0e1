/** `GET /v1/tasks/{id}` and the list. */

import { z } from "zod";
import { MAX_TAGS } from "../../contract/submission.ts";
import { filterQuery, filtersIn } from "../../contract/task-filter.ts";
import { taskListSchema, taskSchema } from "../../contract/task.ts";
import { LANES } from "../../core/bounds.ts";
import { meant } from "../../core/nearest.ts";
import { isTerminal, STATES } from "../../core/states.ts";
import { isTaskId } from "../../engine/ids.ts";
import { estimateCount } from "../../results/estimate-count.ts";
import { listTasks } from "../../results/list-tasks.ts";
import { sortTasks, type Sort } from "../../results/sort-tasks.ts";
import type { TaskFilter } from "../../results/task-filter.ts";
import { answerText, textOf } from "../answer-json.ts";
import { etagOf, matches } from "../etag.ts";
import { operation } from "../operation.ts";
import { cursorAfter, page, pageQuery, readCursor } from "../paging.ts";
import { refuse } from "../problem.ts";
import { confirmWait, oneOrMore, preferredWait } from "../request.ts";
import { isPlaceOf, placeOfText, placeText, sortQuery } from "./sort.ts";
import { findEnded, findRowTogether, linkQuery, retryAfter, showAll, showLive } from "./shared.ts";

export const getTask = operation({
  id: "getTask",
  method: "get",
  path: "/v1/tasks/{id}",
  tag: "tasks",
  summary: "Read a task",
  scope: "read",
  link: "read",
  headers: {
    Prefer: "`wait=N`: seconds to wait for the end, at most 60",
    "If-None-Match": "Answers 304 while nothing changed",
  },
  query: linkQuery,
  answers: {
    200: { description: "The task", schema: taskSchema, headers: ["ETag", "Retry-After", "Preference-Applied"] },
    304: { description: "Unchanged since the given ETag", headers: ["ETag"] },
  },
  problems: ["not-found"],
  async handle({ c, env, principal, params, query }) {
    const id = params["id"]!;
    const wait = preferredWait(c);
    const row = wait
      ? await findEnded(env, principal, id, { ms: wait * 1_000, signal: c.req.raw.signal })
      : await findRowTogether(c, principal, id);
    confirmWait(c, wait);
    const task = await showLive(env, principal, row, query);
    if (!isTerminal(row.state)) c.header("Retry-After", String(retryAfter(row, Date.now())));
    const text = textOf(task);
    // The tokens of signed links differ with every answer; the task does not.
    const etag = await etagOf(query.links ? textOf({ ...task, links: null }) : text);
    c.header("ETag", etag);
    c.header("Cache-Control", "private, no-cache");
    if (matches(c.req.header("if-none-match"), etag)) return c.body(null, 304);
    return answerText(c, text);
  },
});

const tagParameter = /^tag\.[a-z0-9_.-]{1,40}$/;

const listQuery = z
  .object({
    state: oneOrMore(STATES).optional(),
    ...filterQuery,
    ...sortQuery,
    ...pageQuery,
  })
  .catchall(z.string())
  .superRefine((query, ctx) => {
    for (const name of Object.keys(query)) {
      if (Object.hasOwn(listQuery.shape, name) || tagParameter.test(name)) continue;
      ctx.addIssue({
        code: "custom",
        path: [name],
        message: `unknown parameter${meant(name, Object.keys(listQuery.shape))}`,
      });
    }
    const tags = Object.keys(query).filter((name) => tagParameter.test(name));
    for (const name of tags.slice(MAX_TAGS)) {
      ctx.addIssue({
        code: "custom",
        path: [name],
        message: `is one more than the ${MAX_TAGS} tags that a task can have`,
      });
    }
  });

export const listTasksOperation = operation({
  id: "listTasks",
  method: "get",
  path: "/v1/tasks",
  tag: "tasks",
  summary: "List tasks, newest first unless sorted otherwise",
  description:
    "`tag.<name>=<value>` filters by a tag, up to 16 of them; `state` may be given more than once. A call reads a bounded number of rows: where few tasks match, a page may hold fewer than `limit`, even none, and the list goes on at its `nextCursor`. The progress of what runs is that of this moment for the first 50 of a page.",
  scope: "read",
  query: listQuery,
  openQuery: { name: "tag", pattern: tagParameter.source, description: "Tasks with this tag: `tag.customer=42`" },
  answers: { 200: { description: "A page of tasks", schema: taskListSchema, headers: ["Link"] } },
  problems: ["invalid-cursor", "not-found"],
  async handle({ c, env, principal, query }) {
    if (query.lane !== undefined && !LANES.some((lane) => lane === query.lane)) {
      refuse("not-found", `There is no lane ${JSON.stringify(query.lane)}.`);
    }
    const now = Date.now();
    const tags = Object.entries(query).filter(([name]) => tagParameter.test(name));
    const filter: TaskFilter = {
      ...filtersIn(query),
      tenant: principal.tenant,
      states: query.state,
      tags: Object.fromEntries(tags.map(([name, value]) => [name.slice(4), String(value)])),
      now,
    };
    const { limit = 50, sort = "created" } = query;
    const [found, count] = await Promise.all([
      sort === "created"
        ? listTasks(env.DB, filter, readCursor(query.cursor, isTaskId), limit, query.count !== undefined)
        : listSorted(env, filter, sort, query.cursor, limit, now),
      query.count === undefined ? null : estimateCount(env.DB, filter),
    ]);
    const items = await showAll(env, principal, found.items);
    return page(c, items, found.next === null ? null : cursorAfter(found.next), count === null ? {} : { count });
  },
});

async function listSorted(
  env: Env,
  filter: TaskFilter,
  sort: Sort,
  cursor: string | undefined,
  limit: number,
  now: number,
) {
  const text = readCursor(cursor, isPlaceOf(sort));
  const { items, next } = await sortTasks(env.DB, filter, sort, text === null ? null : placeOfText(text), limit, now);
  return { items, next: next === null ? null : placeText(sort, next) };
}
