/** `GET /v1/flows`. */

import { z } from "zod";
import { FLOW_STATES, flowListSchema } from "../../contract/flow.ts";
import { instantSchema } from "../../contract/submission.ts";
import { isFlowId } from "../../engine/ids.ts";
import { presentSummary } from "../../engine/flows/read.ts";
import { listFlows } from "../../results/flows/list.ts";
import { operation } from "../operation.ts";
import { cursorAfter, page, pageQuery, readCursor } from "../paging.ts";
import { oneOrMore } from "../request.ts";

export const listFlowsOperation = operation({
  id: "listFlows",
  method: "get",
  path: "/v1/flows",
  tag: "flows",
  summary: "List flows, newest first",
  description:
    "Without results, errors, counts and nodes, which grow with a flow: read the flow itself. `state` may be given more than once; times are exclusive. A call reads a bounded number of rows: a page may hold fewer than `limit`, even none, and the list goes on at its `nextCursor`.",
  scope: "read",
  query: z.strictObject({
    state: oneOrMore(FLOW_STATES).optional(),
    createdAfter: instantSchema.optional(),
    createdBefore: instantSchema.optional(),
    finishedAfter: instantSchema.optional(),
    finishedBefore: instantSchema.optional(),
    ...pageQuery,
  }),
  answers: { 200: { description: "A page of flows", schema: flowListSchema, headers: ["Link"] } },
  problems: ["invalid-cursor"],
  async handle({ c, env, principal, query }) {
    const { state, limit = 50, cursor, ...times } = query;
    const filter = { tenant: principal.tenant, states: state, ...times };
    const found = await listFlows(env.DB, filter, readCursor(cursor, isFlowId), limit);
    return page(c, found.items.map(presentSummary), found.next === null ? null : cursorAfter(found.next));
  },
});
