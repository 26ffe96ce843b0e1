/** Failures of a command, each reported in one sentence. */

import { wasAskedToEnd } from "./dev/process.ts";

/** A failure that the user of a command can mend. Its message says what is wrong, where, and what would be right. */
export class Failure extends Error {
  override readonly name = "Failure";
}

/** The sentence for an error that a command threw. */
export function sentenceOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error instanceof Failure) return error.message;
  const { code, path } = error as NodeJS.ErrnoException;
  if (code === "ERR_ADDRESS_IN_USE" || code === "EADDRINUSE") {
    const port = /:(\d+)\b/.exec(error.message)?.[1];
    return `the port ${port === undefined ? "" : `${port} `}is taken: choose another, or stop what listens there`;
  }
  if (code === "EACCES" || code === "EROFS" || code === "EPERM") {
    return `${path ?? "the folder"} cannot be written: make it writable, or choose another folder`;
  }
  const missing =
    code === "ERR_MODULE_NOT_FOUND" ? /Cannot find package '([^']+)'/.exec(error.message)?.[1] : undefined;
  if (missing !== undefined)
    return `the package ${missing} is not installed: run \`npm install\`, or install it beside lovage`;
  if (code === "ENOSPC") return "the disk is full: make room and start again";
  return error.message;
}

/** Prints why a command failed, and ends the process with 1. What a signal has cut off is no failure. */
export function fail(error: unknown): never {
  if (wasAskedToEnd()) process.exit(0);
  process.stderr.write(`lovage: ${sentenceOf(error)}\n`);
  process.exit(1);
}

/** The port that a text names. Throws a `Failure` where it names none. */
export function portOf(text: string): number {
  const port = Number(text);
  if (text.trim() === "" || !Number.isInteger(port) || port < 0 || port > 65_535) {
    throw new Failure(
      `${JSON.stringify(text)} is no port: take a whole number from 0 (any free one) to 65535, such as 8787`,
    );
  }
  return port;
}
