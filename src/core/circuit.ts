/** Circuit breakers: a task that fails too often is held back for a while, then tried with one run. */

import { durationMs, type Duration } from "./duration.ts";
import type { Per } from "./concurrency.ts";
import type { Between } from "./bounds.ts";

/** In a definition: when its tasks are held back. */
export interface CircuitOption {
  /** Failed attempts (timeouts too) within `window` that open it. */
  failures: number;
  /** … if they are also at least this share of the attempts that ended in it. Default 0.5. */
  ratio?: number;
  /** Default 1 minute. */
  window?: Duration;
  /** How long nothing starts. Then one run is let through: it closes the circuit, or opens it for as long again. Default 30 s. */
  cooldown?: Duration;
  /** Whether failures are counted, and tasks held back, for each tenant by itself or for all tenants together. Default `tenant`. */
  per?: Per;
}

/** A circuit breaker as the row holds it. Times are ms. */
export interface Circuit {
  failures: number;
  ratio: number;
  window: number;
  cooldown: number;
  per: Per;
}

/** The option with its defaults. */
export function circuitOf(option: CircuitOption, between: Between): Circuit {
  return {
    failures: between("circuit.failures", option.failures, 1, 1_000_000),
    ratio: between("circuit.ratio", option.ratio ?? 0.5, 0, 1),
    window: between("circuit.window", durationMs(option.window ?? "1m"), 1, 86_400_000),
    cooldown: between("circuit.cooldown", durationMs(option.cooldown ?? "30s"), 1, 86_400_000),
    per: option.per ?? "tenant",
  };
}

/** A circuit as JSON for the row of a task; a circuit of one tenant carries its own key. */
export function rowCircuit(task: string, { per, ...circuit }: Circuit, tenant: string): string {
  return JSON.stringify(per === "tenant" ? { ...circuit, key: `${task}@${tenant}` } : circuit);
}

/** The task and the tenant of a circuit, by its key in the tables; tenant null: all tenants. */
export function circuitOwner(key: string): { task: string; tenant: string | null } {
  const [task = "", tenant = null] = key.split("@");
  return { task, tenant };
}
