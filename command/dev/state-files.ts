/** The files below a state directory. */

import { chmodSync, closeSync, globSync, mkdirSync, openSync, readSync } from "node:fs";
import { join } from "node:path";
import { Failure } from "../failure.ts";

/** wrangler keeps its state in this folder below the directory that it is given, so both can use the same directory. */
export const STATE = "v3";

/** Every SQLite database begins with this. */
const MAGIC = "SQLite format 3\0";

/** Makes all state readable for its owner only: files written from now on, by the Workers runtime too, and those from before. */
export function keepPrivate(persist: string): void {
  process.umask(0o077);
  const state = join(persist, STATE);
  mkdirSync(state, { recursive: true });
  chmodSync(state, 0o700);
}

/** Throws a `Failure` that names the file where a database was overwritten. It reads the first bytes alone, so it costs nothing. */
export function checkDatabases(persist: string): void {
  for (const file of globSync(join(persist, STATE, "**/*.sqlite"))) {
    const begin = beginOf(file);
    if (begin !== "" && begin !== MAGIC) throw damaged(file, persist);
  }
}

/** `file`: the damaged one, or the folder that it is in. */
export function damaged(file: string, persist: string): Failure {
  return new Failure(
    `${file} is damaged: put a copy of it back, or move ${persist} away, and the next start makes an empty database`,
  );
}

function beginOf(file: string): string {
  const bytes = Buffer.alloc(MAGIC.length);
  const descriptor = openSync(file, "r");
  try {
    return bytes.toString("latin1", 0, readSync(descriptor, bytes));
  } finally {
    closeSync(descriptor);
  }
}
