/**
 * Runs before every other script, on any version of Node and with nothing installed: installs the packages of the lockfile unless they are
 * there. Without `--all` those that the service needs to start, which is a third of them. If two commands start at once, one installs and
 * the other waits.
 */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import {
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");

const wantsAll = process.argv.includes("--all");

function packages(lockfile) {
  try {
    return JSON.parse(readFileSync(join(root, lockfile), "utf8")).packages;
  } catch {
    return undefined;
  }
}

const modules = join(root, "node_modules");

/** The files of a folder of packages; none where the folder does not exist. */
function filesIn(folder) {
  try {
    return readdirSync(join(modules, folder));
  } catch {
    return [];
  }
}

/** The packages that hold a Node. */
const nodePackages = () => filesIn("").filter((name) => /^node-(?:bin-)?(?:linux|darwin|win)-/.test(name));

/** npm 10 links no command of a package that comes by way of a folder of this repository, as the Nodes do. */
function linkNode() {
  const link = join(modules, ".bin/node");
  const name = nodePackages().find((each) => existsSync(join(modules, each, "bin/node")));
  if (name === undefined || existsSync(link)) return;
  try {
    mkdirSync(dirname(link), { recursive: true });
    symlinkSync(join("..", name, "bin/node"), link);
  } catch (error) {
    // Another command has just done so.
    if (error.code !== "EEXIST") throw error;
  }
}

/** Whether there is a Node for the scripts: the host's or, if that is too old, npm's (a package per platform, checked like any other). */
function hasNode() {
  linkNode();
  return Boolean(process.features.typescript) || existsSync(join(root, "node_modules/.bin/node"));
}

/** Where Node finds a package from a folder of the lockfile; undefined where that is nowhere. */
function placeOf(locked, name, from) {
  for (let folder = from; ; folder = folder.slice(0, Math.max(0, folder.lastIndexOf("/node_modules/")))) {
    const place = `${folder === "" ? "" : `${folder}/`}node_modules/${name}`;
    if (locked[place] !== undefined || folder === "") return locked[place] && place;
  }
}

/** The paths of all packages that this repository's own manifest leads to, its workspaces left out. */
function neededToStart(locked) {
  const found = new Set([""]);
  // The loop also visits what is added during it.
  for (const path of found) {
    const { link, resolved } = locked[path];
    const manifest = locked[link === true ? resolved : path];
    const { dependencies, optionalDependencies, devDependencies, peerDependencies, peerDependenciesMeta } = manifest;
    const peers = Object.keys(peerDependencies ?? {}).filter((name) => !peerDependenciesMeta?.[name]?.optional);
    for (const name of [...Object.keys({ ...dependencies, ...optionalDependencies, ...devDependencies }), ...peers]) {
      const place = placeOf(locked, name, path);
      if (place !== undefined) found.add(place);
    }
  }
  return [...found].filter((path) => path !== "");
}

/** Compares versions, not times: a checkout touches the lockfile without changing it. */
function isInstalled() {
  if (!hasNode()) return false;
  const wanted = packages("package-lock.json");
  const present = packages("node_modules/.package-lock.json");
  if (wanted === undefined || present === undefined) return false;
  const isPackage = (path) => path.includes("node_modules/") && wanted[path].link !== true;
  const paths = wantsAll ? Object.keys(wanted).filter(isPackage) : neededToStart(wanted);
  return paths.every((path) => {
    const { version, optional } = wanted[path];
    // Binaries for other platforms are optional and stay out.
    return present[path] === undefined ? optional === true : present[path].version === version;
  });
}

/** The lock's owner touches it this often. One older than `STALE_AFTER_MS` has lost its owner, even if its process id is in use. */
const BEAT_MS = 1_000;
const STALE_AFTER_MS = 30_000;

const lock = join(tmpdir(), `lovage-install-${createHash("sha256").update(root).digest("hex").slice(0, 16)}`);

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // A process of another user.
    return error.code === "EPERM";
  }
}

/** Whether the lock's owner is gone. */
function isStale({ mtimeMs }) {
  if (Date.now() - mtimeMs > STALE_AFTER_MS) return true;
  const pid = Number(readFileSync(lock, "utf8"));
  // The file is empty for a moment after it was created.
  return pid > 0 && !isAlive(pid);
}

/** Removes a stale lock; of two processes that find it, only one succeeds. Throws where this process may not remove it. */
function takeAway({ ino }) {
  const mine = `${lock}.${process.pid}`;
  renameSync(lock, mine);
  // Another process removed the stale lock first and created a new one: that one is put back.
  if (statSync(mine).ino !== ino) linkSync(mine, lock);
  rmSync(mine);
}

/** The process that creates the lock installs; others wait until the lock or its owner is gone. Where none can be created, none is used. */
async function acquire() {
  for (let waits = 0; ; waits++) {
    try {
      writeFileSync(lock, String(process.pid), { flag: "wx" });
      return true;
    } catch (error) {
      if (error.code !== "EEXIST") return false;
    }
    if (waits === 5) process.stderr.write("Waiting for another command that installs the dependencies ...\n");
    await new Promise((done) => setTimeout(done, 200));
    try {
      const found = statSync(lock);
      if (isStale(found)) takeAway(found);
    } catch (error) {
      // ENOENT: the owner has just finished. Anything else: a stale lock of another user, which cannot be removed.
      if (error.code !== "ENOENT" && error.code !== "EEXIST") return false;
    }
  }
}

async function alone(install) {
  const isLocked = await acquire();
  const beat = setInterval(() => {
    try {
      if (isLocked) utimesSync(lock, new Date(), new Date());
    } catch {
      // The lock was removed by hand.
    }
  }, BEAT_MS);
  try {
    if (!isInstalled()) await install();
  } finally {
    clearInterval(beat);
    if (isLocked) rmSync(lock, { force: true });
  }
}

/** npm itself shows nothing where there is no terminal. */
const PROGRESS_MS = 5_000;

/** Runs `npm ci`; returns whether it succeeded. Engine warnings about the host's older Node do not apply: the scripts run on another. */
async function npmCi() {
  const options = { cwd: root, stdio: ["ignore", "ignore", "inherit"], shell: process.platform === "win32" };
  const selection = wantsAll ? [] : ["--no-workspaces"];
  const npm = spawn("npm", ["ci", ...selection, "--no-audit", "--no-fund", "--loglevel=error"], options);
  const startedAt = Date.now();
  const progress = setInterval(() => {
    process.stderr.write(`  ... ${Math.round((Date.now() - startedAt) / 1_000)} s\n`);
  }, PROGRESS_MS);
  const isDone = await new Promise((resolve) => {
    npm.once("error", (error) => {
      process.stderr.write(`npm cannot be started: ${error.message}\n`);
      resolve(false);
    });
    npm.once("exit", (code) => resolve(code === 0));
  });
  clearInterval(progress);
  return isDone;
}

/** Removes the parts of packages that no start needs: headers for compilers, source maps, and a library for pictures. */
function trim() {
  const unneeded = [
    ...nodePackages().map((name) => join(name, "include")),
    ...filesIn("swagger-ui-dist")
      .filter((file) => file.endsWith(".map"))
      .map((file) => join("swagger-ui-dist", file)),
    ...filesIn("@img")
      .filter((name) => name.startsWith("sharp-libvips"))
      .map((name) => join("@img", name)),
  ];
  for (const path of unneeded) rmSync(join(modules, path), { recursive: true, force: true });
}

if (!isInstalled()) {
  await alone(async () => {
    const what = wantsAll ? "the dependencies" : "what it needs to start";
    process.stderr.write(`Installing ${what}, once ...\n`);
    if (!(await npmCi())) process.exitCode = 1;
    else if (!hasNode()) {
      process.stderr.write(
        `Node ${process.version} cannot run this, and npm has installed none that can: npm offers none for this machine, or is set to omit optional packages.\n`,
      );
      process.exitCode = 1;
    } else if (!wantsAll) trim();
  });
}
