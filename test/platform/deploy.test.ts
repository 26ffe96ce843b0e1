/**
 * Deployments of every kind on an account on loopback, which notes each call that changes something. The first is made with wrangler
 * itself; `package.test.ts` does the same in a project, and an upgrade for the free plan.
 */
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { connectCloudflare, type Cloudflare } from "../../command/deploy/cloudflare.ts";
import { deploy, type Surroundings } from "../../command/deploy/deploy.ts";
import { optionsOf, ownSource, prepareDeployment, type Deployment } from "../../command/deploy/deployment.ts";
import { destroy } from "../../command/deploy/destroy.ts";
import { keptOptions } from "../../command/deploy/kept.ts";
import { fakeCloudflare, firstChanges, queuesOf, removals, type FakeCloudflare } from "./fake-cloudflare.ts";

const MIGRATIONS = readdirSync("src/results/migrations").filter((name) => /^[^.]+\.sql$/.test(name));
const QUEUES = queuesOf();

let account: FakeCloudflare;
let cloudflare: Cloudflare;
let around: Partial<Surroundings>;

async function open(): Promise<void> {
  account = await fakeCloudflare();
  cloudflare = await connectCloudflare(account.env);
  const notes = mkdtempSync(join(tmpdir(), "lovage-notes-"));
  around = { say: () => {}, fetch: async () => Response.json({ ok: true }), lookEvery: 1, patience: 0, notes };
}

async function close(): Promise<void> {
  await account.stop();
  rmSync(around.notes!, { recursive: true });
}

function deployment(changes: Partial<Deployment> = {}): Deployment {
  return { ...prepareDeployment({ plan: "paid", location: "weur" }), ...changes };
}

describe("a deployment by wrangler", () => {
  const to = prepareDeployment({ plan: "free", location: "weur", env: "staging" });
  const staging = { worker: "lovage-staging", database: "lovage-staging", queues: queuesOf("staging-") };

  beforeAll(open);
  afterAll(close);

  it("provides everything on the first day, the database before its migrations and those before the Worker", async () => {
    const { addresses, apiKey, ...rest } = await deploy(to, cloudflare, around);

    expect(account.changes()).toEqual(firstChanges(staging, MIGRATIONS, "weur"));
    expect(account.unknown).toEqual([]);
    expect(account.databases).toMatchObject([{ name: "lovage-staging", location: "weur" }]);
    expect(account.scripts.get("lovage-staging")).toMatchObject({ vars: { PLAN: "free" }, cpuMs: undefined });
    expect(addresses).toEqual([`https://lovage-staging.${account.subdomain}.workers.dev`]);
    expect(apiKey).toMatch(/^[\w-]{43}$/);
    expect(rest).toEqual({ apiKeyName: "API_KEY", changed: true, unhealthy: null });
  });

  it("changes nothing the second time", async () => {
    expect(await deploy(to, cloudflare, around)).toMatchObject({ apiKey: null, changed: false, unhealthy: null });
    expect(account.changes()).toEqual([]);
  });

  it("is removed without a trace, and only once", async () => {
    const removed = await destroy(to, cloudflare);

    expect(account.changes()).toEqual(removals(staging));
    expect(removed).toHaveLength(removals(staging).length);
    expect(await destroy(to, cloudflare)).toEqual([]);
    expect(account.changes()).toEqual([]);
    expect([account.queues, account.databases, account.scripts.size]).toEqual([[], [], 0]);
  });
});

describe("the order of a deployment", () => {
  let ran: string[];
  let failing: string | null;

  beforeEach(async () => {
    await open();
    ran = [];
    failing = null;
    cloudflare.wrangler = async (args) => {
      const command = args.slice(0, 2).join(" ");
      ran.push(`${command} ${args[args.indexOf("--config") + 1]}`);
      if (failing !== null && command.startsWith(failing)) throw new Error(`wrangler ${command} failed`);
      if (args[0] === "d1") account.databases[0].migrations = [...MIGRATIONS, "0099_x.contract.sql"];
      else account.scripts.set("lovage", { tag: "", secrets: ["API_KEY", "SEAL_KEY"], vars: {}, versions: ["v"] });
    };
  });
  afterEach(close);

  const named = { expand: "expand.json", contract: "contract.json" };

  it("contracts only after the upload, by the configuration that names all migrations", async () => {
    const to = deployment({ ...named, migrations: { expand: MIGRATIONS, contract: ["0100_y.contract.sql"] } });
    await deploy(to, cloudflare, around);

    expect(ran).toEqual(["d1 migrations expand.json", "deploy --config expand.json", "d1 migrations contract.json"]);
  });

  it("applies a new migration and uploads the new release, with the keys that are there", async () => {
    await deploy(deployment(named), cloudflare, around);
    account.databases[0].migrations.splice(MIGRATIONS.length - 1);
    ran.length = 0;
    const upgrade = await deploy(deployment({ ...named, fingerprint: "lovage-upgrade" }), cloudflare, around);

    expect(ran).toEqual(["d1 migrations expand.json", "deploy --config expand.json"]);
    expect(upgrade).toMatchObject({ apiKey: null, changed: true });
  });

  it("names the migrations of before the upload in one configuration, and all of them in the other", async () => {
    const { expand, contract } = deployment();
    const patternOf = async (file: string) =>
      (await import(file, { with: { type: "json" } })).default.d1_databases[0].migrations_pattern;

    expect(await patternOf(expand)).toBe("../src/results/migrations/+([!.]).sql");
    expect(await patternOf(contract)).toBeUndefined();
  });

  it.each(["d1 migrations", "deploy"])("stops where %s fails, and goes on from there", async (command) => {
    failing = command;
    await expect(deploy(deployment(named), cloudflare, around)).rejects.toThrow(command);
    expect(ran.at(-1)).toContain(command);
    ran.length = 0;
    failing = null;
    await deploy(deployment(named), cloudflare, around);

    expect(ran[0]).toContain(command);
    expect(ran.at(-1)).toBe("deploy --config expand.json");
    expect(account.databases).toHaveLength(1);
  });

  it("uploads again what was cut off before its queues were there", async () => {
    const to = deployment(named);
    await deploy(to, cloudflare, around);
    account.scripts.get("lovage")!.tag = to.fingerprint;
    ran.length = 0;
    await deploy(to, cloudflare, around);

    // The queues are missing: this wrangler makes none.
    expect(ran).toEqual(["deploy --config expand.json"]);
  });

  it("shows the key that is stored although the upload failed after it", async () => {
    const upload = cloudflare.wrangler;
    cloudflare.wrangler = async (args) => {
      await upload(args);
      if (args[0] === "deploy") throw new Error("no schedule");
    };

    await expect(deploy(deployment(named), cloudflare, around)).rejects.toThrow(
      /no schedule\n.*shown this once: [\w-]{43}$/,
    );
  });

  it("makes no keys where it cannot be known whether there are some", async () => {
    const { get } = cloudflare;
    cloudflare.get = async (path) => {
      if (path.endsWith("/secrets")) throw new Error("no secrets today");
      return get(path);
    };

    await expect(deploy(deployment(named), cloudflare, around)).rejects.toThrow("no secrets today");
    expect(ran).toEqual(["d1 migrations expand.json"]);
  });

  it("says why a deployment is not healthy", async () => {
    const fetch = async () => new Response("the clock has not ticked", { status: 503 });
    const { unhealthy } = await deploy(deployment(named), cloudflare, { ...around, fetch });

    expect(unhealthy).toBe("503 the clock has not ticked");
  });

  it("leaves a queue that wakes another Worker too, or that is the application's own", async () => {
    const consumers = ["lovage", "another"].map((script) => ({ consumer_id: script, script, type: "worker" }));
    account.queues = [
      { queue_id: "q", queue_name: "lovage-bulk", consumers },
      { queue_id: "r", queue_name: "orders", consumers: [] },
    ];
    await destroy(deployment({ queues: ["lovage-bulk", "orders"] }), cloudflare);

    expect(account.changes()).toEqual([]);
  });
});

describe("what an earlier deployment was told", () => {
  beforeEach(open);
  afterEach(close);

  it("stays, each environment's by itself, unless it is no option's value or the configuration says it", async () => {
    const script = { tag: "", secrets: [], versions: [] };
    account.scripts.set("lovage", { ...script, vars: { PLAN: "free", LOCATION: "weur", QUOTAS: "" } });
    account.scripts.set("lovage-staging", { ...script, vars: { LOCATION: "moon" } });
    const keptOf = async (env?: string, source = ownSource()) =>
      keptOptions(env === undefined ? {} : { env }, source, cloudflare);

    expect(await keptOf()).toEqual({ plan: "free", location: "weur" });
    expect(await keptOf("staging")).toEqual({});
    expect(await keptOf("absent")).toEqual({});
    const path = join(around.notes!, "wrangler.toml");
    writeFileSync(path, 'name = "lovage"\n[vars]\nLOCATION = ""\n');
    expect(await keptOf(undefined, { ...ownSource(), files: { path, made: () => path } })).toEqual({ plan: "free" });
  });
});

describe("what is asked for", () => {
  const usage = "usage";

  it("is a plan, a location and an environment that there are", () => {
    expect(optionsOf({ plan: "free", location: "weur", env: "staging" }, usage)).toEqual({
      plan: "free",
      location: "weur",
      env: "staging",
    });
    expect(() => optionsOf({ plan: "huge" }, usage)).toThrow(usage);
    expect(() => optionsOf({ location: "moon" }, usage)).toThrow(usage);
    expect(() => optionsOf({ env: "Staging!" }, usage)).toThrow("such as staging");
  });

  it("puts the database and the objects where it says, and an environment beside the others", () => {
    const { config, name, database, queues } = prepareDeployment({ plan: "free", location: "weur", env: "staging" });
    const numbers = (each: typeof config) => (each.ratelimits ?? []).map(({ namespace_id: id }) => id);

    expect(config.vars).toMatchObject({ LOCATION: "weur", PLAN: "free" });
    expect([name, database]).toEqual(["lovage-staging", "lovage-staging"]);
    expect(queues).toEqual(QUEUES.map((queue) => `staging-${queue}`));
    expect(config.queues?.consumers?.[0]?.dead_letter_queue).toBe("staging-lovage-dead");
    expect(numbers(config)).toHaveLength(2);
    expect(numbers(config)).not.toEqual(numbers(prepareDeployment({ plan: "free" }).config));
  });
});
