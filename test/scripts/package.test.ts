/** The package as other projects get it: packed, installed, and used by its command. */
import { execFileSync } from "node:child_process";
import { accessSync, constants, existsSync, globSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { builtinModules } from "node:module";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { createServer, type AddressInfo } from "node:net";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { parseSync } from "oxc-parser";
import { parse } from "smol-toml";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ofBindings } from "../../command/doctor/examine.ts";
import { planInit } from "../../command/init/plan.ts";
import type { RawConfig } from "../../command/init/wanted.ts";
import {
  fakeCloudflare,
  firstChanges,
  queuesOf,
  reaching,
  removals,
  type FakeCloudflare,
} from "../platform/fake-cloudflare.ts";
import { packAndInstall, type Installed, type Project } from "./installed.ts";
import { processesIn, stopNextRuntime } from "./processes.ts";

let installed: Installed;

beforeAll(async () => {
  installed = await packAndInstall();
});

afterAll(() => installed?.remove());

interface Manifest {
  bin: Record<string, string>;
  exports: Record<string, string | Record<string, string>>;
  dependencies: Record<string, string>;
  peerDependencies: Record<string, string>;
}

const manifest = () => JSON.parse(readFileSync(join(installed.lovage, "package.json"), "utf8")) as Manifest;

/** The packages that the modules below a folder import. */
function imported(folder: string): string[] {
  const sources = globSync(`${folder}/**/*.js`, { cwd: installed.lovage }).flatMap((file) => {
    const text = readFileSync(join(installed.lovage, file), "utf8");
    const { module } = parseSync(file, text);
    const dynamic = module.dynamicImports.map(({ moduleRequest }) =>
      text.slice(moduleRequest.start + 1, moduleRequest.end - 1),
    );
    return [...module.staticImports.map(({ moduleRequest }) => moduleRequest.value), ...dynamic];
  });
  const packages = sources.filter((source) => !source.startsWith(".") && !/^(node|cloudflare):/.test(source));
  return [...new Set(packages.map((source) => /^(@[^/]+\/)?[^/]+/.exec(source)![0]))].toSorted();
}

describe("the tarball", () => {
  it("has every file that its manifest names, with the migrations, the pages and the configuration", () => {
    const { bin, exports } = manifest();
    const named = [
      ...Object.values(exports).flatMap((each) => (typeof each === "string" ? each : Object.values(each))),
      ...Object.values(bin),
    ];
    expect(named.length).toBeGreaterThan(9);
    expect(named.filter((path) => !existsSync(join(installed.lovage, path)))).toEqual([]);

    const migrations = (folder: string) => globSync("*.sql", { cwd: folder }).toSorted();
    expect(migrations(join(installed.lovage, "dist/migrations"))).toEqual(migrations("src/results/migrations"));
    expect(existsSync(join(installed.lovage, "dist/pages/docs.html"))).toBe(true);
    expect(readFileSync(join(installed.lovage, "wrangler.toml"), "utf8")).toBe(readFileSync("wrangler.toml", "utf8"));
    accessSync(join(installed.lovage, bin["lovage"]), constants.X_OK);
  });

  it("imports only what it depends on, and nothing in the client", () => {
    const { dependencies, peerDependencies } = manifest();
    const known = ["lovage", ...Object.keys(dependencies), ...Object.keys(peerDependencies), ...builtinModules];
    expect(imported("dist").filter((name) => !known.includes(name))).toEqual([]);
    expect(imported("dist/lovage")).toContain("hono");
    expect(imported("dist/client")).toEqual([]);
    expect(imported("dist/react")).toEqual(["lovage", "react"]);
  });
});

const HONO_TOML = `name = "store"
main = "src/index.ts"
compatibility_date = "2026-11-01"
compatibility_flags = ["nodejs_compat"] # for hono

# Sessions
[[kv_namespaces]]
binding = "SESSIONS"
id = "00000000000000000000000000000000"

[[d1_databases]]
binding = "DB" # the store's own
database_name = "store"
database_id = "00000000-0000-0000-0000-000000000001"

[triggers]
crons = ["0 3 * * *"]
`;

const HONO = `import { Hono } from "hono";

const app = new Hono<{ Bindings: { DB: D1Database; SESSIONS: KVNamespace } }>();
app.get("/", (c) => c.text("the store"));
app.get("/sessions", async (c) => {
  await c.env.SESSIONS.put("ada", "here");
  return c.text((await c.env.SESSIONS.get("ada")) ?? "");
});
app.get("/own", async (c) => c.json(await c.env.DB.prepare("SELECT 1 AS own").first()));

export default app;
`;

/** Only what fits the tasks compiles. */
const CLIENT = `import { createClient } from "lovage/client";
import type { tasks } from "./tasks/index";

export async function greeting(): Promise<string> {
  const client = createClient<typeof tasks>({ baseUrl: "http://127.0.0.1" });
  // @ts-expect-error There is no such input.
  await client.submit("greet", { nmae: "Ada" });
  return client.run("greet", { name: "Ada" });
}
`;

const TSCONFIG = JSON.stringify({
  compilerOptions: {
    target: "es2024",
    lib: ["esnext"],
    module: "esnext",
    moduleResolution: "bundler",
    types: ["@cloudflare/workers-types"],
    strict: true,
    noEmit: true,
    skipLibCheck: true,
  },
  include: ["src"],
});

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

describe("an existing Hono Worker with a D1 and a KV of its own", () => {
  let project: Project;
  const read = (path: string) => readFileSync(join(project.folder, path), "utf8");

  beforeAll(() => {
    const files = {
      "wrangler.toml": HONO_TOML,
      "src/index.ts": HONO,
      "src/client.ts": CLIENT,
      "tsconfig.json": TSCONFIG,
    };
    project = installed.project("store", {
      ...files,
      "package.json": '{\n  "name": "store",\n  "type": "module"\n}\n',
    });
  });

  it("is shown what would change, and is not changed where there is no terminal", async () => {
    await expect(project.lovage("init", "--no-install")).rejects.toThrow(/\+binding = "LOVAGE_DB"[^]*--yes/);
    expect([read("wrangler.toml"), read("src/index.ts")]).toEqual([HONO_TOML, HONO]);
  });

  it("gets what is missing, keeps what it has, and is changed once", async () => {
    await project.lovage("init", "--yes", "--no-install");

    const config = parse(read("wrangler.toml")) as Record<string, { binding: string }[]>;
    expect(config).toMatchObject({ name: "store", triggers: { crons: ["0 3 * * *", "* * * * *"] } });
    expect(config["d1_databases"].map(({ binding }) => binding)).toEqual(["DB", "LOVAGE_DB"]);
    expect(config["kv_namespaces"].map(({ binding }) => binding)).toEqual(["SESSIONS"]);
    expect(read("wrangler.toml")).toMatch(/# for hono[^]*# Sessions\n[^]*# the store's own/);
    expect(read("src/index.ts")).toMatch(/export default createLovage\(\{ tasks, schedules, app \}\);\n$/);
    expect(await project.lovage("init", "--no-install")).toBe("Lovage is here already: nothing to change\n");
  });

  it("has all bindings for the doctor, who finds one that is missing, and all else well", async () => {
    const whole = read("wrangler.toml");
    expect(ofBindings(parse(whole) as RawConfig).fault).toBe(null);
    writeFileSync(join(project.folder, "wrangler.toml"), whole.replace("ProgressObject", "Other"));
    const said = await project.lovage("doctor", "--port", String(await freePort())).catch(String);
    expect(said).toMatch(/failed:[^]*WRONG {2}bindings .*durable_objects\.bindings LOVAGE_PROGRESS.*lovage init/);
    expect(said.match(/^ok /gm)?.length).toBeGreaterThan(5);
    expect(said.match(/WRONG/g)).toHaveLength(1);
    writeFileSync(join(project.folder, "wrangler.toml"), whole);
  });

  it("runs by lovage dev, from a wrangler.jsonc too: its own routes and tasks, and what is saved is swapped in", async () => {
    writeFileSync(join(project.folder, "wrangler.jsonc"), JSON.stringify(parse(read("wrangler.toml"))));
    const dev = project.start("dev", "--port", "0", "--no-types");
    try {
      const [, url] = (await dev.prints(/^Lovage serves on (\S+)$/m)) as unknown as [string, string];
      expect(dev.printed()).toContain(`npx lovage submit greet '{"name": "Ada"}' --wait --url ${url}\n`);
      const greeting = async () => project.lovage("submit", "greet", '{"name":"Ada"}', "--wait", "--url", url);
      expect(await greeting()).toBe('"Hello, Ada!"\n');
      await dev.prints(/info +greet task_\w+ greeting \{"name":"Ada"\}/);
      const own = async (path: string) => (await fetch(url + path)).text();
      const paths = ["/", "/own", "/sessions"];
      expect(await Promise.all(paths.map(own))).toEqual(["the store", '{"own":1}', "here"]);
      expect((await fetch(`${url}/docs`)).status).toBe(200);

      const tail = project.start("tail", "--url", url);
      await tail.prints(/succeeded +greet +task_\w+ +"Hello, Ada!"/);
      const task = join(project.folder, "src/tasks/greet.ts");
      writeFileSync(task, read("src/tasks/greet.ts").replace("Hello", "Goodbye"));
      await dev.prints(/^Lovage: swapped in/m);
      expect(await greeting()).toBe('"Goodbye, Ada!"\n');
      // It has survived the swap.
      await tail.prints(/"Hello, Ada!"[^]*succeeded +greet/);
      await tail.end();

      if (process.platform !== "linux") return;
      const stopped = stopNextRuntime(project.folder);
      writeFileSync(task, read("src/tasks/greet.ts").replace("Goodbye", "Hello"));
      await stopped;
    } finally {
      // In the middle of a swap.
      expect(await dev.end("SIGINT")).toBe(0);
    }
    expect(dev.printed().match(/^lovage: |swapped in/gm)).toEqual(["swapped in"]);
    await expect.poll(() => processesIn(project.folder)).toEqual([]);
  });
});

describe("npm create lovage", () => {
  it("makes the project that lovage init makes, in the folder that it is given", () => {
    const [manifest, script] = ["package.json", "create-lovage.js"].map((file) =>
      readFileSync(`clients/create-lovage/${file}`, "utf8"),
    );
    const { folder } = installed.project("creator", { "package.json": manifest, "create-lovage.js": script });
    const { version, dependencies } = JSON.parse(manifest) as { version: string; dependencies: Record<string, string> };
    const own = (JSON.parse(readFileSync("package.json", "utf8")) as { version: string }).version;
    expect([version, dependencies["lovage"]]).toEqual([own, own]);

    const said = execFileSync(process.execPath, ["create-lovage.js", "my-tasks", "--no-install"], {
      cwd: folder,
      encoding: "utf8",
    });
    expect(said).toContain("cd my-tasks");
    expect(readFileSync(join(folder, "my-tasks/wrangler.toml"), "utf8")).toContain('name = "my-tasks"');
  });
});

describe("what cannot be changed by itself", () => {
  it.each([
    [
      "a class as default",
      { "src/index.ts": "export default class extends WorkerEntrypoint {}\n" },
      "exports a class by default",
    ],
    [
      "a class of a taken name",
      { "src/index.ts": "export class Clock {}\nexport default {};\n" },
      "exports a Clock of its own",
    ],
    ["no module", { "wrangler.toml": 'main = "src/other.ts"\n' }, "names src/other.ts as main, which is not there"],
    ["not valid TOML", { "wrangler.toml": "name = \n" }, "wrangler.toml is not valid TOML"],
    [
      "lists in dotted keys",
      { "wrangler.toml": 'main = "src/index.ts"\nqueues.producers = [{ binding = "Q", queue = "q" }]\n' },
      "Add by hand",
    ],
  ])("says so: %s", async (_, files, said) => {
    const { folder } = installed.project(randomUUID(), { "wrangler.toml": HONO_TOML, "src/index.ts": HONO, ...files });
    expect(() => planInit(folder, "1.0.0")).toThrow(said);
  });
});

it("refuses a verb that there is none of, and says which there are", async () => {
  const project = installed.project("verbs");
  await expect(project.lovage("frobnicate")).rejects.toThrow(
    "lovage: there is no `lovage frobnicate`; there is init, dev",
  );
});

describe("a project from an empty folder", () => {
  let project: Project;
  let account: FakeCloudflare;

  beforeAll(async () => {
    account = await fakeCloudflare();
    const env: Record<string, string> = { ...account.env };
    project = installed.project("shop", { ".reach.mjs": reaching }, env);
    env["NODE_OPTIONS"] = `--import ${pathToFileURL(join(project.folder, ".reach.mjs")).href}`;
    await project.lovage("init", "--no-install");
  });
  afterAll(async () => account?.stop());

  it("has a task, a test and a schedule, and is made once", async () => {
    const files = globSync("**/*.*", { cwd: project.folder, exclude: ["node_modules"] });
    expect(files).toEqual(
      expect.arrayContaining([
        "src/tasks/greet.ts",
        "src/schedules.ts",
        "test/greet.test.ts",
        "wrangler.toml",
        "package.json",
      ]),
    );
    expect(await project.lovage("init", "--no-install")).toBe("Lovage is here already: nothing to change\n");
  });

  it("passes its own test", async () => {
    expect(await project.tool("vitest/vitest.mjs", "run")).toMatch(/Tests {2}1 passed/);
  });

  it("compiles as the Hono Worker does, whose client knows its tasks, with every type of the package checked", async () => {
    // In one run, by the stricter of the two: most of what it reads is the same.
    const both = { extends: "./shop/tsconfig.json", include: ["shop/src", "shop/test", "store/src"] };
    writeFileSync(join(project.folder, "../tsconfig.json"), JSON.stringify(both));
    const said = await project.tool("typescript/bin/tsc", "-p", "..", "--skipLibCheck", "false", "--listFiles");
    const files = said.split("\n");
    for (const file of ["shop/src/index.ts", "shop/test/greet.test.ts", "store/src/index.ts", "store/src/client.ts"])
      expect(files).toContainEqual(expect.stringContaining(file));
  });

  describe("is deployed by lovage deploy", () => {
    const shop = { worker: "shop", database: "shop-lovage", queues: queuesOf("shop-") };
    const migrations = readdirSync("src/results/migrations").toSorted();
    const look = () => `look at shop.${account.subdomain}.workers.dev/health`;

    it("to an empty account: everything is made, and the key is told once", async () => {
      const said = await project.lovage("deploy", "--location", "weur");
      expect(account.changes()).toEqual([...firstChanges(shop, migrations, "weur"), look()]);
      expect(account.unknown).toEqual([]);
      const { vars, cpuMs } = account.scripts.get("shop")!;
      expect([vars, cpuMs]).toEqual([{ LOCATION: "weur" }, expect.any(Number)]);
      expect(said).toMatch(/env\.DB \(shop-lovage\)[^]*env\.ASSETS/);
      expect(said).toContain(`Deployed: https://shop.${account.subdomain}.workers.dev\n`);
      expect(said).toMatch(/API key {8}[\w-]{43} {3}\(shown this once/);
      expect(globSync(".lovage.*", { cwd: project.folder })).toEqual([]);
    });

    it("a second time without a change, where it was told to be", async () => {
      const said = await project.lovage("deploy");
      expect(account.changes()).toEqual([look()]);
      expect(said).toContain("Nothing to change: https://shop.");
      expect(said).not.toContain("API key");
    });

    it("after an upgrade, for the free plan: the package's new migration, then the Worker with the keys that are there", async () => {
      const added = join(installed.lovage, "dist/migrations/9999_next.sql");
      writeFileSync(added, "CREATE TABLE later (id TEXT);\n");
      try {
        const said = await project.lovage("deploy", "--plan", "free");
        expect(account.changes()).toEqual(["migrate shop-lovage 9999_next.sql", "upload shop", look()]);
        const { secrets, vars, cpuMs } = account.scripts.get("shop")!;
        expect([secrets, vars?.["PLAN"], cpuMs]).toEqual([["API_KEY", "SEAL_KEY"], "free", undefined]);
        expect(vars?.["LOCATION"]).toBe("weur");
        expect(said).not.toContain("API key");
      } finally {
        rmSync(added);
      }
    });

    it("and removed after the question alone", async () => {
      await expect(project.lovage("destroy", "--env", "staging")).rejects.toThrow(
        "--yes removes shop-staging without a question",
      );
      expect(account.changes()).toEqual([]);
      await project.lovage("destroy", "--yes");
      expect(account.changes()).toEqual(removals(shop));
      expect([account.queues, account.databases, account.scripts.size]).toEqual([[], [], 0]);
    });
  });
});
