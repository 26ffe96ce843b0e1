/** `/v1/errors`: failures that are the same error. */

import { z } from "zod";
import {
  errorGroupListSchema,
  errorGroupSchema,
  ignoreErrorSchema,
  type ErrorGroupResource,
} from "../contract/error-group.ts";
import { instantSchema } from "../contract/submission.ts";
import { GROUP_STATES } from "../core/error-groups.ts";
import { ignoreError, listErrorGroups, resolveError } from "../engine/stats/error-groups.ts";
import { optionalBody } from "./tasks/control.ts";
import { operation } from "./operation.ts";
import { cursorAfter, page, pageQuery, readCursor } from "./paging.ts";
import { may, type Principal } from "./principal.ts";
import { refuse } from "./problem.ts";

const RULE =
  "A task that fails belongs to the group of its task, its error's type and its error's message without ids, numbers and quotes. What fails only because a task that it needs did is in no group.";

export const listErrors = operation({
  id: "listErrors",
  method: "get",
  path: "/v1/errors",
  tag: "operations",
  summary: "List the errors that tasks fail with, grouped, the latest first",
  description: `${RULE} Counts are a few seconds old, and those of a worker's last seconds go with it if it is killed. A tenant has 500 groups at most, those that failed last; one is kept for 30 days after its last failure. The id of a group is also a value of the filter \`error\` of lists and bulk verbs.`,
  scope: "read",
  query: z.strictObject({
    ...pageQuery,
    state: z.enum(GROUP_STATES).optional(),
    task: z.string().max(100).optional(),
    since: instantSchema.optional().meta({ description: "Failed at this time or later" }),
    newSince: instantSchema.optional().meta({ description: "Failed at this time or later, and never before" }),
  }),
  answers: { 200: { description: "A page of groups", schema: errorGroupListSchema, headers: ["Link"] } },
  problems: ["invalid-cursor", "unavailable"],
  async handle({ c, env, principal, query }) {
    const { cursor, limit = 50, ...filter } = query;
    const after = readCursor(cursor, (text) => PLACE.test(text));
    const groups = await listErrorGroups(env, principal.tenant, filter, Date.now());
    // A group that has failed again since the page before has moved to the front, so each page continues by time.
    const left = after === null ? groups : groups.filter((group) => placeOf(group) > after);
    const items = left.slice(0, limit);
    return page(c, items, left.length > limit ? cursorAfter(placeOf(items.at(-1)!)) : null);
  },
});

const LATEST = 8_640_000_000_000_000;

const PLACE = /^\d{16}\.err_[0-9a-v]{13}$/;

/** Places are in the order of the list. */
function placeOf({ id, lastAt }: { id: string; lastAt: string }): string {
  return `${String(LATEST - Date.parse(lastAt)).padStart(16, "0")}.${id}`;
}

/** The group as this caller sees it: without the right to read, nothing that comes from its tasks' errors and tags. */
function show(principal: Principal, id: string, group: ErrorGroupResource | null): ErrorGroupResource {
  if (group === null) refuse("not-found", `There is no group ${JSON.stringify(id)} of errors.`);
  return may(principal, "read") ? group : { ...group, ...UNSEEN, omitted: Object.keys(UNSEEN) };
}

const UNSEEN = { message: "", sampleIds: [], tags: [] } satisfies Partial<ErrorGroupResource>;

export const resolveErrorOperation = operation({
  id: "resolveError",
  method: "post",
  path: "/v1/errors/{id}/resolve",
  tag: "operations",
  summary: "Say that an error is mended",
  description: "The next task that fails with it opens it again.",
  scope: "cancel",
  audits: "error.resolve",
  body: optionalBody(z.strictObject({})),
  answers: { 200: { description: "The group, resolved", schema: errorGroupSchema } },
  problems: ["not-found", "unavailable"],
  async handle({ c, env, principal, params, audit }) {
    const id = params["id"]!;
    const group = await resolveError(env, principal.tenant, id, Date.now(), audit(id));
    return c.json(show(principal, id, group), 200);
  },
});

export const ignoreErrorOperation = operation({
  id: "ignoreError",
  method: "post",
  path: "/v1/errors/{id}/ignore",
  tag: "operations",
  summary: "Ignore an error, for good or until so many tasks have failed with it",
  scope: "cancel",
  audits: "error.ignore",
  body: optionalBody(ignoreErrorSchema),
  answers: { 200: { description: "The group, ignored", schema: errorGroupSchema } },
  problems: ["not-found", "unavailable"],
  async handle({ c, env, principal, params, body, audit }) {
    const id = params["id"]!;
    const { untilCount = null } = body;
    const entry = audit(id, { detail: { untilCount } });
    const group = await ignoreError(env, principal.tenant, id, untilCount, Date.now(), entry);
    return c.json(show(principal, id, group), 200);
  },
});
