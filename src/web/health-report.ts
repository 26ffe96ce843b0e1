/** `GET /v1/health/report`: how a tenant's work stands. `GET /health` says whether the service works. */

import { healthReportSchema } from "../contract/health-report.ts";
import { reportHealth } from "../engine/health/report.ts";
import { operation } from "./operation.ts";

export const getHealthReport = operation({
  id: "getHealthReport",
  method: "get",
  path: "/v1/health/report",
  tag: "operations",
  summary: "Read how the tenant's work stands, in one sentence and as data",
  description:
    "`lane-stalled`: tasks run in a lane, and none has ended for three times as long as is usual there (10 to 15 minutes). `lane-held`: a lane is paused or draining. `backlog-old`: a task has waited for more than 10 minutes, though its lane is not paused. `errors-rising`: of the tasks of the last quarter of an hour at least 10 and 5 % failed, and three times as many as in the day before. `schedule-missed`: a tick is late, or the last one made no task. `limit-near`: 90 % of a quota are used. `storage`: 80 % of the database are. `clock-behind`: nothing is started, retried or rescued in time. What stands in `ruledOut` was looked for and not found.",
  scope: "read",
  answers: { 200: { description: "The report", schema: healthReportSchema } },
  problems: ["unavailable"],
  async handle({ c, env, principal }) {
    c.header("Cache-Control", "no-store");
    return c.json(await reportHealth(env, principal.tenant, Date.now()), 200);
  },
});
