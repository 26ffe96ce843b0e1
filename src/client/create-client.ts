/** One client of one service. */

import type { FeedFrame } from "../contract/feed.ts";
import type { HealthReport } from "../contract/health-report.ts";
import type { Series, SeriesMetric } from "../contract/series.ts";
import type { Stats } from "../contract/stats.ts";
import type { Tasks } from "../contract/typed-task.ts";
import { auditVerbs, type AuditVerbs } from "./audit.ts";
import { connect, type CallOptions, type ClientOptions } from "./connection.ts";
import { followFeed } from "./feed.ts";
import { errorVerbs, type ErrorVerbs } from "./errors.ts";
import { flowVerbs, type FlowVerbs } from "./flows.ts";
import { keyVerbs, type KeyVerbs } from "./keys.ts";
import { laneVerbs, type LaneVerbs } from "./lanes.ts";
import { limitVerbs, type LimitVerbs } from "./limits.ts";
import { linkKeyVerbs, type LinkKeyVerbs } from "./link-keys.ts";
import { scheduleVerbs, type ScheduleVerbs } from "./schedules.ts";
import type { TaskVerbs } from "./task-verbs.ts";
import { taskVerbs } from "./tasks.ts";
import { webhookVerbs, type WebhookVerbs } from "./webhooks.ts";

export interface SeriesQuery extends CallOptions {
  metric?: SeriesMetric;
  by?: "task" | "lane";
  span?: Series["span"];
}

/** Everything that the service does. */
export interface Client<T extends Tasks> extends TaskVerbs<T> {
  flows: FlowVerbs;
  schedules: ScheduleVerbs<T>;
  lanes: LaneVerbs;
  limits: LimitVerbs;
  keys: KeyVerbs;
  linkKeys: LinkKeyVerbs;
  webhooks: WebhookVerbs;
  audit: AuditVerbs;
  errors: ErrorVerbs;
  /** How many tasks there are by state, task and lane, how many end, and how long they wait and run. */
  stats(options?: CallOptions): Promise<Stats>;
  /** What changes: a frame at once, then one a second while anything does, until the signal aborts. */
  feed(options?: CallOptions): AsyncGenerator<FeedFrame, void, undefined>;
  /** The figures of `stats` over time: a point for each minute, hour or day of `span`, "1h" unless given. */
  series(query?: SeriesQuery): Promise<Series>;
  /** The state of the tenant's tasks: a verdict, one sentence, and the facts that it was made from. */
  report(options?: CallOptions): Promise<HealthReport>;
}

/**
 * A client that knows the names, inputs and results of the given list of tasks.
 *
 * @example
 * import type { tasks } from "lovage/tasks";
 * const client = createClient<typeof tasks>({ baseUrl: "https://tasks.example.com", apiKey });
 */
export function createClient<T extends Tasks = Tasks>(options: ClientOptions): Client<T> {
  const connection = connect(options);
  return {
    ...taskVerbs<T>(connection),
    flows: flowVerbs(connection),
    schedules: scheduleVerbs(connection),
    lanes: laneVerbs(connection),
    limits: limitVerbs(connection),
    keys: keyVerbs(connection),
    linkKeys: linkKeyVerbs(connection),
    webhooks: webhookVerbs(connection),
    audit: auditVerbs(connection),
    errors: errorVerbs(connection),
    stats: async ({ signal } = {}) => connection.json({ method: "GET", path: "/v1/stats", signal }),
    feed: (options) => followFeed(connection, options),
    report: async ({ signal } = {}) => connection.json({ method: "GET", path: "/v1/health/report", signal }),
    series: async ({ signal, ...query } = {}) =>
      connection.json({ method: "GET", path: "/v1/stats/series", query: { ...query }, signal }),
  };
}
