/** Work that one process at a time does, such as a build that several tests ask for at once. */
import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { setTimeout as pause } from "node:timers/promises";

const LOOK_EVERY_MS = 100;

/** An older lock was left behind by its process. */
const STALE_AFTER_MS = 600_000;

/**
 * Does the work once no other process holds this lock file. The work itself checks whether it is still needed. After a process
 * was killed, two may do it at once, so the work must tolerate that.
 */
export async function inTurn(lock: string, work: () => Promise<void>): Promise<void> {
  mkdirSync(dirname(lock), { recursive: true });
  while (!take(lock)) {
    if (isLeft(lock)) rmSync(lock, { force: true });
    else await pause(LOOK_EVERY_MS);
  }
  try {
    await work();
  } finally {
    rmSync(lock, { force: true });
  }
}

function take(lock: string): boolean {
  try {
    writeFileSync(lock, String(process.pid), { flag: "wx" });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

/** Whether the process that took the lock is gone. */
function isLeft(lock: string): boolean {
  const takenAt = statSync(lock, { throwIfNoEntry: false })?.mtimeMs;
  if (takenAt === undefined) return false;
  if (Date.now() - takenAt > STALE_AFTER_MS) return true;
  try {
    const pid = Number(readFileSync(lock, "utf8"));
    // Between its creation and its first byte it is empty.
    if (pid > 0) process.kill(pid, 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ESRCH";
  }
}
