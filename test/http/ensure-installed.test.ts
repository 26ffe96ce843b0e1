/** What runs before every script, on a host whose Node is too old for them: whether it sees that something is missing. */
import { spawnSync } from "node:child_process";
import { chmod, copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";

const SCRIPT = "scripts/ensure-installed.mjs";
const lockfile = (version: string) => JSON.stringify({ packages: { "node_modules/hono": { version } } });

let clone: string;

/** A clone in which everything is installed, and an npm that only notes its call and fetches a Node or does not. */
beforeEach(async () => {
  clone = await mkdtemp(join(tmpdir(), "lovage-clone-"));
  await Promise.all(
    ["scripts", "bin", "node_modules/node/bin"].map((dir) => mkdir(join(clone, dir), { recursive: true })),
  );
  await copyFile(join(import.meta.dirname, "../..", SCRIPT), join(clone, SCRIPT));
  await Promise.all(
    ["package-lock.json", "node_modules/.package-lock.json"].map((file) => write(file, lockfile("1.0.0"))),
  );
  await npmThat("mkdir -p node_modules/node/bin");
});

afterEach(() => rm(clone, { recursive: true, force: true }));

const write = (file: string, text: string) => writeFile(join(clone, file), text);

async function npmThat(does: string): Promise<void> {
  await write("bin/npm", `#!/bin/sh\necho "$1" >>called\n${does}\n`);
  await chmod(join(clone, "bin/npm"), 0o755);
}

/** Its exit code, and what it asked of npm. */
async function run(typescript: boolean) {
  const flags = typescript ? [] : ["--no-experimental-strip-types"];
  const env = { ...process.env, NODE_OPTIONS: "", PATH: `${join(clone, "bin")}:${process.env["PATH"]}` };
  const { status } = spawnSync(process.execPath, [...flags, join(clone, SCRIPT)], { cwd: clone, env });
  const called = await readFile(join(clone, "called"), "utf8").catch(() => "");
  return { status, called: called.split("\n").filter(Boolean) };
}

it("installs nothing where all is there", async () => {
  expect(await run(false)).toEqual({ status: 0, called: [] });
});

it("installs where a package has another version", async () => {
  await write("package-lock.json", lockfile("2.0.0"));
  expect(await run(true)).toEqual({ status: 0, called: ["ci"] });
});

it("installs where the packages are there and the Node that one of them fetches is not", async () => {
  await rm(join(clone, "node_modules/node/bin"), { recursive: true });
  expect(await run(true)).toEqual({ status: 0, called: [] });
  expect(await run(false)).toEqual({ status: 0, called: ["ci"] });
});

it("says so where npm does not fetch it then either", async () => {
  await rm(join(clone, "node_modules/node/bin"), { recursive: true });
  await npmThat("true");
  expect(await run(false)).toEqual({ status: 1, called: ["ci"] });
});
