/** Why a Worker does not start, in one sentence with the file and what would mend it. */

import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { Failure } from "../failure.ts";
import { testedVersion } from "../package.ts";
import type { Stacks } from "./stacks.ts";

/** `inputs`: the files of the bundle. `persist`: where the state is, where the database was being opened. */
export function explainStart(
  error: unknown,
  stacks: Stacks,
  root: string,
  inputs: readonly string[],
  persist = "",
): unknown {
  if (!(error instanceof Error) || error instanceof Failure) return error;
  const { code } = error as NodeJS.ErrnoException;
  if (/SQLITE_(NOTADB|CORRUPT)|not a database|malformed|internal error.*sqlite/i.test(error.message)) {
    return new Failure(
      `the database in ${persist} is damaged: move that folder away, and the next start makes an empty one`,
    );
  }
  if (code !== "ERR_RUNTIME_FAILURE") return error;
  const text = stacks.map(plainOf(error.message));
  const tooNew = /requires compatibility date "([\d-]+)"/.exec(text)?.[1];
  if (tooNew !== undefined) {
    const newer = `npm install --save-dev wrangler@${testedVersion("wrangler")}`;
    return new Failure(`the installed wrangler is older than the compatibility_date ${tooNew}: run \`${newer}\``);
  }
  const thrown = /Uncaught (?:\w*Error: )?([^\n]*)/.exec(text)?.[1];
  if (thrown === undefined) return new Failure(`the Workers runtime did not start: ${lastLine(text)}`);
  const twice = /two tasks have the name ([\w.-]+)/.exec(thrown)?.[1];
  if (twice !== undefined) {
    const files = filesNaming(twice, root, inputs);
    return new Failure(`${thrown} (${files.join(", ") || "see the list of tasks"}): give one of them another name`);
  }
  const place = [...text.matchAll(/at [^\n]*?([\w@./-]+:\d+:\d+)/g)]
    .map(([, at]) => at)
    .find((at) => !/node_modules|lovage-libraries|\/core\/|create-lovage/.test(at) && !at.startsWith("src/engine/"));
  return new Failure(`${place === undefined ? "" : `${place}: `}${thrown}`);
}

/** The user's files in which a task of that name is defined. */
function filesNaming(name: string, root: string, inputs: readonly string[]): string[] {
  const definition = new RegExp(`name:\\s*["'\`]${name.replaceAll(".", "\\.")}["'\`]`);
  return inputs.filter((file) => {
    if (file.includes("node_modules/")) return false;
    try {
      return definition.test(readFileSync(resolve(root, file), "utf8"));
    } catch {
      return false;
    }
  });
}

/** The runtime's output, without the JSON that it wraps each line in. */
function plainOf(text: string): string {
  const lines = text.split("\n").map((line) => {
    if (!line.startsWith("{")) return line;
    try {
      return (JSON.parse(line) as { message: string }).message;
    } catch {
      return line;
    }
  });
  return lines.join("\n");
}

function lastLine(text: string): string {
  return text.trim().split("\n").at(-1) ?? "";
}
