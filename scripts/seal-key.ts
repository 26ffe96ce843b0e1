/** Keys that seal what is secret, as `SEAL_KEY` takes them: an id, which tells by which key something was sealed, and 32 random bytes. */
import { randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export function newSealKey(): string {
  return `${randomBytes(4).toString("hex")}:${randomBytes(32).toString("base64")}`;
}

/** The keys of the state in this directory, in a file that only its owner reads; made where there is none. */
export function sealKeyIn(directory: string): string {
  mkdirSync(directory, { recursive: true });
  const file = join(directory, "seal-key");
  try {
    // Fails where it is there, so that of two that come at once only one makes it.
    writeFileSync(file, `${newSealKey()}\n`, { mode: 0o600, flag: "wx" });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
  return readFileSync(file, "utf8").trim();
}
