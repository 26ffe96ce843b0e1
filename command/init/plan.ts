/** What `lovage init` would change in a folder. Nothing is written here. */

import { existsSync, readFileSync } from "node:fs";
import { basename, dirname, join, posix, resolve } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { applyEdits, modify } from "jsonc-parser";
import { parse } from "smol-toml";
import { Failure } from "../failure.ts";
import { missingIn, withAdditions, type Addition, type Missing } from "./additions.ts";
import { editJsonc, parseJsonc } from "./edit-jsonc.ts";
import { editMain } from "./edit-main.ts";
import { commentsIn, editToml } from "./edit-toml.ts";
import { ALLOWED, ignoring, packagesOf, projectFiles, SCRIPTS, taskFiles } from "./template.ts";
import { ownConfig, wantedConfig, type RawConfig } from "./wanted.ts";

/** A file that is written: `before` is null where there is none yet. */
export interface Change {
  path: string;
  before: string | null;
  after: string;
}

export interface Plan {
  /** Whether the folder has no Worker yet. */
  isNew: boolean;
  changes: Change[];
  notes: string[];
}

const CONFIGS = ["wrangler.jsonc", "wrangler.json", "wrangler.toml"];

/** `lovage`: the version of the package that is written into package.json, where it names none yet. */
export function planInit(root: string, lovage: string): Plan {
  const read = (path: string) => (existsSync(join(root, path)) ? readFileSync(join(root, path), "utf8") : null);
  const config = CONFIGS.find((name) => existsSync(join(root, name)));
  const plan = config === undefined ? planProject(root, read) : planWorker(root, config, read);
  const files = {
    ...plan.files,
    "package.json": packageJson(read("package.json"), plan.name, lovage, plan.isNew),
    ".gitignore": ignoring(read(".gitignore")),
  };
  const changes = Object.entries(files)
    .map(([path, after]) => ({ path, before: read(path), after }))
    .filter(({ before, after }) => before !== after);
  return { isNew: plan.isNew, changes, notes: plan.notes };
}

type Read = (path: string) => string | null;

interface Parts {
  isNew: boolean;
  name: string;
  files: Record<string, string>;
  notes: string[];
}

/** A whole project, without the files that are there already. */
function planProject(root: string, read: Read): Parts {
  const name = workerName(basename(resolve(root)));
  const entry = read("src/index.ts");
  if (entry !== null && !entry.includes('"lovage"')) {
    throw new Failure(
      "src/index.ts is there, but no wrangler.toml or wrangler.jsonc: write one for it first, or begin in an empty folder",
    );
  }
  const files = Object.entries(projectFiles(name)).filter(([path]) => read(path) === null);
  const head = `# Every name that Lovage needs; \`npx lovage init\` adds what a new release needs.\nname = "${name}"\nmain = "src/index.ts"\n`;
  const wanted = wantedConfig(name);
  const { additions } = missingIn({ name, main: "src/index.ts" }, wanted);
  return {
    isNew: true,
    name,
    files: { ...Object.fromEntries(files), "wrangler.toml": edited("wrangler.toml", head, additions) },
    notes: [],
  };
}

/** Adds Lovage to a Worker that exists already. */
function planWorker(root: string, config: string, read: Read): Parts {
  const text = read(config)!;
  const there = parseConfig(text, config);
  const { name = workerName(basename(resolve(root))), main } = there;
  if (main === undefined) throw new Failure(`${config} names no module of the Worker: add main = "src/index.ts"`);
  const source = read(main);
  if (source === null) throw new Failure(`${config} names ${main} as main, which is not there`);
  const { additions, notes }: Missing = missingIn(there, wantedConfig(name));
  const entry = posix.normalize(main);
  const changed = editMain(source, entry);
  const own = changed === source ? {} : taskFiles(/\.[mc]?ts$/.test(entry));
  const files = Object.entries(own)
    .map(([path, after]) => [posix.join(dirname(entry), path), after] as const)
    .filter(([path]) => read(path) === null);
  return {
    isNew: false,
    name,
    files: { ...Object.fromEntries(files), [config]: edited(config, text, additions), [entry]: changed },
    notes: additions.length === 0 ? [] : notes,
  };
}

/** The configuration's text with the additions. The text is read again; if it does not mean exactly that, it is not written. */
function edited(file: string, text: string, additions: readonly Addition[]): string {
  if (additions.length === 0) return text;
  const wanted = withAdditions(parseConfig(text, file), additions);
  const after = file.endsWith(".toml")
    ? editToml(text, additions, commentsIn(ownConfig().text))
    : editJsonc(text, additions);
  const says = tried(() => parseConfig(after, file));
  if (isDeepStrictEqual(plain(says), plain(wanted))) return after;
  const byHand = additions.map(({ path, value }) => `  ${path.join(".")}: ${JSON.stringify(value)}`).join("\n");
  throw new Failure(
    `${file} is written in a way that \`lovage init\` cannot extend. Add by hand, then run \`lovage init\` again:\n${byHand}`,
  );
}

function tried<T>(what: () => T): T | null {
  try {
    return what();
  } catch {
    return null;
  }
}

/** Without the prototypes that parsers give. */
function plain(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value)) as unknown;
}

/** A project's configuration as it is written. Throws a `Failure` where it cannot be read. */
export function readConfig(path: string): RawConfig {
  return parseConfig(readFileSync(path, "utf8"), basename(path));
}

function parseConfig(text: string, file: string): RawConfig {
  return file.endsWith(".toml") ? parseToml(text, file) : parseJsonc(text, file);
}

function parseToml(text: string, file: string): RawConfig {
  try {
    return parse(text);
  } catch (error) {
    throw new Failure(`${file} is not valid TOML: ${(error as Error).message.split("\n")[0]}`);
  }
}

function packageJson(text: string | null, name: string, lovage: string, isNew: boolean): string {
  const start = text ?? `${JSON.stringify({ name, private: true, type: "module" }, null, 2)}\n`;
  const there = parseJsonc(start, "package.json") as Record<string, Record<string, string> | undefined>;
  const known = { ...there["dependencies"], ...there["devDependencies"] };
  const { dependencies, devDependencies } = packagesOf(lovage, isNew);
  const wanted = isNew
    ? { type: "module", scripts: SCRIPTS, dependencies, devDependencies, allowScripts: ALLOWED }
    : { dependencies, devDependencies };
  let edited = start;
  const set = (path: string[], value: string | boolean) => {
    const options = { formattingOptions: { insertSpaces: true, tabSize: /^( +)"/m.exec(start)?.[1]?.length ?? 2 } };
    edited = applyEdits(edited, modify(edited, path, value, options));
  };
  for (const [section, values] of Object.entries(wanted)) {
    if (typeof values === "string") set([section], values);
    else {
      for (const [key, value] of Object.entries(values)) {
        const named = section === "scripts" ? ownScripts(there["scripts"]) : section === "allowScripts" ? {} : known;
        if (named[key] === undefined) set([section, key], value);
      }
    }
  }
  return edited;
}

/** Without the test that `npm init` writes, which fails. */
function ownScripts(scripts: Record<string, string> = {}): Record<string, string> {
  return Object.fromEntries(Object.entries(scripts).filter(([, script]) => !script.includes("no test specified")));
}

/** A Worker's name: lower case, digits and hyphens. */
function workerName(folder: string): string {
  const name = folder
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-+|-+$/g, "")
    .slice(0, 40);
  return name === "" ? "tasks" : name;
}
