/** The processes that a command has left, or has under way. */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { vi } from "vitest";

/** The ids of the processes that run in this folder, of this program if one is given. Linux alone tells. */
export function processesIn(folder: string, program = ""): number[] {
  const ids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  return ids.map(Number).filter((id) => {
    try {
      const [command = ""] = readFileSync(`/proc/${id}/cmdline`, "latin1").split("\0");
      return readlinkSync(`/proc/${id}/cwd`) === folder && command.includes(program);
    } catch {
      // It has ended, or is another user's.
      return false;
    }
  });
}

/** Stops the next runtime that is started in this folder before it answers, so that a start or a swap stays where it is. */
export async function stopNextRuntime(folder: string): Promise<void> {
  const before = processesIn(folder, "workerd");
  const next = () => processesIn(folder, "workerd").find((id) => !before.includes(id));
  process.kill(await vi.waitUntil(next, { timeout: 120_000, interval: 5 }), "SIGSTOP");
}
