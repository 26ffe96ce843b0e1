/** The processes of a local server: the Workers runtime ends with it, and it ends when it is asked to. */

import { type ChildProcess, spawn } from "node:child_process";
import { subscribe } from "node:diagnostics_channel";

const STOP_WITHIN_MS = 2_500;

/**
 * workerd outlives a parent that is killed with -9. So a shell reads the runtime's process id from a pipe of this process whenever
 * that changes, and kills the runtime when the pipe closes. Returns a function that kills the runtime at once.
 */
export function endRuntimeWithThisProcess(): () => void {
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
        if (current !== pid) return;
        current = 0;
        tell("");
      });
    });
  });
  return () => {
    if (current !== 0) process.kill(current, "SIGKILL");
  };
}

/**
 * Stops on SIGTERM and SIGINT, and exits with 0. Run by npm, it also stops when that npm has ended in any way: a `kill -9` of the
 * user's command must not leave a server behind. Called again, the new `stop` counts.
 */
export function endWhenAsked(stop: () => Promise<void>): void {
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    // Removes Miniflare's handlers, which exit at once and with another code.
    process.removeAllListeners(signal);
    process.once(signal, () => {
      setTimeout(() => endNow(), STOP_WITHIN_MS);
      void stop().finally(() => process.exit(0));
    });
  }
  if (process.env["npm_lifecycle_event"] === undefined) return;
  const parent = process.ppid;
  setInterval(() => {
    if (process.ppid !== parent) process.kill(process.pid, "SIGKILL");
  }, 100).unref();
}

/** Skips the handlers of the exit, one of which may wait for a runtime that does not answer. */
function endNow(): void {
  (process as unknown as { reallyExit(code: number): never }).reallyExit(0);
}
