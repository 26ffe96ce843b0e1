/** One server for each state directory: two would run the same tasks twice. */

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { Failure } from "../failure.ts";

const SQLITE_BUSY = 5;

/** Never closed: the system releases the lock when this process ends, in whichever way. */
const held: DatabaseSync[] = [];

/**
 * Holds the directory for this process until it ends. SQLite's lock of a file is taken in one step, is never left behind, and also
 * counts between containers that share a folder. Throws a `Failure` where another server holds it.
 */
export function holdState(directory: string): void {
  mkdirSync(directory, { recursive: true });
  const path = join(directory, "lock.sqlite");
  const owner = join(directory, "lock.pid");
  try {
    const lock = new DatabaseSync(path);
    lock.exec("PRAGMA journal_mode = MEMORY; PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE");
    held.push(lock);
    writeFileSync(owner, `${process.pid}\n`);
  } catch (error) {
    const { errcode } = error as { errcode?: number };
    if (errcode === undefined) throw error;
    if (errcode !== SQLITE_BUSY) {
      throw new Failure(`${path} cannot be written: make its folder writable, or give the server another one`);
    }
    throw new Failure(
      `another server${processIn(owner)} runs on ${directory}: stop it, or give this one a directory of its own`,
    );
  }
}

function processIn(file: string): string {
  try {
    return ` (process ${readFileSync(file, "utf8").trim()})`;
  } catch {
    return "";
  }
}
