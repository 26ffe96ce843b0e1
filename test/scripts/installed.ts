/** Projects that have the packed tarball of this repository installed, without a network: the other packages are this repository's own. */
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { build, buildPackage } from "../../scripts/build.ts";

const run = promisify(execFile);
const root = join(import.meta.dirname, "../..");

export interface Installed {
  /** The unpacked tarball. */
  lovage: string;
  /** A new folder in which the package is installed, with these files. */
  project(name: string, files?: Record<string, string>): Project;
  remove(): void;
}

export interface Project {
  folder: string;
  /** Runs `lovage` there, and answers what it printed. Rejects where it fails. */
  lovage(...args: string[]): Promise<string>;
  /** Starts `lovage` there; what it answers ends it. */
  start(...args: string[]): () => Promise<void>;
  /** Runs the command line of an installed package. */
  tool(path: string, ...args: string[]): Promise<string>;
}

/** Packs this repository, which takes a second once it is built. */
export async function packAndInstall(): Promise<Installed> {
  await build();
  await buildPackage();
  const home = mkdtempSync(join(tmpdir(), "lovage-packed-"));
  // The hook that builds has run.
  await run("npm", ["pack", "--ignore-scripts", "--pack-destination", home], { cwd: root });
  const [tarball] = readdirSync(home);
  await run("tar", ["-xzf", tarball], { cwd: home });
  symlinkSync(join(root, "node_modules"), join(home, "node_modules"));
  const lovage = join(home, "package");
  return {
    lovage,
    project: (name, files = {}) => {
      const folder = join(home, name);
      mkdirSync(join(folder, "node_modules"), { recursive: true });
      symlinkSync(lovage, join(folder, "node_modules/lovage"));
      for (const [path, text] of Object.entries(files)) {
        mkdirSync(dirname(join(folder, path)), { recursive: true });
        writeFileSync(join(folder, path), text);
      }
      const tool = async (path: string, ...args: string[]) => {
        const env = { ...process.env, NO_COLOR: "1", WRANGLER_SEND_METRICS: "false", WRANGLER_LOG: "log", CI: "1" };
        const options = { cwd: folder, env, maxBuffer: 50_000_000 };
        const { stdout, stderr } = await run(process.execPath, [path, ...args], options).catch((error: unknown) => {
          const { stdout: out, stderr: err } = error as { stdout: string; stderr: string };
          throw new Error(`${path} ${args.join(" ")} failed:\n${out}${err}`, { cause: error });
        });
        return stdout + stderr;
      };
      return {
        folder,
        start: (...args) => {
          const child = spawn(process.execPath, [join(lovage, "dist/command/lovage.js"), ...args], {
            cwd: folder,
            env: { ...process.env, NO_COLOR: "1", CI: "1" },
            stdio: "ignore",
            detached: true,
          });
          const ended = once(child, "exit");
          return async () => {
            child.kill("SIGTERM");
            await ended;
          };
        },
        lovage: (...args) => tool(join(lovage, "dist/command/lovage.js"), ...args),
        tool: (path, ...args) => tool(join(root, "node_modules", path), ...args),
      };
    },
    remove: () => rmSync(home, { recursive: true, force: true }),
  };
}
