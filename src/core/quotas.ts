/** Quotas of tenants: how much of each resource a tenant may have. Pure. */

export const QUOTA_NAMES = ["tasks", "bytes", "signals", "schedules", "keys"] as const;

export type QuotaName = (typeof QUOTA_NAMES)[number];

/** What is counted from time to time; the others are counted whenever a new one is requested. */
export const USED_NAMES = ["tasks", "bytes", "signals"] as const;

/** How much of each: tasks that have not ended, bytes that are stored, signals that are kept. */
export type Use = Readonly<Record<(typeof USED_NAMES)[number], number>>;

export type Quotas = Readonly<Record<QuotaName, number>>;

/** Generous: they only keep a mistake of one tenant from harming the others. */
export const DEFAULT_QUOTAS: Quotas = {
  tasks: 100_000,
  bytes: 5_000_000_000,
  signals: 100_000,
  schedules: 1_000,
  keys: 1_000,
};

/** The free plan's database holds 500 MB. */
export const FREE_QUOTAS: Quotas = { ...DEFAULT_QUOTAS, tasks: 10_000, bytes: 250_000_000, signals: 10_000 };

/**
 * Reads the variable `QUOTAS`, JSON such as `{"tasks": 50000, "tenants": {"acme": {"keys": 20}}}`: the quota of this tenant,
 * else that of all tenants, else `otherwise`. A value that is no count is ignored.
 */
export function quotasOf(text: string | undefined, tenant: string, otherwise: Quotas): Quotas {
  const given = readObject(text);
  const tenants = objectOf(given["tenants"]);
  const own = Object.hasOwn(tenants, tenant) ? objectOf(tenants[tenant]) : {};
  const entries = QUOTA_NAMES.map((name): [QuotaName, number] => [
    name,
    countOf(own[name]) ?? countOf(given[name]) ?? otherwise[name],
  ]);
  return Object.fromEntries(entries) as Record<QuotaName, number>;
}

function countOf(value: unknown): number | null {
  return typeof value === "number" && value >= 0 ? Math.floor(value) : null;
}

function objectOf(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}

function readObject(text: string | undefined): Record<string, unknown> {
  if (!text) return {};
  try {
    return objectOf(JSON.parse(text));
  } catch {
    return {};
  }
}
