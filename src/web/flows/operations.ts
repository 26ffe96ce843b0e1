/** The operations on flows. */

import { admitTo } from "../../engine/quota.ts";
import { z } from "zod";
import { deadlineSchema, flowSchema, flowSubmissionSchema, type FlowResource } from "../../contract/flow.ts";
import { followFlow, listFlowEvents } from "../../engine/flows/follow.ts";
import { presentFlow, presentNew } from "../../engine/flows/read.ts";
import { MAX_EDGES, MAX_NODES } from "../../core/flows/flow.ts";
import { ProblemError, problem } from "../../core/problems.ts";
import { deadlineAt } from "../../engine/flows/deadline.ts";
import { deleteFlow } from "../../engine/delete.ts";
import { cancelFlow, retryFlow } from "../../engine/flows/control.ts";
import { submitFlow } from "../../engine/flows/submit.ts";
import type { View } from "../../engine/present.ts";
import { isFlowId, isTaskId } from "../../engine/ids.ts";
import { waitForFlow } from "../../engine/events/await-end.ts";
import { countAgain } from "../../results/flows/retry.ts";
import { readFlow, readMemberAt, readMissing, type FlowRow } from "../../results/flows/flows.ts";
import { requestKey } from "../idempotency.ts";
import { answerLive, live } from "../live.ts";
import type { AppContext } from "../app-context.ts";
import { answerLong } from "../answer-json.ts";
import { operation } from "../operation.ts";
import { cursorAfter, linkNext, pageQuery, readCursor } from "../paging.ts";
import { refuse } from "../problem.ts";
import { may, type Principal } from "../principal.ts";
import { confirmWait, preferredWait, traceparentOf, wholeNumber } from "../request.ts";
import { whileValid } from "../while-valid.ts";
import { cancelSchema, optionalBody } from "../tasks/control.ts";

export const postFlow = operation({
  id: "submitFlow",
  method: "post",
  path: "/v1/flows",
  tag: "flows",
  summary: "Submit a graph of tasks",
  description: `The whole graph is checked before anything is stored; every fault is pointed at. A flow has at most ${MAX_NODES} tasks and ${MAX_EDGES} edges between them: where a group follows a group, each member needs all of those before. With \`Prefer: wait=N\` it answers the ended flow if that comes in time.`,
  scope: "submit",
  headers: {
    "Idempotency-Key": "Makes repeating the request safe",
    Prefer: "`wait=N`: seconds to wait for the end, at most 60",
    traceparent: "The caller's trace, which the tasks continue",
  },
  // The graph's compiler checks the body itself: it reports every fault, with a pointer to each.
  body: z.unknown(),
  describedBody: flowSubmissionSchema,
  example: {
    chain: [
      { map: { task: "process_item", inputs: [{ name: "basil" }, { name: "chervil" }] } },
      { task: "http.request", input: { url: "https://example.com/herbs", body: { $from: "previous" } } },
    ],
  },
  answers: {
    200: {
      description: "The flow, which has ended within the time to wait",
      schema: flowSchema,
      headers: ["Location", "Preference-Applied", "Idempotency-Replayed", "Link"],
    },
    202: {
      description: "The flow, accepted",
      schema: flowSchema,
      headers: ["Location", "Retry-After", "Preference-Applied", "Idempotency-Replayed", "Link"],
    },
  },
  problems: ["gone", "idempotency-key-reused", "lane-draining", "quota-exceeded"],
  async handle({ c, env, principal, body }) {
    const key = await requestKey(c, principal, body);
    const origin = { tenant: principal.tenant, traceparent: traceparentOf(c) };
    const { id, made, isOwn } = await submitFlow(env, c.executionCtx, body, origin, key, Date.now());
    if (made === null) c.header("Idempotency-Replayed", "true");
    const wait = preferredWait(c);
    if (made !== null && wait === null) {
      pointTo(c, made);
      return answerLong(c, finish(c, await presentNew(env, made, viewOf(principal))), "nodes", 202);
    }
    const flow = await lookFor(env, principal, id, wait, c.req.raw.signal);
    if (flow === null) refuse("gone", `The flow ${id} that this request made is gone.`);
    confirmWait(c, wait);
    pointTo(c, flow);
    const shown = await show(c, principal, flow, { isOwn });
    return answerLong(c, shown, "nodes", wait !== null && flow.state !== "running" ? 200 : 202);
  },
});

export const getFlow = operation({
  id: "getFlow",
  method: "get",
  path: "/v1/flows/{id}",
  tag: "flows",
  summary: "Read a flow, with a page of its nodes",
  description: "The progress of what runs is that of this moment for the first 50 of a page.",
  scope: "read",
  headers: { Prefer: "`wait=N`: seconds to wait for the end, at most 60" },
  query: z.strictObject({
    limit: wholeNumber(1, MAX_NODES)
      .optional()
      .meta({ description: `Nodes on a page; ${MAX_NODES} unless given, and fewer where they are large` }),
    cursor: pageQuery.cursor,
  }),
  answers: {
    200: { description: "The flow", schema: flowSchema, headers: ["Retry-After", "Preference-Applied", "Link"] },
  },
  problems: ["not-found", "invalid-cursor"],
  async handle({ c, env, principal, params, query }) {
    const cursor = readCursor(query.cursor, isTaskId) ?? "";
    const wait = preferredWait(c);
    const flow = await findFlow(env, principal, params["id"]!, wait, c.req.raw.signal);
    confirmWait(c, wait);
    if (flow.state === "running") c.header("Retry-After", "1");
    return answerLong(c, await show(c, principal, flow, { cursor, limit: query.limit }), "nodes");
  },
});

export const getFlowEvents = operation({
  id: "getFlowEvents",
  method: "get",
  path: "/v1/flows/{id}/events",
  tag: "flows",
  summary: "Follow a flow",
  description:
    "Every change of a member is a `state` event with its `key` and `taskId`; the last is `done` with the flow. As JSON, server-sent events or WebSocket frames, like the events of a task.",
  scope: "read",
  ...live,
  async handle({ c, env, principal, params, query }) {
    const flow = await findFlow(env, principal, params["id"]!);
    const feed = {
      id: flow.id,
      list: (after: number) => listFlowEvents(env, flow, after),
      follow: (after: number, signal: AbortSignal) => whileValid(env, principal, followFlow(env, flow, after, signal)),
    };
    return answerLive(c, feed, query.after);
  },
});

export const cancelFlowOperation = operation({
  id: "cancelFlow",
  method: "post",
  path: "/v1/flows/{id}/cancel",
  tag: "flows",
  summary: "Cancel all of a flow that has not ended",
  scope: "cancel",
  audits: "flow.cancel",
  body: optionalBody(cancelSchema),
  answers: {
    200: { description: "The flow, cancelled", schema: flowSchema },
    202: {
      description: "The flow, whose running tasks were asked to stop or undo their steps",
      schema: flowSchema,
      headers: ["Location", "Retry-After", "Link"],
    },
  },
  problems: ["not-found", "conflict"],
  async handle({ c, env, principal, params, body, audit }) {
    const before = await findFlow(env, principal, params["id"]!);
    if (before.state === "running") {
      const entry = audit(before.id, { detail: body });
      await cancelFlow(env, before, body.reason ?? null, Date.now(), body.undo, entry);
    } else if (before.state !== "cancelled") refuse("conflict", `The flow has ended: it is ${before.state}.`);
    const flow = await findFlow(env, principal, before.id);
    if (flow.state === "running") pointTo(c, flow);
    return answerLong(c, await show(c, principal, flow), "nodes", flow.state === "running" ? 202 : 200);
  },
});

export const retryFlowOperation = operation({
  id: "retryFlow",
  method: "post",
  path: "/v1/flows/{id}/retry",
  tag: "flows",
  summary: "Run again what failed in a flow, and what depends on it",
  description:
    "`from` names a node to begin at instead: it and all that depends on it run again. The flow has no deadline any more, but for one that is given.",
  scope: "cancel",
  audits: "flow.retry",
  body: optionalBody(z.strictObject({ from: z.string().max(1_000).optional(), deadline: deadlineSchema.optional() })),
  answers: {
    202: {
      description: "The flow, running again",
      schema: flowSchema,
      headers: ["Location", "Retry-After", "Link"],
    },
  },
  problems: ["not-found", "conflict", "quota-exceeded"],
  async handle({ c, env, principal, params, body, audit }) {
    const before = await findFlow(env, principal, params["id"]!);
    const from = body.from === undefined ? null : await readMemberAt(env.DB, before.id, body.from);
    if (body.from !== undefined && from === null) refuse("not-found", "The flow has no node with this key.");
    if (before.state === "running") refuse("conflict", "The flow has not ended.");
    if (before.state === "succeeded" && from === null) refuse("conflict", "Nothing in this flow has failed.");
    const now = Date.now();
    const deadline = body.deadline === undefined ? null : deadlineAt(body.deadline, now);
    if (typeof deadline === "object" && deadline !== null) {
      throw new ProblemError(problem("invalid-body", "The flow could not end in time.", [deadline]));
    }
    const more = { tasks: await countAgain(env.DB, before, from) };
    const entry = audit(before.id, { detail: { from: body.from ?? null } });
    const run = () => retryFlow(env, c.executionCtx, before, from, now, deadline, entry);
    if ((await admitTo(env, before.tenant, more, now, run, (moved) => (moved > 0 ? more : {}))) === 0) {
      const missing = await readMissing(env.DB, before.id);
      if (missing.length > 0)
        refuse("conflict", `Tasks of this flow are gone, and their results with them: ${missing.join(", ")}.`);
      refuse("conflict", "There is nothing to run again.");
    }
    const flow = await findFlow(env, principal, before.id);
    pointTo(c, flow);
    return answerLong(c, await show(c, principal, flow), "nodes", 202);
  },
});

export const deleteFlowOperation = operation({
  id: "deleteFlow",
  method: "delete",
  path: "/v1/flows/{id}",
  tag: "flows",
  summary: "Remove an ended flow with all of its tasks",
  description: "Without it, they go together at the end of the flow's retention, which is the longest of its tasks'.",
  scope: "cancel",
  audits: "flow.delete",
  answers: { 204: { description: "It is gone" } },
  problems: ["not-found", "conflict"],
  async handle({ c, env, principal, params, audit }) {
    const { id } = await findFlow(env, principal, params["id"]!);
    const removal = await deleteFlow(env, id, audit(id));
    if (removal === "stays") {
      await findFlow(env, principal, id);
      refuse("conflict", "Only an ended flow can be removed; this one is running. Cancel it first.");
    }
    if (removal === "owed")
      refuse("conflict", "A webhook has not been told yet of how one of its tasks ended. Try again.");
    return c.body(null, 204);
  },
});

/** The tenant's flow; with `seconds`, waits until it has ended or they have passed. 404 where there is none. */
async function findFlow(...args: Parameters<typeof lookFor>): Promise<FlowRow> {
  return (await lookFor(...args)) ?? refuse("not-found", "There is no flow with this id.");
}

/** As {@link findFlow}, but null where there is none. */
async function lookFor(
  env: Env,
  { tenant }: Principal,
  id: string,
  seconds: number | null = null,
  signal?: AbortSignal,
): Promise<FlowRow | null> {
  if (!isFlowId(id)) return null;
  return seconds ? waitForFlow(env, tenant, id, { ms: seconds * 1_000, signal }) : readFlow(env.DB, tenant, id);
}

/** Sets the headers that say where to read the flow, and when to ask again. */
function pointTo(c: AppContext, flow: Pick<FlowRow, "id" | "state">): void {
  c.header("Location", `/v1/flows/${flow.id}`);
  if (flow.state === "running") c.header("Retry-After", "1");
}

/** `isOwn`: this request created the flow. Otherwise a caller without the right to read sees little more than states. */
async function show(
  c: AppContext,
  principal: Principal,
  flow: FlowRow,
  { cursor = "", limit, isOwn = false }: { cursor?: string; limit?: number | undefined; isOwn?: boolean } = {},
) {
  const view = { ...viewOf(principal), stub: !isOwn && !may(principal, "read") };
  return finish(c, await presentFlow(c.env, flow, cursor, limit, view));
}

function viewOf(principal: Principal): View {
  return { texts: true, stacks: principal.scopes.has("admin") };
}

/** The flow with its cursor as clients see it. */
function finish(c: AppContext, shown: FlowResource): FlowResource {
  const nextCursor = shown.nextCursor === null ? null : cursorAfter(shown.nextCursor);
  linkNext(c, nextCursor, shown.links.self);
  return { ...shown, nextCursor };
}
