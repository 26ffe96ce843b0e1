/** The client's verbs on lanes, which are the deployment's. What changes one needs the scope `admin`. */

import type { LaneResource } from "../contract/lane.ts";
import type { CallOptions, Connection } from "./connection.ts";
import { resource } from "./resource.ts";

export interface LaneVerbs {
  /** Every lane, and what waits and runs in it. */
  list(options?: CallOptions): Promise<LaneResource[]>;
  /**
   * Holds a lane back: it accepts and keeps, and nothing starts. With `until` (ISO 8601) it opens by itself.
   *
   * @example
   * await client.lanes.pause("bulk", { reason: "the upstream is down" });
   * await client.lanes.resume("bulk");
   */
  pause(name: string, why?: { reason?: string; until?: string }, options?: CallOptions): Promise<LaneResource>;
  /** Lets a lane finish what it has and refuse everything new, with `lane-draining` (503). With `until` it accepts again by itself. */
  drain(name: string, why?: { reason?: string; until?: string }, options?: CallOptions): Promise<LaneResource>;
  /** Opens a lane that is paused or draining. */
  resume(name: string, options?: CallOptions): Promise<LaneResource>;
}

export function laneVerbs(connection: Connection): LaneVerbs {
  const { send } = resource(connection, "/v1/lanes");
  return {
    list: async ({ signal } = {}) => (await send<{ items: LaneResource[] }>("GET", [], { signal })).items,
    pause: async (name, why = {}, { signal } = {}) =>
      send("POST", [name, "pause"], { body: why, repeatable: true, signal }),
    drain: async (name, why = {}, { signal } = {}) =>
      send("POST", [name, "drain"], { body: why, repeatable: true, signal }),
    resume: async (name, { signal } = {}) => send("POST", [name, "resume"], { repeatable: true, signal }),
  };
}
