/** One client of one service. */

import type { Tasks } from "../contract/typed-task.ts";
import { connect, type ClientOptions } from "./connection.ts";
import { flowVerbs, type FlowVerbs } from "./flows.ts";
import { keyVerbs, type KeyVerbs } from "./keys.ts";
import { laneVerbs, type LaneVerbs } from "./lanes.ts";
import { scheduleVerbs, type ScheduleVerbs } from "./schedules.ts";
import type { TaskVerbs } from "./task-verbs.ts";
import { taskVerbs } from "./tasks.ts";
import { webhookVerbs, type WebhookVerbs } from "./webhooks.ts";

/** Everything that the service does. */
export interface Client<T extends Tasks> extends TaskVerbs<T> {
  flows: FlowVerbs;
  schedules: ScheduleVerbs<T>;
  lanes: LaneVerbs;
  keys: KeyVerbs;
  webhooks: WebhookVerbs;
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
    keys: keyVerbs(connection),
    webhooks: webhookVerbs(connection),
  };
}
