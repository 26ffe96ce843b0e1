/** `GET /health`: whether work that is accepted would also be done. */

import { z } from "zod";
import { operation } from "./operation.ts";

/** A clock this far behind its own alarm is not ticking. */
const MAX_LAG_MS = 30_000;

/** D1 is asked for this long. */
const PATIENCE_MS = 3_000;

const checkSchema = z.object({ ok: z.boolean(), detail: z.string().optional() });

const healthSchema = z
  .object({
    status: z.enum(["ok", "unavailable"]),
    checks: z.object({ database: checkSchema, clock: checkSchema }),
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
    const [database, clock] = await Promise.all([checkDatabase(env), checkClock(env)]);
    const ok = database.ok && clock.ok;
    c.header("Cache-Control", "no-store");
    return c.json({ status: ok ? "ok" : "unavailable", checks: { database, clock } }, ok ? 200 : 503);
  },
});

async function checkDatabase(env: Env): Promise<Check> {
  return within(async () => {
    await env.DB.prepare("SELECT id FROM tasks LIMIT 1").first();
    return { ok: true };
  });
}

async function checkClock(env: Env): Promise<Check> {
  return within(async () => {
    const { lagMs, error } = await env.CLOCK.getByName("clock").status();
    if (lagMs > MAX_LAG_MS) return { ok: false, detail: `the clock is ${Math.round(lagMs / 1000)} s behind` };
    return error === null ? { ok: true } : { ok: false, detail: "the clock's last tick failed" };
  });
}

async function within(check: () => Promise<Check>): Promise<Check> {
  const late = scheduler
    .wait(PATIENCE_MS)
    .then((): Check => ({ ok: false, detail: `no answer within ${PATIENCE_MS} ms` }));
  return Promise.race([check().catch((): Check => ({ ok: false, detail: "it answered with an error" })), late]);
}
