/**
 * Runs before every other script, on whatever Node there is and with nothing installed: installs what the lockfile says unless it is there already.
 * Two commands that start at once wait for each other.
 */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, linkSync, readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");

function packages(lockfile) {
  try {
    return JSON.parse(readFileSync(join(root, lockfile), "utf8")).packages;
  } catch {
    return undefined;
  }
}

/** The Node that the scripts run on where the host's is too old: a package of its own for each platform, checked like any other. */
function hasNode() {
  return Boolean(process.features.typescript) || existsSync(join(root, "node_modules/.bin/node"));
}

/** Compares versions, not times: a checkout touches the lockfile without changing it. */
function isInstalled() {
  if (!hasNode()) return false;
  const wanted = packages("package-lock.json");
  const present = packages("node_modules/.package-lock.json");
  if (wanted === undefined || present === undefined) return false;
  return Object.entries(wanted).every(([path, { version, optional }]) => {
    if (path === "") return true;
    // Binaries for other platforms are optional and stay out.
    return present[path] === undefined ? optional === true : present[path].version === version;
  });
}

/** The owner of the lock says this often that it is still at it; one that has not for a while is gone, whoever has its process id now. */
const BEAT_MS = 1_000;
const STALE_AFTER_MS = 30_000;

const lock = join(tmpdir(), `lovage-install-${createHash("sha256").update(root).digest("hex").slice(0, 16)}`);

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // Another user's.
    return error.code === "EPERM";
  }
}

/** Whether the lock is there and nobody holds it any more. */
function isStale({ mtimeMs }) {
  if (Date.now() - mtimeMs > STALE_AFTER_MS) return true;
  const pid = Number(readFileSync(lock, "utf8"));
  // It is empty for a moment after it was created.
  return pid > 0 && !isAlive(pid);
}

/** Takes a stale lock away; of two who find it, one does. Throws where it is not ours to take. */
function takeAway({ ino }) {
  const mine = `${lock}.${process.pid}`;
  renameSync(lock, mine);
  // Meanwhile somebody else did, and has locked it anew.
  if (statSync(mine).ino !== ino) linkSync(mine, lock);
  rmSync(mine);
}

/** The first to create the lock installs; the others wait until it is gone or its owner is. Where no lock can be made, there is none. */
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
      // The owner has just finished; or the lock is another user's, and nobody's any more.
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
      // Taken away by hand.
    }
  }, BEAT_MS);
  try {
    if (!isInstalled()) await install();
  } finally {
    clearInterval(beat);
    if (isLocked) rmSync(lock, { force: true });
  }
}

/** Whether npm has installed what the lockfile says. The engine warnings of a host with an older Node do not apply: the scripts run on another one. */
async function npmCi() {
  const options = { cwd: root, stdio: ["ignore", "ignore", "inherit"], shell: process.platform === "win32" };
  const npm = spawn("npm", ["ci", "--no-audit", "--no-fund", "--loglevel=error"], options);
  return new Promise((resolve) => {
    npm.once("error", (error) => {
      process.stderr.write(`npm cannot be started: ${error.message}\n`);
      resolve(false);
    });
    npm.once("exit", (code) => resolve(code === 0));
  });
}

if (!isInstalled()) {
  await alone(async () => {
    process.stderr.write("Installing the dependencies, once ...\n");
    if (!(await npmCi())) process.exitCode = 1;
    else if (!hasNode()) {
      process.stderr.write(
        `Node ${process.version} cannot run this, and npm has installed none that can: it knows none for this machine, or leaves out what is optional.\n`,
      );
      process.exitCode = 1;
    }
  });
}
