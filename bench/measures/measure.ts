/** The parameters and the result of a measure. */
import type { Running } from "../subjects/service.ts";

/** The sizes of all measures: for a whole run, or for a quick look. */
export type Sizes = {
  passes: number;
  warmUp: number;
  /** By the number of connections. */
  submit: { connections: number; tasks: number }[];
  latency: number;
  sleeps: { count: number; ms: number };
  /** Tasks in a request, and requests. */
  bulk: { perRequest: number; requests: number }[];
  /** Listeners on one task, and what it reports. */
  progress: { listeners: number[]; steps: number; everyMs: number };
  chain: number;
  chord: number;
  /** Ended tasks in the database. */
  million: { ended: number; rounds: number; submit: number; bulkRequests: number };
  delays: { rounds: number; submit: number; latency: number; bulkRequests: number };
};

export type Found = { measure: string; figures: { [figure: string]: number } };

export type Measure = (running: Running, sizes: Sizes, bulkShare: number) => Promise<Found[]>;

/** Throws where the condition is not met: a measure with failures gives no figures. */
export function demand(isMet: boolean, why: string): void {
  if (!isMet) throw new Error(why);
}
