/** The order of a deployment, against a wrangler that only notes what it is asked. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Deployment, deploySteps, prepareDeployment, runSteps } from "../../scripts/deploy.ts";

let dir: string;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "lovage-deploy-"));
});

afterEach(() => {
  rmSync(dir, { recursive: true, force: true });
});

/** A wrangler that knows these resources, fails where told, and writes down each command. */
function stubWrangler(there: string[], failing = "nothing"): string {
  const file = join(dir, "wrangler.mjs");
  writeFileSync(
    file,
    `import { appendFileSync, readFileSync, writeFileSync } from "node:fs";
     const args = process.argv.slice(2).filter((arg) => !arg.endsWith(".json"));
     const line = args.filter((arg) => !arg.startsWith("--")).join(" ");
     const log = ${JSON.stringify(join(dir, "log"))};
     const made = (() => { try { return readFileSync(log, "utf8").split("\\n"); } catch { return []; } })();
     if (args[1] === "info") {
       const name = args[0] + " " + args[2];
       const isThere = ${JSON.stringify(there)}.includes(name) || made.includes(name.replace(" ", " create "));
       process.exit(isThere ? 0 : 1);
     }
     if (line === "secret list") {
       if (line.startsWith(${JSON.stringify(failing)})) process.exit(1);
       const names = ${JSON.stringify(there)}.filter((name) => name.startsWith("secret "));
       process.stdout.write(JSON.stringify(names.map((name) => ({ name: name.slice(7), type: "secret_text" }))));
       process.exit(0);
     }
     if (line === "secret put SEAL_KEY") writeFileSync(${JSON.stringify(join(dir, "sealed"))}, readFileSync(0, "utf8"));
     appendFileSync(log, line + "\\n");
     process.exit(line.startsWith(${JSON.stringify(failing)}) ? 1 : 0);`,
  );
  return file;
}

const commands = () => readFileSync(join(dir, "log"), "utf8").trim().split("\n");

const LANES = ["high", "default", "bulk", "long"];
const QUEUES = [...LANES, ...LANES.map((lane) => `turns-${lane}`), "dead"].map((name) => `queues lovage-${name}`);
const RESOURCES = ["d1 lovage", ...QUEUES];
const ALL = [...RESOURCES, "secret API_KEY", "secret SEAL_KEY"];

function deployment(changes: Partial<Deployment> = {}): Deployment {
  return { ...prepareDeployment({ plan: "paid" }), hasContract: false, ...changes };
}

describe("the steps of a deployment", () => {
  it("make the database and every queue before the migrations, and those before the Worker, on the first day", async () => {
    await runSteps(deploySteps(deployment()), stubWrangler([]));
    expect(commands()).toEqual([
      "d1 create lovage",
      ...QUEUES.map((queue) => queue.replace(" ", " create ")),
      "d1 migrations apply lovage",
      "deploy",
      "secret put SEAL_KEY",
    ]);
    const [, base64 = ""] = /^[0-9a-f]{8}:(.{44})$/.exec(readFileSync(join(dir, "sealed"), "utf8")) ?? [];
    expect(Buffer.from(base64, "base64")).toHaveLength(32);
  });

  it("make no key to seal with where nobody can say whether there is one", async () => {
    await expect(runSteps(deploySteps(deployment()), stubWrangler(RESOURCES, "secret list"))).rejects.toThrow("secret");
    expect(commands()).toEqual(["d1 migrations apply lovage", "deploy"]);
  });

  it("migrate and then upload where everything is there", async () => {
    await runSteps(deploySteps(deployment()), stubWrangler(ALL));
    expect(commands()).toEqual(["d1 migrations apply lovage", "deploy"]);
  });

  it("contract only after the upload", async () => {
    await runSteps(deploySteps(deployment({ hasContract: true })), stubWrangler(ALL));
    expect(commands()).toEqual(["d1 migrations apply lovage", "deploy", "d1 migrations apply lovage"]);
  });

  it("name the migrations of before the upload in one configuration, and all of them in the other", () => {
    const steps = deploySteps(deployment({ expand: "expand.json", contract: "contract.json", hasContract: true }));
    const configs = steps.slice(-4).map(({ run }) => run.at(-1));
    expect(configs).toEqual(["expand.json", "expand.json", "expand.json", "contract.json"]);
    const { expand, contract } = prepareDeployment({ plan: "paid" });
    const patternOf = (file: string) => JSON.parse(readFileSync(file, "utf8")).d1_databases[0].migrations_pattern;
    expect(patternOf(expand)).toBe("../src/results/migrations/+([!.]).sql");
    expect(patternOf(contract)).toBeUndefined();
  });

  it.each(["d1 create", "queues create lovage-dead", "d1 migrations", "deploy"])(
    "stop where %s fails, and go on from there the next time",
    async (failing) => {
      const steps = deploySteps(deployment({ hasContract: true }));
      await expect(runSteps(steps, stubWrangler([], failing))).rejects.toThrow(failing);
      const before = commands();
      expect(before.at(-1)).toMatch(failing);
      // What failed was not made, so the second run must not find it.
      writeFileSync(
        join(dir, "log"),
        before
          .slice(0, -1)
          .map((line) => `${line}\n`)
          .join(""),
      );
      await runSteps(steps, stubWrangler([]));
      const made = commands().filter((line) => line.includes("create"));
      expect(made).toEqual(RESOURCES.map((name) => name.replace(" ", " create ")));
      expect(commands().slice(-3)).toEqual(["deploy", "secret put SEAL_KEY", "d1 migrations apply lovage"]);
    },
  );

  it("put the database, and the objects, where they are told", () => {
    const given = prepareDeployment({ plan: "paid", location: "weur" });
    expect(deploySteps(given)[0]?.run).toContain("weur");
    expect(given.config.vars?.["LOCATION"]).toBe("weur");
  });
});
