/** Production's limits for one event, as Cloudflare documents them, and the strict platform's other settings. Durations are ms. */

export type Plan = "paid" | "free";

export interface EventLimits {
  /** D1 statements; each of a batch counts. */
  statements: number;
  /** Calls through bindings and requests to the network. */
  subrequests: number;
  /** Worker invocations through service bindings. Calls to objects are none. */
  invocations: number;
  /** Requests to the network that wait for their headers, together with those of the Workers called by binding. */
  connections: number;
  /** How long an event lives on after its handler returned. */
  afterReturnMs: number;
  /** How long the handler of a queue or scheduled event may take. */
  handlerMs: number;
  /** How long an object's alarm handler may take. */
  alarmMs: number;
  /** How long an object's event lives on after its method returned. */
  objectMs: number;
}

export interface DatabaseOptions {
  /** The network delay of every call: half on the way there, half on the way back. */
  networkMs: number;
  /** The delay of every statement that writes nothing. */
  readMs: number;
  /** The delay of every statement that writes. */
  writeMs: number;
  /** Writes are refused once the database is larger. */
  maxBytes: number;
  /** Calls that may be queued; one more is refused. */
  maxQueued: number;
  /** A call that is queued for longer is refused; a call to a silent database fails after this. */
  patienceMs: number;
}

/** The configuration of a strict Worker. */
export interface StrictConfig {
  limits: EventLimits;
  bindings: Record<string, BindingKind>;
}

/** "self" is a service binding to an entrypoint of the same script. */
export type BindingKind = "d1" | "queue" | "object" | "service" | "self" | "fetcher";

const SECOND = 1_000;
const MINUTE = 60 * SECOND;

/** Every duration is multiplied by `scale`. */
export function eventLimits(plan: Plan, scale: number): EventLimits {
  return {
    statements: plan === "free" ? 50 : 1_000,
    subrequests: plan === "free" ? 50 : 10_000,
    invocations: 32,
    connections: 6,
    afterReturnMs: 30 * SECOND * scale,
    handlerMs: 15 * MINUTE * scale,
    alarmMs: 15 * MINUTE * scale,
    objectMs: 15 * MINUTE * scale,
  };
}
