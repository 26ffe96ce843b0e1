/** The schedules that come with this deployment. They belong to the tenant `default`; over the API they can only be paused, resumed and run. */

import type { DeclaredSchedule } from "../contract/schedule.ts";

/**
 * Every schedule that is declared in code. The next deployment removes those that are no longer listed.
 *
 * @example
 * { id: "nightly-report", cron: "30 2 * * *", timezone: "Europe/Berlin", task: "process_item", input: { name: "report" } }
 */
export const schedules: readonly DeclaredSchedule[] = [];
