import { randomInt } from "node:crypto";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cloudflareTest, readD1Migrations } from "@cloudflare/vitest-pool-workers";
import { defineConfig } from "vitest/config";
import { LongestFirst } from "./test/setup/longest-first.ts";

const given = process.env["TEST_SEED"] ?? "20261121";
const seed = given === "random" ? randomInt(2 ** 31) : Number(given);

// What each process of the tests would compile again, of wrangler above all.
process.env["NODE_COMPILE_CACHE"] ??= join(tmpdir(), "lovage-compile-cache");

/** These matter only where a test fails: a tight one would test the machine. */
const PATIENCE = { testTimeout: 300_000, hookTimeout: 300_000, expect: { poll: { timeout: 180_000, interval: 50 } } };

/** Random programs are the same every time. */
const SEEDED = [{ find: /^fast-check$/, replacement: join(import.meta.dirname, "test/setup/seed.ts") }];

/** So many files run side by side: most of what they do is wait, for a server of theirs or for a timer. */
const WAITERS = 6;

/** The Workers runtime, with a real D1, real queues and real Durable Objects. */
const runtime = cloudflareTest(async () => ({
  wrangler: { configPath: "./wrangler.toml" },
  miniflare: {
    // For tests alone: they may call the Worker's queue and scheduled handlers.
    compatibilityFlags: ["service_binding_extra_handlers"],
    bindings: {
      API_KEY: "test-key",
      SEAL_KEY: `test:${Buffer.alloc(32, 7).toString("base64")}`,
      FIXTURES: "1",
      PUBLIC_DEMO: "1",
      ALLOW_ORIGINS: "",
      BOOT_AT: "0",
      TEST_MIGRATIONS: await readD1Migrations(join(import.meta.dirname, "src/results/migrations")),
    },
  },
}));

export default defineConfig({
  test: {
    maxWorkers: 2,
    sequence: { sequencer: LongestFirst },
    // What a passing test printed is of no interest.
    silent: "passed-only",
    provide: {
      seed,
      isFull: process.env["TEST_RUNS"] === "full",
      largeTable: Number(process.env["LARGE_TABLE"] ?? 200_000),
    },
    projects: [
      {
        // The rules are pure: they need no runtime, and nothing of one file is felt in the next.
        resolve: { alias: SEEDED },
        test: {
          name: "core",
          include: ["test/core/*.test.ts"],
          isolate: false,
          ...PATIENCE,
          sequence: { groupOrder: 0 },
        },
      },
      {
        // The built-in tasks: inside the runtime, but without its storage, so that nothing of one file is felt in the next.
        resolve: { alias: SEEDED },
        plugins: [runtime],
        test: {
          name: "tasks",
          include: ["test/core/tasks/**/*.test.ts"],
          setupFiles: ["test/setup/application.ts"],
          isolate: false,
          ...PATIENCE,
          sequence: { groupOrder: 0 },
        },
      },
      {
        // Inside the runtime, a database for each file.
        resolve: { alias: SEEDED },
        plugins: [runtime],
        test: {
          name: "workerd",
          include: ["test/engine/**/*.test.ts"],
          setupFiles: ["test/setup/application.ts", "test/setup/migrations.ts"],
          maxWorkers: WAITERS,
          ...PATIENCE,
          sequence: { groupOrder: 1 },
        },
      },
      {
        // In Node, from outside: these start `npm run serve` themselves.
        test: {
          name: "node",
          maxWorkers: WAITERS,
          isolate: false,
          include: ["test/{http,client,browser,faults,scripts}/**/*.test.ts"],
          globalSetup: ["test/setup/build.ts", "test/setup/shared-state.ts"],
          ...PATIENCE,
          sequence: { groupOrder: 1 },
        },
      },
      {
        // In Node: deployments, and the service under production's limits.
        test: {
          name: "platform",
          maxWorkers: WAITERS,
          isolate: false,
          include: ["test/platform/**/*.test.ts"],
          globalSetup: ["test/setup/build.ts"],
          ...PATIENCE,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
