/** `/v1/lanes`: the deployment's lanes; pauses and resumes them. */

import { z } from "zod";
import { laneListSchema, laneSchema, pauseLaneSchema, type LaneResource } from "../contract/lane.ts";
import { LANES, type Lane } from "../core/bounds.ts";
import { drain } from "../engine/lanes/drain.ts";
import { describeLanes, pause, resume } from "../engine/lanes/lanes.ts";
import { operation } from "./operation.ts";
import { refuse } from "./problem.ts";
import { optionalBody } from "./tasks/control.ts";

export const listLanes = operation({
  id: "listLanes",
  method: "get",
  path: "/v1/lanes",
  tag: "lanes",
  summary: "List lanes, and what waits and runs in each",
  description: "Lanes are the deployment's: the counts are those of all tenants.",
  scope: "read",
  answers: { 200: { description: "The lanes", schema: laneListSchema } },
  problems: ["unavailable"],
  async handle({ c, env }) {
    return c.json({ items: await describeLanes(env, Date.now()) }, 200);
  },
});

export const pauseLaneOperation = operation({
  id: "pauseLane",
  method: "post",
  path: "/v1/lanes/{name}/pause",
  tag: "lanes",
  summary: "Hold a lane back",
  description:
    "It still accepts and keeps tasks, and none of them starts; what runs goes on, so the lane is drained when nothing runs any more. With `until` it opens by itself. Paused again, it takes the new reason and the new end; a lane that was draining accepts again. Webhooks are delivered on the lane `default`.",
  scope: "admin",
  deployment: true,
  audits: "lane.pause",
  body: optionalBody(pauseLaneSchema),
  example: { reason: "the upstream is down", until: "2026-11-21T18:00:00.000Z" },
  answers: { 200: { description: "The lane, paused", schema: laneSchema } },
  problems: ["not-found", "unavailable"],
  async handle({ c, env, params, body, audit }) {
    const lane = laneOf(params["name"]!);
    const now = Date.now();
    demandFuture(body.until, now);
    await pause(env, lane, body.reason ?? null, body.until ?? null, now, audit(lane, detailOf(body)));
    return c.json(await show(env, lane), 200);
  },
});

export const drainLaneOperation = operation({
  id: "drainLane",
  method: "post",
  path: "/v1/lanes/{name}/drain",
  tag: "lanes",
  summary: "Let a lane finish what it has, and accept nothing new",
  description:
    "Submissions and flows that would put a task into it, and schedules run by hand, are refused with `lane-draining`; a refused item of a batch does not keep the others from being accepted. Whatever was accepted before still runs to its end, with its retries (by hand too), its children, its flow and its webhooks; a submission that shares a task which is there already is accepted, too. Ticks of schedules wait: when the lane accepts again they count as missed, and `catchUp` decides. A lane is open, paused or draining, as the last call said: to drain a paused lane starts its tasks again. It is empty when `queued` and `running` are 0 and nothing is scheduled in it.",
  scope: "admin",
  deployment: true,
  audits: "lane.drain",
  body: optionalBody(pauseLaneSchema),
  example: { reason: "the upstream moves", until: "2026-11-21T18:00:00.000Z" },
  answers: { 200: { description: "The lane, draining", schema: laneSchema } },
  problems: ["not-found", "unavailable"],
  async handle({ c, env, params, body, audit }) {
    const lane = laneOf(params["name"]!);
    const now = Date.now();
    demandFuture(body.until, now);
    await drain(env, lane, body.reason ?? null, body.until ?? null, now, audit(lane, detailOf(body)));
    return c.json(await show(env, lane), 200);
  },
});

export const resumeLaneOperation = operation({
  id: "resumeLane",
  method: "post",
  path: "/v1/lanes/{name}/resume",
  tag: "lanes",
  summary: "Open a lane that is paused or draining",
  scope: "admin",
  deployment: true,
  audits: "lane.resume",
  body: optionalBody(z.strictObject({})),
  answers: { 200: { description: "The lane, open", schema: laneSchema } },
  problems: ["not-found", "unavailable"],
  async handle({ c, env, params, audit }) {
    const lane = laneOf(params["name"]!);
    await resume(env, lane, Date.now(), audit(lane));
    return c.json(await show(env, lane), 200);
  },
});

function detailOf({ reason, until }: z.output<typeof pauseLaneSchema>) {
  return { detail: { reason: reason ?? null, until: until === undefined ? null : new Date(until).toISOString() } };
}

function demandFuture(until: number | undefined, now: number): void {
  if (until === undefined || until > now) return;
  refuse("invalid-body", "It would be over already.", [{ pointer: "/until", detail: "is not in the future" }]);
}

function laneOf(name: string): Lane {
  const lane = LANES.find((each) => each === name);
  return lane ?? refuse("not-found", `There is no lane ${JSON.stringify(name)}.`);
}

async function show(env: Env, lane: Lane): Promise<LaneResource> {
  const lanes = await describeLanes(env, Date.now());
  return lanes.find((each) => each.name === lane)!;
}
