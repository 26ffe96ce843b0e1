/** `lovage init`: a project in an empty folder, or Lovage in a Worker that is there. It can be repeated. */

import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { createInterface } from "node:readline/promises";
import { createTwoFilesPatch } from "diff";
import { Failure } from "../failure.ts";
import { ownPackage } from "../package.ts";
import { paint } from "../paint.ts";
import { defineVerb } from "../verb.ts";
import { planInit, type Change } from "./plan.ts";

const LOCKFILES = { "pnpm-lock.yaml": "pnpm", "yarn.lock": "yarn", "bun.lock": "bun" };

export const init = defineVerb({
  name: "init",
  description: "Makes a project in an empty folder, or adds Lovage to the Worker that is there",
  args: {
    folder: { type: "positional", description: "Where; this folder unless given", required: false },
    yes: { type: "boolean", description: "Changes existing files without asking", default: false },
    install: { type: "boolean", description: "Runs npm install afterwards", default: true },
    package: {
      type: "string",
      description: "What package.json gets as the version of lovage, such as a tarball's path",
    },
  },
  run: async ({ folder, yes, install: installs, package: lovage }) => {
    const root = resolve(folder ?? ".");
    const { isNew, changes, notes } = planInit(root, lovage ?? `^${ownPackage().version}`);
    if (changes.length === 0) return console.log("Lovage is here already: nothing to change");
    for (const change of changes) show(change, isNew);
    for (const note of notes) console.log(`\nNote: ${note}`);
    const isChanging = changes.some(({ before }) => before !== null);
    if (isChanging && !yes && !(await isMeant())) return console.log("Nothing was changed");
    for (const change of changes) write(root, change);
    const isInstalled = installs && install(root, changes);
    console.log(next(relative(process.cwd(), root), isInstalled));
  },
});

function show({ path, before, after }: Change, isNew: boolean): void {
  if (before === null && isNew) return console.log(`+ ${path}`);
  const patch = createTwoFilesPatch(before === null ? "/dev/null" : path, path, before ?? "", after, "", "", {
    context: 2,
  });
  const lines = patch.split("\n").slice(1);
  console.log(lines.map(coloured).join("\n").trimEnd());
}

function coloured(line: string): string {
  if (line.startsWith("+")) return paint("green", line);
  if (line.startsWith("-")) return paint("red", line);
  return line;
}

async function isMeant(): Promise<boolean> {
  if (!process.stdin.isTTY)
    throw new Failure("there is no terminal to ask in: --yes makes these changes without a question");
  const asking = createInterface({ input: process.stdin, output: process.stdout });
  const answer = await asking.question("\nMake these changes? [Y/n] ");
  asking.close();
  return /^(y|yes)?$/i.test(answer.trim());
}

function write(root: string, { path, after }: Change): void {
  const file = join(root, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, after);
}

function install(root: string, changes: readonly Change[]): boolean {
  if (!changes.some(({ path }) => path === "package.json")) return existsSync(join(root, "node_modules/lovage"));
  const [, other] = Object.entries(LOCKFILES).find(([file]) => existsSync(join(root, file))) ?? [];
  if (other !== undefined) return false;
  console.log("\nInstalling the packages ...");
  const options = { cwd: root, stdio: "inherit", shell: process.platform === "win32" } as const;
  const { status } = spawnSync("npm", ["install", "--no-audit", "--no-fund"], options);
  if (status !== 0)
    throw new Failure("npm install has failed: fix the cause and run npm install again; all files are written");
  return true;
}

function next(folder: string, isInstalled: boolean): string {
  const steps = [...(folder === "" ? [] : [`cd ${folder}`]), ...(isInstalled ? [] : ["npm install"]), "npx lovage dev"];
  return `\nDone. Now:\n\n${steps.map((step) => `  ${step}`).join("\n")}\n`;
}
