/** A project of its own beside this repository, and the development loop that runs it. */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** It matters only where a test fails. */
const PATIENCE_MS = 200_000;

const repository = join(import.meta.dirname, "../..");

export const KEY = "a-key-of-a-project-in-a-test-of-the-loop";

const COMMAND = `
import { startLoop } from ${JSON.stringify(join(repository, "command/dev/loop.ts"))};
import { fail } from ${JSON.stringify(join(repository, "command/failure.ts"))};
const [root, port, ...flags] = process.argv.slice(2);
try {
  const { url } = await startLoop({ root, port: Number(port), types: flags.includes("--types") });
  console.log("ready " + url);
} catch (error) {
  fail(error);
}
`;

export interface LoopProject {
  readonly root: string;
  readonly state: string;
  /** Saves a file of the project. */
  save(file: string, text: string): void;
  /** Runs the loop in a process of its own. */
  run(...flags: string[]): RunningLoop;
  remove(): void;
}

export interface RunningLoop {
  readonly pid: number;
  /** What it has printed, in its order. */
  printed(): string;
  /** Resolves to the match once it has printed that, after `after` characters. */
  prints(pattern: RegExp, after?: number): Promise<RegExpExecArray>;
  /** Its address, once it is ready. */
  ready(): Promise<string>;
  /** Resolves to its exit code; null where a signal has ended it. */
  ended(): Promise<number | null>;
  end(signal: "SIGTERM" | "SIGINT" | "SIGKILL"): Promise<number | null>;
}

/** `files`: of the folder `src`; `index.ts` exports the Worker. */
export function makeProject(files: Record<string, string>): LoopProject {
  const root = mkdtempSync(join(tmpdir(), "lovage-loop-"));
  const config = readFileSync(join(repository, "wrangler.toml"), "utf8")
    .replace(`migrations_dir = "src/results/migrations"`, `migrations_dir = "${repository}/src/results/migrations"`)
    .replace(`directory = "dist/pages"`, `directory = "pages"`)
    .replace("[vars]", '[vars]\nGREETING = "from the configuration"')
    .concat('\n[[kv_namespaces]]\nbinding = "SHELF"\nid = "shelf"\n');
  writeFileSync(join(root, "wrangler.toml"), config);
  writeFileSync(join(root, "package.json"), '{ "type": "module" }');
  writeFileSync(join(root, ".dev.vars"), `API_KEY=${KEY}\nSECRET=from .dev.vars\n`);
  writeFileSync(join(root, "command.ts"), COMMAND);
  symlinkSync(join(repository, "node_modules"), join(root, "node_modules"));
  mkdirSync(join(root, "pages"));
  mkdirSync(join(root, "src"));
  const save = (file: string, text: string) => writeFileSync(join(root, "src", file), text);
  for (const [file, text] of Object.entries(files)) save(file, text);
  return {
    root,
    state: join(root, ".wrangler/state"),
    save,
    run: (...flags) => run(root, flags),
    remove: () => rmSync(root, { recursive: true, force: true }),
  };
}

/** The module that the Worker begins with, for tasks by the names of their exports and files. */
export function indexOf(tasks: Record<string, string>): string {
  const imports = Object.entries(tasks).map(([name, file]) => `import { ${name} } from "./${file}";`);
  const lovage = JSON.stringify(join(repository, "src/lovage.ts"));
  return `import { createLovage } from ${lovage};
${imports.join("\n")}
export { AttemptObject, Clock, ProgressObject, RateObject } from ${lovage};
export default createLovage({ tasks: [${Object.keys(tasks).join(", ")}] });
`;
}

/** A file with a task, exported as `name`. `options`: beside its name and input. */
export function taskOf(name: string, options: string): string {
  return `import { defineTask } from ${JSON.stringify(join(repository, "src/lovage.ts"))};
import { z } from "zod";
export const ${name} = defineTask({ name: "${name}", input: z.object({}), output: z.unknown(), ${options} });
`;
}

function run(root: string, flags: string[]): RunningLoop {
  const child = spawn("node", ["command.ts", root, "0", ...flags], {
    cwd: root,
    stdio: ["ignore", "pipe", "pipe"],
    // As under npm: it ends with the process that started it, so a test run that dies leaves nothing behind.
    env: { ...process.env, npm_lifecycle_event: "start", NO_COLOR: "1" },
  });
  let text = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
  }
  const ended = once(child, "close").then(([code]) => code as number | null);
  let isOver = false;
  void ended.then(() => (isOver = true));
  const prints = async (pattern: RegExp, after = 0) => {
    const until = Date.now() + PATIENCE_MS;
    for (;;) {
      const match = pattern.exec(text.slice(after));
      if (match !== null) return match;
      if (isOver || Date.now() > until) throw new Error(`it has not printed ${pattern}, but:\n${text}`);
      await new Promise((done) => setTimeout(done, 50));
    }
  };
  return {
    pid: child.pid!,
    printed: () => text,
    prints,
    ready: async () => (await prints(/^ready (\S+)$/m))[1],
    ended: async () => ended,
    end: async (signal) => {
      child.kill(signal);
      return ended;
    },
  };
}
