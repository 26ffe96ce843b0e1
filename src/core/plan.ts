/**
 * What one invocation may use on the platform's plan, so that other code bounds itself by it. `wrangler.toml` describes the paid plan;
 * a deployment to the free one sets the variable `PLAN` to "free".
 * Limits: https://developers.cloudflare.com/workers/platform/limits/ and https://developers.cloudflare.com/d1/platform/limits/
 */

/** What one tick of the clock may use before it leaves the rest to the next one. What was begun may exceed it a little. */
export interface TickBudget {
  /** D1 statements. */
  statements: number;
  /** Rows that are looked at in one go. */
  rows: number;
  /** Rows that one statement removes or scans. */
  chunk: number;
}

export interface Budget {
  /** D1 statements of one invocation; each statement of a batch counts. The platform's limit. */
  statements: number;
  /** Subrequests of one invocation: D1 calls, objects, queues and fetches together. The platform's limit. */
  subrequests: number;
  /** Attempts that run at once in one consumer event: they share its connections that wait for an answer, and its memory. */
  attemptsPerEvent: number;
  /** Attempts that one consumer event claims where those of its lane end quickly. */
  quickPerEvent: number;
  /** Attempts that one object runs: as many as may wait for an upstream's answer at once in one event. */
  attemptsPerObject: number;
  /** D1 statements of one call that several events of an isolate share; 0: they share none. Each counts for the event that makes the call. */
  statementsPerSharedCall: number;
  /** Task ids in one queue message: at most as many as an event takes, so that a large submission spreads over many events. */
  idsPerBell: number;
  /** How many times longer a running attempt waits between checks whether it must stop; each renewal of its lease tells it too. */
  pollFactor: number;
  /** Reports that an attempt sends at one pace before the pace is halved. */
  reportsPerPace: number;
  tick: TickBudget;
  /** Rows that one bulk request, or one round of background work, changes. */
  rowsPerBulk: number;
}

const PAID: Budget = {
  statements: 1_000,
  subrequests: 10_000,
  attemptsPerEvent: 24,
  quickPerEvent: 96,
  attemptsPerObject: 6,
  statementsPerSharedCall: 6,
  idsPerBell: 12,
  pollFactor: 1,
  reportsPerPace: 240,
  tick: { statements: 800, rows: 1_000, chunk: 5_000 },
  rowsPerBulk: 500,
};

/** 10 ms of CPU and 50 subrequests: a claim, and for each attempt a commit, a stop poll, an object and a bell. */
const FREE: Budget = {
  statements: 50,
  subrequests: 50,
  attemptsPerEvent: 5,
  quickPerEvent: 5,
  attemptsPerObject: 1,
  statementsPerSharedCall: 0,
  idsPerBell: 5,
  pollFactor: Infinity,
  reportsPerPace: 2,
  tick: { statements: 45, rows: 10, chunk: 1_000 },
  rowsPerBulk: 100,
};

/** The budget of the plan that `PLAN` names: "free", or the paid one where it is empty. */
export function budgetOf(env: Pick<Env, "PLAN">): Budget {
  return env.PLAN === "free" ? FREE : PAID;
}
