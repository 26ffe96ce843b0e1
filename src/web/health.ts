/** `GET /health`: whether the service would run the work that it accepts. */

import { z } from "zod";
import { readBacklogs } from "../broker/backlog.ts";
import { clockOf } from "../broker/poke.ts";
import { LANES, type Lane } from "../core/bounds.ts";
import { whyNoSealKey } from "../engine/sealing/key.ts";
import { storageOf } from "../engine/storage.ts";
import type { Background } from "../engine/store.ts";
import { measure } from "../results/size.ts";
import { missingInSchema } from "../results/trouble.ts";
import { within } from "../results/within.ts";
import { operation } from "./operation.ts";
import { howToMigrate } from "./problem.ts";

/** A clock this far behind its own alarm is not ticking. */
const MAX_LAG_MS = 30_000;

/** How long a check waits for an answer. */
const PATIENCE_MS = 3_000;

/** Findings are answered again for `FRESH_MS`, and for `YOUNG_MS` while a new look is under way. */
const FRESH_MS = 1_000;
const YOUNG_MS = 3_000;

/** A look that takes longer than this continues after the answer. */
const SHORT_MS = 100;

const checkSchema = z.object({ ok: z.boolean(), detail: z.string().optional() });

const databaseSchema = checkSchema.extend({
  /** Bytes in use, as this isolate saw them last; null where no answer of D1 said so. */
  sizeBytes: z.int().nullable(),
  maxBytes: z.int(),
  /** Whether new work is accepted: only below 90 % of the maximum. */
  accepts: z.boolean(),
});

const healthSchema = z
  .object({
    status: z.enum(["ok", "unavailable"]),
    checks: z.object({
      database: databaseSchema,
      clock: checkSchema,
      /** Whether secret fields can be sealed. If not, submissions with secret fields are refused; all else works. */
      sealing: checkSchema,
    }),
    /** How far the clock is behind its own alarm; null where it does not answer. */
    clockLagMs: z.int().nullable(),
    /** Messages that wait in the lanes' queues; null where a queue does not say. */
    backlog: z.object(
      Object.fromEntries(LANES.map((lane) => [lane, z.int().nullable()])) as Record<Lane, z.ZodNullable<z.ZodInt>>,
    ),
  })
  .meta({ id: "Health" });

type Check = z.output<typeof checkSchema>;

export const getHealth = operation({
  id: "getHealth",
  method: "get",
  path: "/health",
  tag: "operations",
  summary: "Check whether the service works",
  scope: null,
  answers: {
    200: { description: "D1 answers and the clock ticks", schema: healthSchema },
    503: { description: "Something does not, and why", schema: healthSchema },
  },
  problems: [],
  async handle({ c, env }) {
    const { answers, clock, clockLagMs, backlog } = await findings(env, c.executionCtx);
    const database = { ...answers, ...storageOf(env) };
    const ok = database.ok && clock.ok;
    c.header("Cache-Control", "no-store");
    const status = ok ? "ok" : "unavailable";
    const why = whyNoSealKey(env);
    const sealing = why === null ? { ok: true } : { ok: false, detail: why };
    return c.json({ status, checks: { database, clock, sealing }, clockLagMs, backlog }, ok ? 200 : 503);
  },
});

/** The findings of one look. */
interface Findings {
  answers: Check;
  clock: Check;
  clockLagMs: number | null;
  backlog: Record<Lane, number | null>;
}

/** The latest findings of this isolate, and when it last began to look; ms since the epoch. */
interface Latest {
  found: Findings | null;
  foundAt: number;
  lookingSince: number;
}

const latest = new WeakMap<D1Database, Latest>();

/**
 * Looks at most once a second, and while the last findings are young answers with them instead of waiting behind a large write:
 * so frequent requests cost nothing, and a silent D1 or a stopped clock stays hidden for {@link YOUNG_MS} at most.
 */
async function findings(env: Env, background: Background): Promise<Findings> {
  const now = Date.now();
  const known = latest.get(env.DB) ?? { found: null, foundAt: 0, lookingSince: 0 };
  latest.set(env.DB, known);
  const age = now - known.foundAt;
  const isLooking = now - known.lookingSince < PATIENCE_MS && known.lookingSince > known.foundAt;
  if (known.found !== null && (age < FRESH_MS || (isLooking && age < YOUNG_MS))) return known.found;
  known.lookingSince = now;
  const looking = look(env).then((found) => {
    [known.found, known.foundAt] = [found, Date.now()];
    return found;
  });
  const before = known.found;
  if (before === null || age >= YOUNG_MS) return looking;
  background.waitUntil(looking);
  return Promise.race([looking, scheduler.wait(SHORT_MS).then(() => before)]);
}

async function look(env: Env): Promise<Findings> {
  const [answers, { check: clock, lagMs: clockLagMs }, backlog] = await Promise.all([
    foundOr(checkDatabase(env), (detail) => ({ ok: false, detail })),
    foundOr(checkClock(env), (detail) => ({ check: { ok: false, detail }, lagMs: null })),
    foundOr(readBacklogs(env), () => Object.fromEntries(LANES.map((lane) => [lane, null])) as Record<Lane, null>),
  ]);
  return { answers, clock, clockLagMs, backlog };
}

async function checkDatabase(env: Env): Promise<Check> {
  await measure(env.DB, Date.now());
  return storageOf(env).accepts ? { ok: true } : { ok: true, detail: "it is nearly full: new work is refused" };
}

async function checkClock(env: Env): Promise<{ check: Check; lagMs: number | null }> {
  const { lagMs, error } = await clockOf(env).status();
  if (lagMs > MAX_LAG_MS) {
    return { check: { ok: false, detail: `the clock is ${Math.round(lagMs / 1000)} s behind` }, lagMs };
  }
  if (error === null) return { check: { ok: true }, lagMs };
  const missing = missingInSchema(error);
  const why = missing === null ? "" : `: ${howToMigrate(missing)}`;
  return { check: { ok: false, detail: `the clock's last tick failed${why}` }, lagMs };
}

/** The finding, or `orElse` where it comes too late or fails. */
async function foundOr<T>(finding: Promise<T>, orElse: (detail: string) => T): Promise<T> {
  try {
    const found = await within(finding, PATIENCE_MS);
    return found === "late" ? orElse(`no answer within ${PATIENCE_MS} ms`) : found;
  } catch {
    return orElse("it answered with an error");
  }
}
