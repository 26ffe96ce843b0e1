/** The client's verbs on schedules. What changes one needs the scope `admin`. */

import type { ScheduleInput, ScheduleResource } from "../contract/schedule.ts";
import type { InputOf, Named, NameOf, TaskOf, Tasks } from "../contract/typed-task.ts";
import type { CallOptions, Connection } from "./connection.ts";
import type { Pages } from "./pages.ts";
import { resource, type ListOptions } from "./resource.ts";

/** A schedule of one of the tasks. */
export type ScheduleOf<T extends Tasks> = {
  [Name in NameOf<T>]: Omit<ScheduleInput, "task" | "input"> & { task: Name } & (undefined extends InputOf<
      Named<T, Name>
    >
      ? { input?: InputOf<Named<T, Name>> }
      : { input: InputOf<Named<T, Name>> });
}[NameOf<T>];

export interface ScheduleVerbs<T extends Tasks> {
  /**
   * Makes a schedule, or changes it. Putting the same again changes nothing.
   *
   * @example
   * const schedule = await client.schedules.put("nightly", {
   *   cron: "30 2 * * MON-FRI",
   *   timezone: "Europe/Berlin",
   *   task: "process_item",
   *   input: { name: "nightly report" },
   * });
   * console.log(schedule.nextRuns);
   */
  put(id: string, schedule: ScheduleOf<T>, options?: CallOptions): Promise<ScheduleResource>;
  /** Reads a schedule with its next ten ticks and its last ten. */
  get(id: string, options?: CallOptions): Promise<ScheduleResource>;
  /** Lists schedules by their ids. */
  list(options?: ListOptions): Pages<ScheduleResource>;
  /** Removes a schedule. The tasks that it has made stay. */
  delete(id: string, options?: CallOptions): Promise<void>;
  pause(id: string, options?: CallOptions): Promise<ScheduleResource>;
  resume(id: string, options?: CallOptions): Promise<ScheduleResource>;
  /** Runs a schedule's task now. After a broken connection the request is not repeated. */
  run(id: string, options?: CallOptions): Promise<TaskOf<Named<T, NameOf<T>>>>;
}

export function scheduleVerbs<T extends Tasks>(connection: Connection): ScheduleVerbs<T> {
  const { send, list } = resource(connection, "/v1/schedules");
  return {
    put: async (id, schedule, { signal } = {}) => send("PUT", [id], { body: schedule, signal }),
    get: async (id, { signal } = {}) => send("GET", [id], { signal }),
    list: (options) => list([], options),
    delete: async (id, { signal } = {}) => send("DELETE", [id], { signal }),
    pause: async (id, { signal } = {}) => send("POST", [id, "pause"], { repeatable: true, signal }),
    resume: async (id, { signal } = {}) => send("POST", [id, "resume"], { repeatable: true, signal }),
    run: async (id, { signal } = {}) => send("POST", [id, "run"], { signal }),
  };
}
