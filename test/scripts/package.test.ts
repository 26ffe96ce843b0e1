/** The package as other projects get it: packed, installed, and used by its command. */
import { accessSync, constants, existsSync, globSync, readFileSync } from "node:fs";
import { builtinModules } from "node:module";
import { join } from "node:path";
import { parseSync } from "oxc-parser";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { packAndInstall, type Installed, type Project } from "./installed.ts";

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
    const known = [...Object.keys(dependencies), ...Object.keys(peerDependencies), ...builtinModules];
    expect(imported("dist").filter((name) => !known.includes(name))).toEqual([]);
    expect(imported("dist/lovage")).toContain("hono");
    expect(imported("dist/client")).toEqual([]);
  });
});

describe("a project from an empty folder", () => {
  let project: Project;

  beforeAll(async () => {
    project = installed.project("shop");
    await project.lovage("init", "--no-install");
  });

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

  it("passes its own test, and compiles with every type of the package checked", async () => {
    expect(await project.tool("vitest/vitest.mjs", "run")).toMatch(/Tests {2}1 passed/);
    expect(await project.tool("typescript/bin/tsc", "--skipLibCheck", "false")).toBe("");
  });

  it("is bundled by wrangler", async () => {
    const said = await project.tool("wrangler/bin/wrangler.js", "deploy", "--dry-run");
    expect(said).toMatch(/env\.DB \(shop-lovage\)/);
    expect(said).toMatch(/env\.ASSETS/);
  });
});
