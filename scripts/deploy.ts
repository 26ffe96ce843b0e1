/**
 * `npm run deploy`: a deployment in the order of docs/schema-changes.md, the first one too: what the Worker is bound to, then the migrations that
 * the running release tolerates, then the Worker, then the migrations that only the new one does. Every step can be repeated: after a failure run it again.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { globSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { parseArgs } from "node:util";
import type { Unstable_RawConfig } from "wrangler";
import { build } from "./build.ts";
import { newSealKey } from "./seal-key.ts";
import { PLANS, planConfig, writePlanConfig, type Plan } from "./plan-config.ts";

const root = join(import.meta.dirname, "..");
const WRANGLER = join(root, "node_modules/wrangler/bin/wrangler.js");
const LOCATIONS = ["wnam", "enam", "weur", "eeur", "apac", "oc"] as const;
const USAGE = `usage: npm run deploy [-- [--plan ${PLANS.join("|")}] [--location ${LOCATIONS.join("|")}]]`;

const MIGRATIONS = "src/results/migrations";

/** The migrations of before the upload: files without a second dot, so none that end in `.contract.sql`. */
const EXPAND = `${MIGRATIONS}/+([!.]).sql`;

export interface DeployOptions {
  plan: Plan;
  /** Where the database is created, and with it the objects; the platform chooses where none is given. */
  location?: (typeof LOCATIONS)[number];
}

/** One command of wrangler. */
export interface Step {
  run: string[];
  /** The step is left out where this command succeeds: what it would make is there. */
  unless?: string[];
  /** The step is left out where this command names that. Where the command fails nobody knows, and the deployment stops. */
  unlessNamed?: { run: string[]; name: string };
  /** What the command reads, and does not show. */
  input?: () => string;
}

/** As it was before the build made wrangler quiet: what it says of a deployment is to be read. */
const environment = { ...process.env };

/** What a deployment is made of: two configuration files, which differ in the migrations that they name. */
export interface Deployment {
  config: Unstable_RawConfig;
  /** Path of the configuration that names the migrations of before, and of the one that names all. */
  expand: string;
  contract: string;
  /** Whether there are migrations for after the upload. */
  hasContract: boolean;
  location?: string;
}

/** The steps of a deployment, in order. */
export function deploySteps({ config, expand, contract, hasContract, location }: Deployment): Step[] {
  const database = config.d1_databases?.[0]?.database_name ?? "";
  const { producers = [], consumers = [] } = config.queues ?? {};
  const queues = new Set(
    [...producers, ...consumers].flatMap((each) => [
      each.queue,
      "dead_letter_queue" in each ? each.dead_letter_queue : null,
    ]),
  );
  const migrate = (file: string): Step => ({
    run: ["d1", "migrations", "apply", database, "--remote", "--config", file],
  });
  return [
    {
      run: [
        "d1",
        "create",
        database,
        ...(location === undefined ? [] : ["--location", location]),
        "--update-config=false",
      ],
      unless: ["d1", "info", database, "--json", "--config", expand],
    },
    ...[...queues]
      .filter((queue) => queue !== undefined && queue !== null)
      .map((queue) => ({ run: ["queues", "create", queue], unless: ["queues", "info", queue] })),
    migrate(expand),
    { run: ["deploy", "--config", expand] },
    {
      // Never made anew: what an older key has sealed could not be opened any more.
      run: ["secret", "put", "SEAL_KEY", "--config", expand],
      unlessNamed: { run: ["secret", "list", "--config", expand], name: '"SEAL_KEY"' },
      input: newSealKey,
    },
    ...(hasContract ? [migrate(contract)] : []),
  ];
}

/** Runs the steps one after the other with this wrangler; throws at the first that fails. */
export async function runSteps(steps: readonly Step[], wrangler = WRANGLER): Promise<void> {
  for (const { run, unless, unlessNamed, input } of steps) {
    if (unless !== undefined && (await call(wrangler, unless, "ignore")) === 0) continue;
    if (unlessNamed !== undefined && (await listed(wrangler, unlessNamed.run)).includes(unlessNamed.name)) continue;
    process.stdout.write(`\n> wrangler ${run.join(" ")}\n`);
    demandSuccess(run, await call(wrangler, run, "inherit", input?.()));
  }
}

function demandSuccess(run: string[], code: number): void {
  if (code !== 0) throw new Error(`wrangler ${run.join(" ")} failed (${code}); mend its cause and deploy again`);
}

async function call(wrangler: string, args: string[], output: "ignore" | "inherit", input?: string): Promise<number> {
  const stdio = [input === undefined ? output : "pipe", output, output] as const;
  const child = spawn(process.execPath, [wrangler, ...args], { cwd: root, env: environment, stdio: [...stdio] });
  child.stdin?.end(input);
  const [code] = (await once(child, "exit")) as [number | null];
  return code ?? 1;
}

/** What a command writes. */
async function listed(wrangler: string, args: string[]): Promise<string> {
  const child = spawn(process.execPath, [wrangler, ...args], {
    cwd: root,
    env: environment,
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [output, [code]] = (await Promise.all([text(child.stdout), once(child, "exit")])) as [string, [number | null]];
  demandSuccess(args, code ?? 1);
  return output;
}

/** Writes the configuration of a deployment and answers what to deploy. */
export function prepareDeployment({ plan, location }: DeployOptions): Deployment {
  const changes: [string, unknown][] = location === undefined ? [] : [["vars.LOCATION", location]];
  const config = planConfig(plan, changes);
  const expand = planConfig(plan, [...changes, ["d1_databases.*.migrations_pattern", EXPAND]]);
  return {
    config,
    expand: writePlanConfig(`${plan}.expand`, expand),
    contract: writePlanConfig(plan, config),
    hasContract: globSync(join(root, MIGRATIONS, "*.contract.sql")).length > 0,
    ...(location === undefined ? {} : { location }),
  };
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { plan: { type: "string", default: "paid" }, location: { type: "string" } },
  });
  const plan = PLANS.find((each) => each === values.plan);
  const location = LOCATIONS.find((each) => each === values.location);
  if (plan === undefined || location !== values.location) throw new Error(USAGE);
  await build();
  await runSteps(deploySteps(prepareDeployment({ plan, ...(location === undefined ? {} : { location }) })));
}

if (import.meta.main) {
  await main().catch((error: unknown) => {
    process.stderr.write(`lovage: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(1);
  });
}
