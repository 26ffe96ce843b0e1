/** `GET /v1/stats` and `GET /v1/stats/series`: a tenant's figures, now and over time. */

import { z } from "zod";
import { SERIES_METRICS, seriesSchema, seriesSpanSchema } from "../contract/series.ts";
import { statsSchema } from "../contract/stats.ts";
import { describeSeries } from "../engine/stats/series.ts";
import { describeStats } from "../engine/stats/stats.ts";
import { operation } from "./operation.ts";

export const getStats = operation({
  id: "getStats",
  method: "get",
  path: "/v1/stats",
  tag: "operations",
  summary: "Read how many tasks there are, how many end, and how long they wait and run",
  description:
    "In all, by task and by lane, over the last hour and the last day. Times are in ms and at most 9 % away from the truth. `ended` counts ends, and `states` does for the ended ones: a task that runs again and ends again counts each time, so a list may hold fewer tasks. The figures are a few seconds old, and those of a worker's last seconds go with it if it is killed.",
  scope: "read",
  answers: { 200: { description: "The figures", schema: statsSchema } },
  problems: ["unavailable"],
  async handle({ c, env, principal }) {
    c.header("Cache-Control", "no-store");
    return c.json(await describeStats(env, principal.tenant, Date.now()), 200);
  },
});

export const getSeries = operation({
  id: "getStatsSeries",
  method: "get",
  path: "/v1/stats/series",
  tag: "operations",
  summary: "Read figures over time",
  description:
    "A point for each minute of the last hour or day, each hour of the last 30 days, or each day of the last year (UTC). With `by`, also for each of the ten largest tasks or lanes, and for the others together. The figures are those of `GET /v1/stats`, and as old.",
  scope: "read",
  query: z.strictObject({
    metric: z.enum(SERIES_METRICS).optional().meta({ description: "That one alone; all unless given" }),
    by: z.enum(["task", "lane"]).optional(),
    span: seriesSpanSchema.optional().meta({ description: "`1h` unless given" }),
  }),
  answers: { 200: { description: "The series", schema: seriesSchema } },
  problems: ["unavailable"],
  async handle({ c, env, principal, query }) {
    const { metric = null, by = null, span = "1h" } = query;
    c.header("Cache-Control", "no-store");
    return c.json(await describeSeries(env, principal.tenant, { metric, by, span }, Date.now()), 200);
  },
});
