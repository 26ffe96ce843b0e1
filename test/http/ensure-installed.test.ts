/** What runs before every script, on a host whose Node is too old for them: whether it sees that something is missing. */
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { chmod, copyFile, mkdir, mkdtemp, readFile, realpath, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

const SCRIPT = "scripts/ensure-installed.mjs";
const lockfile = (version: string) => JSON.stringify({ packages: { "node_modules/hono": { version } } });

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
  await write("bin/npm", `#!/bin/sh\necho "$1" >>called\n${does}\n`);
  await chmod(join(clone, "bin/npm"), 0o755);
}

/** Its exit code, and what it asked of npm. */
async function run(typescript: boolean) {
  const flags = typescript ? [] : ["--no-experimental-strip-types"];
  const env = environment();
  const { status } = spawnSync(process.execPath, [...flags, join(clone, SCRIPT)], { cwd: clone, env });
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
  expect(await run(true)).toEqual({ status: 0, called: ["ci"] });
});

it("installs where the packages are there and the Node that one of them fetches is not", async () => {
  await rm(join(clone, "node_modules/.bin/node"), { recursive: true });
  expect(await run(true)).toEqual({ status: 0, called: [] });
  expect(await run(false)).toEqual({ status: 0, called: ["ci"] });
});

it("says so where npm does not fetch it then either", async () => {
  await rm(join(clone, "node_modules/.bin/node"), { recursive: true });
  await npmThat("true");
  expect(await run(false)).toEqual({ status: 1, called: ["ci"] });
});

describe("a lock that an installation has left behind", () => {
  const LONG_AGO = new Date(Date.now() - 60_000);

  it.each<[string, string, Date]>([
    ["by a process that is gone", "999999999", new Date()],
    ["by one whose number another process has now", String(process.pid), LONG_AGO],
    ["before it was written", "", LONG_AGO],
    ["with something else in it", "none of ours", LONG_AGO],
  ])("%s, keeps nobody waiting", async (_, content, touched) => {
    await write("package-lock.json", lockfile("2.0.0"));
    await writeFile(lockOf(), content);
    await utimes(lockOf(), touched, touched);
    expect(await run(true)).toEqual({ status: 0, called: ["ci"] });
    await expect(readFile(lockOf())).rejects.toThrow("ENOENT");
  });

  it("keeps nobody waiting where it can neither be made nor taken away", async () => {
    await write("package-lock.json", lockfile("2.0.0"));
    await rm(join(clone, "tmp"), { recursive: true });
    expect(await run(true)).toEqual({ status: 0, called: ["ci"] });
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
  expect(await readFile(join(clone, "called"), "utf8")).toBe("ci\n");
});
