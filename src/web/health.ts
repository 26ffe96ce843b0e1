/** `GET /health`: whether work that is accepted would also be done. */

import { z } from "zod";
import { readBacklogs } from "../broker/backlog.ts";
import { clockOf } from "../broker/poke.ts";
import { LANES, type Lane } from "../core/bounds.ts";
import { whyNoSealKey } from "../engine/sealing/key.ts";
import { storageOf } from "../engine/storage.ts";
import type { Background } from "../engine/store.ts";
import { measure } from "../results/size.ts";
import { operation } from "./operation.ts";

/** A clock this far behind its own alarm is not ticking. */
const MAX_LAG_MS = 30_000;

/** D1 is asked for this long. */
const PATIENCE_MS = 3_000;

/** What was found is told again for so long, and while a new look takes its time, up to the second. */
const FRESH_MS = 1_000;
const YOUNG_MS = 3_000;

/** A look that takes longer than this goes on behind the answer. */
const SHORT_MS = 100;

const checkSchema = z.object({ ok: z.boolean(), detail: z.string().optional() });

const databaseSchema = checkSchema.extend({
  /** In use, as this isolate saw it last; null where no answer told. */
  sizeBytes: z.int().nullable(),
  maxBytes: z.int(),
  /** Whether new work is accepted: not from 90 % of the maximum on. */
  accepts: z.boolean(),
});

const healthSchema = z
  .object({
    status: z.enum(["ok", "unavailable"]),
    checks: z.object({
      database: databaseSchema,
      clock: checkSchema,
      /** Whether secret fields can be sealed. Where they cannot, submissions that have some are refused and the rest works. */
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

/** What a look has found. */
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
 * Looks once a second at most, and keeps nobody waiting behind a large write while what was found before is young: so asking
 * often costs nothing, and neither D1's silence nor a clock that stands still stays hidden for longer than {@link YOUNG_MS}.
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
    within(checkDatabase(env), (detail) => ({ ok: false, detail })),
    within(checkClock(env), (detail) => ({ check: { ok: false, detail }, lagMs: null })),
    within(readBacklogs(env), () => Object.fromEntries(LANES.map((lane) => [lane, null])) as Record<Lane, null>),
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
  return { check: error === null ? { ok: true } : { ok: false, detail: "the clock's last tick failed" }, lagMs };
}

/** What was found out, or what is said instead where it answers too late or not at all. */
async function within<T>(finding: Promise<T>, orElse: (detail: string) => T): Promise<T> {
  const late = scheduler.wait(PATIENCE_MS).then(() => orElse(`no answer within ${PATIENCE_MS} ms`));
  return Promise.race([finding.catch(() => orElse("it answered with an error")), late]);
}
