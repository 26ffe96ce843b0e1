/** What the strict platform counts. Durations are ms. */

import type { EventLimits } from "./limits.ts";

/** The counts of one kind of event. */
export interface KindRecord {
  events: number;
  /** The most that one event used. */
  most: {
    statements: number;
    subrequests: number;
    invocations: number;
    connections: number;
    handlerMs: number;
    afterReturnMs: number;
  };
  /** How often a request waited for one of the connections to be free. The platform queues it: nothing is refused or cut off. */
  waited: number;
  /** How often a limit refused a call or ended an event. */
  met: {
    statements: number;
    subrequests: number;
    invocations: number;
    handler: number;
    afterReturn: number;
  };
}

/** Counts by kind of event: `fetch`, `queue`, `scheduled`, or a class and its method. */
export type Records = Record<string, KindRecord>;

/** The counts of one database. */
export interface GateRecord {
  calls: number;
  statements: number;
  /** Statements that wrote something. */
  writes: number;
  /** The most calls that were queued at once. */
  mostQueued: number;
  refused: { overloaded: number; full: number; failed: number; silent: number };
  sizeBytes: number;
}

export interface Report {
  limits: EventLimits;
  kinds: Records;
  databases: Record<string, GateRecord>;
}
