/** A project that runs on Lovage: its configuration, and the tools that it has installed. */

import { existsSync, globSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, join, relative, resolve } from "node:path";
import type * as Esbuild from "esbuild";
import type * as MiniflareModule from "miniflare";
import type { Unstable_Config } from "wrangler";
import type * as Wrangler from "wrangler";
import { Failure } from "./failure.ts";
import { testedVersion } from "./package.ts";

const CONFIGS = ["wrangler.jsonc", "wrangler.json", "wrangler.toml"];

/** The tools of one installation of wrangler: what runs here is what deploys. */
export interface Tools {
  wrangler: typeof Wrangler;
  miniflare: typeof MiniflareModule;
  esbuild: typeof Esbuild;
}

export interface Project {
  root: string;
  /** Path of the configuration. */
  configPath: string;
}

export interface Loaded {
  config: Unstable_Config;
  /** The configuration as Miniflare's options, with what `.dev.vars` says. */
  worker: ReturnType<typeof Wrangler.unstable_getMiniflareWorkerOptions>["workerOptions"];
  /** In their order, each as its statements. */
  migrations: { name: string; statements: string[] }[];
  /** Path of the module that the Worker begins with. */
  main: string;
}

/** The project in this folder. Throws a `Failure` where there is none. */
export function findProject(folder: string): Project {
  const root = resolve(folder);
  const configPath = CONFIGS.map((name) => join(root, name)).find((path) => existsSync(path));
  if (configPath === undefined) {
    throw new Failure(`${root} has no wrangler.toml or wrangler.jsonc: \`npx lovage init\` makes a project here`);
  }
  return { root, configPath };
}

export async function loadTools({ root }: Project): Promise<Tools> {
  // Wrangler's reader would announce each file that it reads.
  process.env["WRANGLER_LOG"] ??= "error";
  const fromProject = createRequire(join(root, "package.json"));
  let path: string;
  try {
    path = fromProject.resolve("wrangler");
  } catch {
    throw new Failure(`wrangler is not installed in ${root}: run \`npm install --save-dev wrangler\``);
  }
  const fromWrangler = createRequire(path);
  const tools: Tools = {
    wrangler: fromProject("wrangler") as typeof Wrangler,
    miniflare: fromWrangler("miniflare") as typeof MiniflareModule,
    esbuild: fromWrangler("esbuild") as typeof Esbuild,
  };
  const { unstable_getMiniflareWorkerOptions: options, unstable_splitSqlQuery: split } = tools.wrangler;
  const needed: unknown[] = [options, split, tools.miniflare.convertV4MiniflareOptions];
  if (needed.some((each) => typeof each !== "function")) {
    const tested = `npm install --save-dev wrangler@${testedVersion("wrangler")}`;
    throw new Failure(`the wrangler in ${root} is not one that this release runs with: run \`${tested}\``);
  }
  return tools;
}

/** Reads the configuration and what it leads to. Throws a `Failure` that names what is missing in it. */
export function loadProject({ root, configPath }: Project, { wrangler }: Tools): Loaded {
  const file = relative(root, configPath);
  let config: Unstable_Config;
  try {
    config = wrangler.unstable_readConfig({ config: configPath }, { hideWarnings: true });
  } catch (error) {
    throw new Failure(`${file} cannot be read: ${firstLine(error)}`);
  }
  if (config.main === undefined) throw new Failure(`${file} names no module of the Worker: add main = "src/index.ts"`);
  const main = resolve(root, config.main);
  if (!existsSync(main)) throw new Failure(`${file} names ${relative(root, main)} as main, which is not there`);
  const database = databaseOf(config);
  if (database === undefined) {
    throw new Failure(`${file} has no D1 database with the binding DB or LOVAGE_DB: \`npx lovage init\` adds it`);
  }
  const { workerOptions: worker } = wrangler.unstable_getMiniflareWorkerOptions(config);
  const folder = resolve(root, database.migrations_dir ?? "migrations");
  const files = globSync(join(folder, "*.sql")).toSorted();
  if (files.length === 0) {
    throw new Failure(
      `there are no migrations in ${relative(root, folder) || "."}: is lovage installed (npm install)?`,
    );
  }
  const migrations = files.map((path) => ({
    name: basename(path),
    statements: wrangler.unstable_splitSqlQuery(readFileSync(path, "utf8")),
  }));
  return { config, worker, migrations, main };
}

/** Lovage's own database among those of the project. */
export function databaseOf(config: Pick<Unstable_Config, "d1_databases">) {
  const named = (name: string) => config.d1_databases.find(({ binding }) => binding === name);
  return named("LOVAGE_DB") ?? named("DB");
}

export function firstLine(error: unknown): string {
  return String(error instanceof Error ? error.message : error)
    .trim()
    .split("\n")[0];
}
