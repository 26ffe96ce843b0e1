/** Keys that seal secrets, in the format of `SEAL_KEY`: an id, which says by which key a value was sealed, and 32 random bytes. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { newSealKey } from "../command/dev/keys.ts";

/** The seal keys of the state in this directory, in a file that only its owner can read; created where there is none. */
export function sealKeyIn(directory: string): string {
  mkdirSync(directory, { recursive: true });
  const file = join(directory, "seal-key");
  try {
    // `wx` fails where the file exists, so that only one of two concurrent calls creates it.
    writeFileSync(file, `${newSealKey()}\n`, { mode: 0o600, flag: "wx" });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
  return readFileSync(file, "utf8").trim();
}
