/** Checks the project's types beside the loop, with the project's own compiler. */

import { spawn, type ChildProcess } from "node:child_process";
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { setPriority } from "node:os";
import { dirname, join } from "node:path";
import type { Terminal } from "./terminal.ts";

export class TypeCheck {
  readonly #root: string;
  readonly #terminal: Terminal;
  readonly #compiler: string | null;
  #process: ChildProcess | null = null;
  #hadFaults = false;

  constructor(root: string, terminal: Terminal) {
    this.#root = root;
    this.#terminal = terminal;
    const isTyped = existsSync(join(root, "tsconfig.json"));
    this.#compiler = isTyped ? compilerOf(root) : null;
    if (isTyped && this.#compiler === null) {
      terminal.say("types: not checked, because TypeScript is not installed yet: `npm install` brings it");
    }
  }

  /** Checks the files as they are now; a check that runs is ended. */
  begin(): void {
    if (this.#compiler === null) return;
    this.stop();
    const child = spawn(process.execPath, [this.#compiler, "--noEmit", "--pretty", "false"], {
      cwd: this.#root,
      stdio: ["ignore", "pipe", "ignore"],
    });
    this.#process = child;
    // A low priority, so that the service goes first.
    if (child.pid !== undefined) setPriority(child.pid, 10);
    let output = "";
    child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
    child.once("exit", (code) => {
      if (this.#process !== child || code === null) return;
      this.#process = null;
      if (code !== 0) this.#terminal.fault(`types:\n${output.trim().replaceAll(/^/gm, "    ")}`);
      else if (this.#hadFaults) this.#terminal.say("types: no errors any more");
      this.#hadFaults = code !== 0;
    });
  }

  stop(): void {
    const child = this.#process;
    this.#process = null;
    child?.kill("SIGKILL");
  }
}

function compilerOf(root: string): string | null {
  try {
    return join(dirname(createRequire(join(root, "package.json")).resolve("typescript/package.json")), "bin/tsc");
  } catch {
    return null;
  }
}
