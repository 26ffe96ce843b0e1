/**
 * Runs before every other script, on whatever Node there is and with nothing installed: installs what the lockfile says unless it is there already.
 * Two commands that start at once wait for each other.
 */
import { execSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
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

/** The Node that the scripts run on where the host's is too old; its package fetches it when it is installed, unless npm was told to run no scripts. */
function hasNode() {
  return Boolean(process.features.typescript) || existsSync(join(root, "node_modules/node/bin"));
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

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** The first to create the lock installs; the others wait until it is gone or its owner is. */
async function alone(install) {
  const lock = join(tmpdir(), `lovage-install-${createHash("sha256").update(root).digest("hex").slice(0, 16)}`);
  for (;;) {
    try {
      writeFileSync(lock, String(process.pid), { flag: "wx" });
      break;
    } catch {
      await new Promise((done) => setTimeout(done, 200));
      try {
        if (!isAlive(Number(readFileSync(lock, "utf8")))) rmSync(lock, { force: true });
      } catch {
        // The owner has just finished.
      }
    }
  }
  try {
    if (!isInstalled()) install();
  } finally {
    rmSync(lock, { force: true });
  }
}

if (!isInstalled()) {
  await alone(() => {
    process.stderr.write("Installing the dependencies, once ...\n");
    try {
      // The engine warnings of a host with an older Node do not apply: the `node` package brings the one that scripts run on.
      execSync("npm ci --no-audit --no-fund --loglevel=error", { cwd: root, stdio: ["ignore", "ignore", "inherit"] });
    } catch {
      process.exitCode = 1;
    }
    if (process.exitCode === undefined && !hasNode()) {
      process.stderr.write(
        `Node ${process.version} cannot run this, and npm runs no install scripts that would fetch one that can (ignore-scripts).\n`,
      );
      process.exitCode = 1;
    }
  });
}
