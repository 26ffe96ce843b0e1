/** `GET /v1/stats`: a tenant's figures. */

import { statsSchema } from "../contract/stats.ts";
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
