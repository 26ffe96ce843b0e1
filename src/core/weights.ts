/** Weights of tenants: how much of a crowded lane a tenant gets in relation to the others. Pure. */

/** By tenant; one that is not named has the weight 1. */
export type Weights = Readonly<Record<string, number>>;

const LEAST = 0.01;
const MOST = 100;

const NONE: Weights = {};

/**
 * Reads the variable `TENANT_WEIGHTS`, JSON such as `{"acme": 4, "trial": 0.5}`. What cannot be a weight counts as 1: a
 * mistake in the configuration must not stop the lanes.
 */
export function readWeights(text: string | undefined): Weights {
  if (!text) return NONE;
  try {
    const given: unknown = JSON.parse(text);
    if (typeof given !== "object" || given === null) return NONE;
    const valid = Object.entries(given).filter(([, weight]) => typeof weight === "number" && weight > 0);
    return Object.fromEntries(valid.map(([tenant, weight]) => [tenant, Math.min(MOST, Math.max(LEAST, weight))]));
  } catch {
    return NONE;
  }
}
