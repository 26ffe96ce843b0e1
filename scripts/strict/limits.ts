/** Production's limits of one event, as Cloudflare documents them, and what the strict platform is told besides. Durations are ms. */

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
  /** Of every call, half on its way and half on its way back. */
  networkMs: number;
  /** Of every statement that writes nothing. */
  readMs: number;
  /** Of every statement that writes. */
  writeMs: number;
  /** Writes are refused once the database is larger. */
  maxBytes: number;
  /** Calls that may wait for their turn; one more is refused. */
  maxQueued: number;
  /** A call that has waited longer for its turn is refused, and one that a silent database does not answer fails. */
  patienceMs: number;
}

/** What a strict Worker is told when it starts. */
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
