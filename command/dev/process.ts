/** The processes of a local server: the Workers runtime ends with it, and it ends when it is asked to. */

import { type ChildProcess, spawn } from "node:child_process";
import { subscribe } from "node:diagnostics_channel";

const STOP_WITHIN_MS = 2_500;

export interface RuntimeProcess {
  /** Kills the runtime at once, whatever it does. */
  kill(): void;
  /** The process id, 0 while none runs. */
  readonly pid: number;
}

/**
 * workerd outlives a parent that is killed with -9. So a shell reads the runtime's process id from a pipe of this process
 * whenever that changes, and kills the runtime when the pipe closes. `ended` is called with the process id of each runtime that
 * has ended.
 */
export function endRuntimeWithThisProcess(ended: (pid: number) => void = () => {}): RuntimeProcess {
  const script = 'trap \'\' INT TERM HUP; while read -r pid; do last=$pid; done; [ -n "$last" ] && kill -9 "$last"';
  const watch = spawn("/bin/sh", ["-c", script], { stdio: ["pipe", "ignore", "ignore"] });
  watch.unref();
  watch.on("error", () => {}); // No such shell, as on Windows: there the runtime ends with its pipes.
  watch.stdin.on("error", () => {}); // The shell has ended.
  let current = 0;
  const tell = (pid: number | "") => watch.stdin.write(`${pid}\n`);
  subscribe("child_process", (event) => {
    const { process: child } = event as { process: ChildProcess };
    child.once("spawn", () => {
      const { pid } = child;
      if (!child.spawnfile.includes("workerd") || pid === undefined) return;
      current = pid;
      tell(pid);
      child.once("exit", () => {
        if (current === pid) {
          current = 0;
          tell("");
        }
        ended(pid);
      });
    });
  });
  return {
    kill: () => {
      try {
        if (current !== 0) process.kill(current, "SIGKILL");
      } catch {
        // It has just ended.
      }
    },
    get pid() {
      return current;
    },
  };
}

let isEnding = false;

/** Whether a signal that {@link endWhenAsked} hears has come: this process ends by itself. */
export function wasAskedToEnd(): boolean {
  return isEnding;
}

/**
 * Stops on SIGTERM and SIGINT, and exits with 0. Run by npm, it also stops when that npm has ended in any way: a `kill -9` of the
 * user's command must not leave a server behind. Returns a function to call after each start of Miniflare, which sets handlers of
 * its own.
 */
export function endWhenAsked(stop: () => Promise<void>): () => void {
  const end = () => {
    // Ctrl-C reaches this process from the terminal and once more from npm.
    if (isEnding) return;
    isEnding = true;
    setTimeout(() => endNow(), STOP_WITHIN_MS);
    void stop().finally(() => process.exit(0));
  };
  const listen = () => {
    for (const signal of ["SIGTERM", "SIGINT"] as const) {
      // Miniflare's handlers exit at once, and with another code.
      process.removeAllListeners(signal);
      process.on(signal, end);
    }
  };
  listen();
  if (process.env["npm_lifecycle_event"] !== undefined) {
    const parent = process.ppid;
    setInterval(() => {
      if (process.ppid !== parent) process.kill(process.pid, "SIGKILL");
    }, 100).unref();
  }
  return listen;
}

/** Skips the handlers of the exit, one of which may wait for a runtime that does not answer. */
function endNow(): void {
  (process as unknown as { reallyExit(code: number): never }).reallyExit(0);
}
