/**
 * The package from a registry, as everybody gets it: real installs with an empty cache, a new project, a Worker that is there, and an
 * upgrade on the same state. It takes minutes and the network, so only `TEST_RUNS=full` runs it; `package.test.ts` runs the same
 * commands each time on packages that are linked.
 */
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import type { TaskResource } from "../../src/contract/task.ts";
import { apiOf, type Api } from "../http/api.ts";
import { startRegistry, type Registry } from "./registry.ts";

const root = join(import.meta.dirname, "../..");
const run = promisify(execFile);
const read = (path: string) => readFileSync(path, "utf8");
const jsonOf = (path: string) => JSON.parse(read(path)) as { name: string; version: string };

/** The first commit whose package is complete. Its schema has fewer migrations than this one's. */
const BEFORE = "8c62a6f";

const { version: OLD } = jsonOf(join(root, "package.json"));
const NEW = OLD.replace(/\d+$/, (patch) => String(Number(patch) + 1));

let home: string;
let registry: Registry;
let env: NodeJS.ProcessEnv;
/** Servers that run. */
const served = new Set<Served>();

/** Runs a command in a project, and answers what it printed. Rejects where it fails. */
async function sh(cwd: string, command: string, ...args: string[]): Promise<string> {
  const { stdout, stderr } = await run(command, args, { cwd, env, maxBuffer: 50_000_000 }).catch((error: unknown) => {
    const { stdout: out, stderr: err } = error as { stdout: string; stderr: string };
    throw new Error(`${command} ${args.join(" ")} failed:\n${out}${err}`, { cause: error });
  });
  return stdout + stderr;
}

/** Packs the source of a release under another version, and publishes it. */
async function publish(source: string, version: string): Promise<void> {
  const folder = mkdtempSync(join(home, "packed-"));
  const build = "import { build, buildPackage } from './scripts/build.ts'; await build(); await buildPackage();";
  await run(process.execPath, ["--input-type=module", "--eval", build], { cwd: source });
  await run("npm", ["pack", "--ignore-scripts", "--pack-destination", folder], { cwd: source });
  const [packed = ""] = globSync("*.tgz", { cwd: folder });
  await run("tar", ["-xzf", packed], { cwd: folder });
  const manifest = { ...jsonOf(join(folder, "package/package.json")), version };
  writeFileSync(join(folder, "package/package.json"), JSON.stringify(manifest));
  await run("tar", ["-czf", "again.tgz", "package"], { cwd: folder });
  registry.publish(manifest, join(folder, "again.tgz"));
}

/** The source of an earlier commit, with this one's packages. */
async function sourceAt(commit: string): Promise<string> {
  const folder = join(home, commit);
  mkdirSync(folder);
  await run("git", ["archive", "--output", `${folder}.tar`, commit], { cwd: root });
  await run("tar", ["-xf", `${folder}.tar`, "-C", folder]);
  symlinkSync(join(root, "node_modules"), join(folder, "node_modules"));
  return folder;
}

function write(folder: string, files: Record<string, string>): void {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

interface Served {
  url: string;
  api: Api;
  end: () => Promise<void>;
}

/** `npm start` in a project, once it answers. */
async function start(project: string, ...command: string[]): Promise<Served> {
  const port = await freePort();
  const [program = "npm", ...args] = command.length > 0 ? command : ["npm", "start"];
  const child = spawn(program, args, {
    cwd: project,
    env: { ...env, PORT: String(port) },
    stdio: "pipe",
    detached: true,
  });
  let said = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => (said += chunk.toString()));
  const ended = once(child, "exit");
  const url = `http://127.0.0.1:${port}`;
  const end = async () => {
    if (child.exitCode === null) process.kill(-child.pid!, "SIGTERM");
    await ended;
    served.delete(server);
  };
  const isOpen = async () => {
    if (child.exitCode !== null) throw new Error(`it has ended:\n${said}`);
    return fetch(`${url}/health`).then(({ status }) => status, String);
  };
  await expect.poll(isOpen, { message: said }).toBe(200);
  const key = /^(?:LOVAGE_)?API_KEY="?([^"\n]+)/m.exec(read(join(project, ".dev.vars")))![1];
  const server = { url, api: apiOf({ url, key }), end };
  served.add(server);
  return server;
}

/** The migrations that the local database has. */
function applied(project: string): string[] {
  for (const file of globSync(".wrangler/state/v3/d1/**/*.sqlite", { cwd: project })) {
    const db = new DatabaseSync(join(project, file), { readOnly: true });
    const isOurs = db.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'd1_migrations'").get() !== undefined;
    const rows = isOurs ? db.prepare("SELECT name FROM d1_migrations ORDER BY name").all() : [];
    db.close();
    if (isOurs) return rows.map(({ name }) => String(name));
  }
  return [];
}

const migrationsIn = (folder: string) =>
  globSync("*.sql", { cwd: folder })
    .map((file) => basename(file))
    .toSorted();

describe.runIf(inject("isFull"))("from a registry, with an empty cache", () => {
  beforeAll(async () => {
    home = mkdtempSync(join(tmpdir(), "lovage-installed-"));
    registry = await startRegistry();
    const outside = Object.entries(process.env).filter(([name]) => !/^npm_/i.test(name));
    env = {
      ...Object.fromEntries(outside),
      npm_config_registry: registry.url,
      npm_config_cache: join(home, "cache"),
      npm_config_yes: "true",
      CI: "1",
      NO_COLOR: "1",
      WRANGLER_SEND_METRICS: "false",
    };
    await publish(await sourceAt(BEFORE), OLD);
  });

  afterAll(async () => {
    await Promise.all([...served].map(({ end }) => end()));
    await registry?.stop();
    rmSync(home, { recursive: true, force: true });
  });

  describe("a project from an empty folder, and its upgrade", () => {
    let project: string;
    let greeted: TaskResource;
    let later: string;
    let waiting: string;

    const APPROVE = `import { defineTask } from "lovage";
import { z } from "zod";

export const approve = defineTask({
  name: "approve",
  input: z.strictObject({}),
  output: z.object({ by: z.unknown() }),
  run: async (_input, ctx) => ({ by: await ctx.waitForSignal("approval") }),
});
`;

    it("is made, and passes its own test", async () => {
      project = join(home, "shop");
      await sh(home, "npx", "lovage", "init", "shop");
      expect(jsonOf(join(project, "node_modules/lovage/package.json")).version).toBe(OLD);
      expect(await sh(project, "npm", "test")).toMatch(/Tests {2}1 passed/);
    });

    it("runs tasks: one ends, one waits for its time, one for a signal", async () => {
      write(project, {
        "src/tasks/approve.ts": APPROVE,
        "src/tasks/index.ts": `import { approve } from "./approve";\nimport { greet } from "./greet";\n\nexport const tasks = [greet, approve];\n`,
      });
      const { api, end } = await start(project);
      const { id } = await api.submit("greet", { name: "Ada" });
      greeted = await api.waitForEnd(id);
      expect(greeted).toMatchObject({ state: "succeeded", result: "Hello, Ada!" });
      later = (await api.submit("greet", { name: "Bob" }, { delay: "1h" })).id;
      waiting = (await api.submit("approve", {})).id;
      await expect.poll(async () => (await api.get<TaskResource>(`/v1/tasks/${waiting}`)).body.state).toBe("waiting");
      await end();
      expect(applied(project)).toEqual(migrationsIn(join(project, "node_modules/lovage/dist/migrations")));
    });

    it("is upgraded by npm update: all tasks are there, and what waited goes on", async () => {
      const before = applied(project);
      await publish(root, NEW);
      await sh(project, "npm", "update", "lovage");
      expect(jsonOf(join(project, "node_modules/lovage/package.json")).version).toBe(NEW);

      const { api, end } = await start(project);
      const all = migrationsIn(join(root, "src/results/migrations"));
      expect(applied(project)).toEqual(all);
      expect(all.length).toBeGreaterThan(before.length);

      const taskOf = async (id: string) => (await api.get<TaskResource>(`/v1/tasks/${id}`)).body;
      const { id, result, finishedAt } = greeted;
      expect(await taskOf(id)).toMatchObject({ state: "succeeded", result, finishedAt });
      expect(await taskOf(later)).toMatchObject({ state: "scheduled", input: { name: "Bob" } });
      await api.post(`/v1/tasks/${waiting}/signals/approval`, { name: "Ada" });
      const approved = { state: "succeeded", error: null, result: { by: { name: "Ada" } } };
      expect(await api.waitForEnd(waiting)).toMatchObject(approved);
      await api.post(`/v1/tasks/${later}/run-now`);
      expect(await api.waitForEnd(later)).toMatchObject({ state: "succeeded", result: "Hello, Bob!" });
      await end();
      expect(await sh(project, "npm", "test")).toMatch(/Tests {2}1 passed/);
      expect(await sh(project, "npx", "tsc")).toBe("");
    });
  });

  describe("a Hono Worker with a D1 and a KV of its own", () => {
    const [own, tools] = ["package.json", "test/tools/package.json"].map(
      (path) => JSON.parse(read(join(root, path))) as { dependencies: Record<string, string> },
    );
    const FILES = {
      "package.json": JSON.stringify({
        name: "store",
        private: true,
        type: "module",
        dependencies: { hono: own.dependencies["hono"] },
        devDependencies: {
          "@cloudflare/workers-types": tools.dependencies["@cloudflare/workers-types"],
          typescript: tools.dependencies["typescript"],
        },
      }),
      "wrangler.toml": `name = "store"
main = "src/index.ts"
compatibility_date = "2026-11-01"
compatibility_flags = ["nodejs_compat"]

[[kv_namespaces]]
binding = "SESSIONS"
id = "00000000000000000000000000000000"

[[d1_databases]]
binding = "DB"
database_name = "store"
database_id = "00000000-0000-0000-0000-000000000001"
`,
      "src/index.ts": `import { Hono } from "hono";

const app = new Hono<{ Bindings: { DB: D1Database; SESSIONS: KVNamespace } }>();
app.get("/own", async (c) => {
  await c.env.SESSIONS.put("visits", "1");
  return c.json({ ...(await c.env.DB.prepare("SELECT 1 AS own").first()), visits: await c.env.SESSIONS.get("visits") });
});

export default app;
`,
      // Only what fits the tasks compiles.
      "src/client.ts": `import { createClient } from "lovage/client";
import type { tasks } from "./tasks/index";

export async function greeting(): Promise<string> {
  const client = createClient<typeof tasks>({ baseUrl: "http://127.0.0.1" });
  // @ts-expect-error There is no such input.
  await client.submit("greet", { nmae: "Ada" });
  return client.run("greet", { name: "Ada" });
}
`,
      "tsconfig.json": JSON.stringify({
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
      }),
    };

    it("gets Lovage, compiles with a typed client, serves its own routes and runs tasks", async () => {
      const project = join(home, "store");
      write(project, FILES);
      await sh(project, "npx", "lovage", "init", "--yes");
      expect(jsonOf(join(project, "node_modules/lovage/package.json")).version).toBe(NEW);
      expect(await sh(project, "npx", "tsc")).toBe("");
      const { url, api, end } = await start(project, "npx", "lovage", "dev");
      const { id } = await api.submit("greet", { name: "Ada" });
      expect(await api.waitForEnd(id)).toMatchObject({ state: "succeeded", result: "Hello, Ada!" });
      expect(await (await fetch(`${url}/own`)).json()).toEqual({ own: 1, visits: "1" });
      await end();
    });
  });
});
