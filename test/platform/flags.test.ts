/** The compatibility flags on which safety rests are wherever the Worker runs. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { describe, expect, it } from "vitest";
import { readLocalConfig } from "../../scripts/local-config.ts";
import { planConfig, PLANS } from "../../command/deploy/plan-config.ts";
import { STRICT_OPTIONS, readStrictOptions } from "../../scripts/strict/options.ts";
import { strictWorkers, type WorkerOptions } from "../../scripts/strict/workers.ts";

/** Without it, what a task fetches from the deployment's own zone goes past Cloudflare's security. */
const FLAG = "global_fetch_strictly_public";

const root = join(import.meta.dirname, "../..");

describe.each(PLANS)("on the %s plan", (plan) => {
  it("a deployment fetches strictly from the public internet", () => {
    expect(planConfig(plan).compatibility_flags).toContain(FLAG);
  });

  it("so does the local service", () => {
    expect(readLocalConfig(plan).worker.compatibilityFlags).toContain(FLAG);
  });

  it("and every isolate of the strict platform", () => {
    const { values } = parseArgs({ args: ["--strict", "--plan", plan], options: STRICT_OPTIONS });
    const strict = readStrictOptions(values)!;
    const { config, worker } = readLocalConfig(plan);
    const bundle = join(root, "dist/worker/index.js");
    const workers = strictWorkers(config, worker as WorkerOptions, {}, strict, bundle);
    expect(workers.length).toBeGreaterThan(3);
    for (const each of workers)
      expect([each.name, each.compatibilityFlags]).toEqual([each.name, expect.arrayContaining([FLAG])]);
  });
});

it("the Worker of the platform's tests has every flag of wrangler.toml", () => {
  const flagsOf = (file: string) => {
    const [, list = ""] = /^compatibility_flags = \[([^\]]*)\]/m.exec(readFileSync(join(root, file), "utf8")) ?? [];
    return [...list.matchAll(/^\s*"(\w+)"/gm)].map(([, flag]) => flag);
  };
  expect(flagsOf("test/platform/fixture/wrangler.toml")).toEqual(flagsOf("wrangler.toml"));
  expect(flagsOf("wrangler.toml")).toContain(FLAG);
});
