/** What another project gets: `lovage/client`, `lovage/tasks` and `lovage/testing`, as its compiler and its Node see them. */
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { buildPackage, clientSize } from "../../scripts/build.ts";
import { shareServer, type SharedServer } from "../http/shared-server.ts";

const run = promisify(execFile);
const root = join(import.meta.dirname, "../..");

/** As strict as it gets. */
const TSCONFIG = {
  compilerOptions: {
    strict: true,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    target: "es2022",
    lib: ["es2022"],
    module: "nodenext",
    noEmit: true,
    types: ["node"],
    typeRoots: [join(root, "node_modules/@types")],
  },
};

let project: string;
let server: SharedServer;
/** What the compiler says of all files, line by line. */
let errors: string[];

beforeAll(async () => {
  await buildPackage();
  project = await mkdtemp(join(tmpdir(), "lovage-user-"));
  await mkdir(join(project, "node_modules"));
  await symlink(root, join(project, "node_modules/lovage"));
  await writeFile(join(project, "package.json"), '{ "type": "module" }');
  await writeFile(join(project, "tsconfig.json"), JSON.stringify(TSCONFIG));
  for (const [file, source] of Object.entries({ "app.ts": APP, "wrong.ts": WRONG, "examples.ts": await examples() }))
    await writeFile(join(project, file), source);
  [errors, server] = await Promise.all([compile(), shareServer()]);
});

afterAll(async () => {
  await server?.stop();
  await rm(project, { recursive: true, force: true });
});

/** One run for all files: most of what it reads are the types of the package. */
async function compile(): Promise<string[]> {
  const tsc = join(root, "node_modules/typescript/bin/tsc");
  const args = [tsc, "-p", project, "--pretty", "false"];
  const { stdout } = await run(process.execPath, args).catch((error: { stdout: string }) => error);
  return stdout.split("\n").filter((line) => /error TS/.test(line));
}

const errorsIn = (file: string) => errors.filter((line) => line.includes(`${file}(`));

async function start(file: string): Promise<string> {
  const { stdout } = await run(process.execPath, [file, server.url, server.root.key], { cwd: project });
  return stdout;
}

const CLIENT = `
import { chain, createClient, nodesOf, previous, verifyWebhook } from "lovage/client";
import type { tasks } from "lovage/tasks";
const client = createClient<typeof tasks>({ baseUrl: process.argv[2]!, apiKey: process.argv[3] });
`;

const APP = `${CLIENT}
  const summary = await client.run("csv.summarize", { csv: "city,people\\nOslo,717710\\n" });
  const rows: number = summary.rows;
  console.log(rows);
`;

const WRONG = `${CLIENT}
  await client.submit("csv.summarise", { csv: "" });
  await client.submit("process_item", { name: 1 });
  const rows: string = (await client.run("csv.summarize", { csv: "" })).rows;
  chain(nodesOf<typeof tasks>().task("process_item", { name: "x" }), nodesOf<typeof tasks>().task("csv.summarize"));
`;

/** The examples of the client's methods, one after another. */
async function examples(): Promise<string> {
  const files = ["create-client", "task-verbs", "flows", "schedules", "lanes", "keys", "webhooks", "verify-webhook"];
  const sources = await Promise.all(files.map(async (file) => readFile(join(root, `src/client/${file}.ts`), "utf8")));
  const found = sources.flatMap(examplesIn);
  const blocks = found.map((example, i) => `async function example${i}() {\n${example}\n}`);
  return [CLIENT, 'const apiKey = "k";', ...blocks, ...found.map((_, i) => `await example${i}();`)].join("\n");
}

describe("lovage/client", () => {
  it("is less than 8 KB, gzipped", async () => {
    expect(await clientSize()).toBeLessThan(8 * 1_024);
  });

  it("needs nothing but what every runtime has", async () => {
    const module = await readFile(join(root, "dist/client/index.js"), "utf8");

    expect(module).not.toMatch(/^import |\brequire\(|\bprocess\.|\bBuffer\b/m);
  });

  it("compiles strictly and runs in another project", async () => {
    expect(errorsIn("app.ts")).toEqual([]);
    expect(await start("app.ts")).toBe("1\n");
  });

  it("does not compile with what does not fit", () => {
    expect(errorsIn("wrong.ts")).toHaveLength(4);
    expect(errors).toHaveLength(4);
  });
});

describe("lovage/testing", () => {
  it("runs in plain Node", async () => {
    await writeFile(
      join(project, "tested.ts"),
      `import { runTask } from "lovage/testing";
       import { processItem } from "${join(root, "src/app/tasks/process-item.ts")}";
       const { result, progress } = await runTask(processItem, { name: "tea", steps: 2, pause: 0 });
       console.log(JSON.stringify({ result, reports: progress.length }));`,
    );

    expect(JSON.parse(await start("tested.ts"))).toEqual({ result: { result: "Processed item tea" }, reports: 2 });
  });
});

describe("the examples of the client's methods", () => {
  it("compile strictly and run", async () => {
    const source = await readFile(join(project, "examples.ts"), "utf8");
    expect(source.match(/^async function example/gm)?.length).toBeGreaterThanOrEqual(17);
    expect(errorsIn("examples.ts")).toEqual([]);
    expect(await start("examples.ts")).toMatch(/^task_/m);
  });
});

/** The code of every `@example`, without its imports. */
function examplesIn(source: string): string[] {
  return source
    .split("@example")
    .slice(1)
    .map((rest) => {
      const lines = rest.slice(0, rest.indexOf("*/")).split("\n");
      return lines
        .map((line) => line.replace(/^\s*\* ?/, ""))
        .filter((line) => !line.startsWith("import "))
        .join("\n");
    });
}
