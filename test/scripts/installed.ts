/** Projects that have the packed tarball of this repository installed, without a network: the other packages are this repository's own. */
import { execFile, spawn, type ChildProcess } from "node:child_process";
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
  /** A new folder in which the package is installed, with these files. `env`: of every command there. */
  project(name: string, files?: Record<string, string>, env?: Record<string, string>): Project;
  remove(): void;
}

export interface Project {
  folder: string;
  /** Runs `lovage` there, and answers what it printed. Rejects where it fails. */
  lovage(...args: string[]): Promise<string>;
  /** Starts `lovage` there, until it is ended. */
  start(...args: string[]): Started;
  /** Runs the command line of an installed package. */
  tool(path: string, ...args: string[]): Promise<string>;
}

export interface Started {
  /** Resolves to the match once it has printed that, after `after` characters. */
  prints(pattern: RegExp, after?: number): Promise<RegExpExecArray>;
  /** What it has printed. */
  printed(): string;
  /** Ends it, and resolves to its exit code. */
  end(signal?: "SIGTERM" | "SIGINT"): Promise<number | null>;
}

/** It matters only where a test fails. */
const PATIENCE_MS = 200_000;

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
    project: (name, files = {}, more = {}) => {
      const folder = join(home, name);
      mkdirSync(join(folder, "node_modules"), { recursive: true });
      symlinkSync(lovage, join(folder, "node_modules/lovage"));
      for (const [path, text] of Object.entries(files)) {
        mkdirSync(dirname(join(folder, path)), { recursive: true });
        writeFileSync(join(folder, path), text);
      }
      const tool = async (path: string, ...args: string[]) => {
        const env = {
          ...process.env,
          NO_COLOR: "1",
          WRANGLER_SEND_METRICS: "false",
          WRANGLER_LOG: "log",
          CI: "1",
          ...more,
        };
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
          // As under npm: it ends with the process that started it.
          const env = { ...process.env, NO_COLOR: "1", CI: "1", npm_lifecycle_event: "start", ...more };
          const command = join(lovage, "dist/command/lovage.js");
          return following(
            spawn(process.execPath, [command, ...args], { cwd: folder, env, stdio: ["ignore", "pipe", "pipe"] }),
          );
        },
        lovage: (...args) => tool(join(lovage, "dist/command/lovage.js"), ...args),
        tool: (path, ...args) => tool(join(root, "node_modules", path), ...args),
      };
    },
    remove: () => rmSync(home, { recursive: true, force: true }),
  };
}

function following(child: ChildProcess): Started {
  let text = "";
  for (const stream of [child.stdout!, child.stderr!]) {
    stream.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
  }
  let isOver = false;
  const ended = once(child, "close").then(([code]) => {
    isOver = true;
    return code as number | null;
  });
  return {
    printed: () => text,
    prints: async (pattern, after = 0) => {
      const until = Date.now() + PATIENCE_MS;
      for (;;) {
        const match = pattern.exec(text.slice(after));
        if (match !== null) return match;
        if (isOver || Date.now() > until) throw new Error(`it has not printed ${pattern}, but:\n${text}`);
        await new Promise((done) => setTimeout(done, 50));
      }
    },
    end: async (signal = "SIGTERM") => {
      child.kill(signal);
      return ended;
    },
  };
}
