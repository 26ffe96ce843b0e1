import { randomInt } from "node:crypto";
import { join } from "node:path";
import { cloudflareTest, readD1Migrations } from "@cloudflare/vitest-pool-workers";
import { defineConfig } from "vitest/config";

const seed = process.env["TEST_SEED"] ?? "20261121";

export default defineConfig({
  test: {
    maxWorkers: 2,
    // What a passing test printed is of no interest.
    silent: "passed-only",
    projects: [
      {
        // Inside the Workers runtime, with a real D1, real queues and real Durable Objects.
        plugins: [
          cloudflareTest(async () => ({
            wrangler: { configPath: "./wrangler.toml" },
            miniflare: {
              // For tests alone: they may call the Worker's queue and scheduled handlers.
              compatibilityFlags: ["service_binding_extra_handlers"],
              bindings: {
                API_KEY: "test-key",
                FIXTURES: "1",
                PUBLIC_DEMO: "1",
                ALLOW_ORIGINS: "",
                BOOT_AT: "0",
                TEST_SEED: seed === "random" ? randomInt(2 ** 31) : Number(seed),
                TEST_MIGRATIONS: await readD1Migrations(join(import.meta.dirname, "src/results/migrations")),
              },
            },
          })),
        ],
        test: {
          name: "workerd",
          include: ["test/core/**/*.test.ts", "test/engine/**/*.test.ts"],
          setupFiles: ["test/setup/seed.ts", "test/setup/migrations.ts"],
          testTimeout: 20_000,
          hookTimeout: 30_000,
          sequence: { groupOrder: 0 },
        },
      },
      {
        // In Node, from outside: these start `npm run serve` themselves.
        test: {
          name: "node",
          include: ["test/{http,client,browser,faults}/**/*.test.ts"],
          globalSetup: ["test/setup/build.ts"],
          testTimeout: 60_000,
          hookTimeout: 60_000,
          // These talk to a real server on a shared machine: what fails once for lack of time is tried again there.
          retry: process.env["CI"] ? 1 : 0,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
