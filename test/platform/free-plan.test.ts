/** The configuration for the free plan, against what that plan allows. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { unstable_readConfig } from "wrangler";
import { planConfig, writePlanConfig } from "../../command/deploy/plan-config.ts";
import { budgetOf } from "../../src/core/plan.ts";

const root = join(import.meta.dirname, "../..");

const free = planConfig("free");
const paid = planConfig("paid");

describe("the configuration for the free plan", () => {
  it("asks for no more CPU time than there is", () => {
    expect(paid.limits).toBeDefined();
    expect(free.limits).toBeUndefined();
  });

  it("tells the code which plan it runs on, and how large its database may become", () => {
    expect(free.vars).toMatchObject({ PLAN: "free", D1_MAX_BYTES: "500000000" });
  });

  it("delivers at most as many ids at once as an event may start attempts", () => {
    const budget = budgetOf({ PLAN: "free" });
    for (const { max_batch_size } of free.queues?.consumers ?? []) {
      expect((max_batch_size ?? 10) * budget.idsPerBell).toBeLessThanOrEqual(budget.attemptsPerEvent);
    }
  });

  it("has at most five cron triggers, and no class of objects that are not kept in SQLite", () => {
    expect(free.triggers?.crons?.length).toBeLessThanOrEqual(5);
    for (const migration of free.migrations ?? []) expect(migration.new_classes ?? []).toEqual([]);
  });

  it("binds what the paid one binds", () => {
    for (const part of ["durable_objects", "d1_databases", "services", "assets", "migrations"] as const) {
      expect(free[part]).toEqual(paid[part]);
    }
    expect(free.queues?.producers).toEqual(paid.queues?.producers);
    expect(free.queues?.consumers?.map(({ queue }) => queue)).toEqual(
      paid.queues?.consumers?.map(({ queue }) => queue),
    );
  });

  it("leaves the paid one as wrangler.toml has it, but for an id that stands for none", () => {
    const { consumers } = unstable_readConfig({ config: join(root, "wrangler.toml") }, { hideWarnings: true }).queues;
    expect(paid.queues?.consumers).toEqual(consumers);
    expect(paid.vars?.["PLAN"] ?? "").toBe("");
    expect(paid.d1_databases?.[0]?.database_id).toBeUndefined();
  });

  // `deploy.test.ts` deploys it by wrangler.
  it("is one that wrangler reads, for a Worker of an allowed size", () => {
    const config = unstable_readConfig({ config: writePlanConfig("free", free) }, { hideWarnings: true });
    expect(existsSync(config.main ?? "")).toBe(true);
    const kilobytes = gzipSync(readFileSync(join(root, "dist/worker/index.js"))).length / 1_024;
    // Three megabytes is the smallest limit that a version of the documentation names.
    expect(kilobytes).toBeGreaterThan(10);
    expect(kilobytes).toBeLessThan(3 * 1_024);
  });
});
