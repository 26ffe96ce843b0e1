/** Checks one by one what a project needs to run. Nothing is changed. */

import { existsSync, globSync, readFileSync } from "node:fs";
import { createServer } from "node:net";
import { basename, join, resolve } from "node:path";
import { sentenceOf } from "../failure.ts";
import { missingIn } from "../init/additions.ts";
import { readConfig } from "../init/plan.ts";
import { PAGES, wantedConfig, type RawConfig } from "../init/wanted.ts";
import { findProject, loadProject, loadTools, type Project } from "../project.ts";
import { localKey } from "../service/connect.ts";

export interface Finding {
  what: string;
  /** What is wrong and how to mend it; null where all is well. */
  fault: string | null;
  /** What was found. */
  told: string;
}

/** The first Node that wrangler runs on. */
const NODE = 22;

/** The fewest characters that a key may have. */
const KEY_LENGTH = 32;

/** Every finding, in the order in which the faults are best mended. `port`: where the service would listen. */
export async function examine(folder: string, port: number): Promise<Finding[]> {
  const found = [ofNode(process.versions.node)];
  let project: Project;
  let config: RawConfig;
  try {
    project = findProject(folder);
    config = readConfig(project.configPath);
  } catch (error) {
    return [...found, { what: "configuration", fault: sentenceOf(error), told: "" }];
  }
  const { root, configPath } = project;
  found.push({ what: "configuration", fault: null, told: basename(configPath) });
  found.push(ofBindings(config), ofModule(root, config), await ofLoading(project), ofPages(root, config));
  found.push(ofKey(localKey(root)), await ofPort(port));
  return found;
}

export function ofNode(version: string): Finding {
  const isOld = Number(version.split(".")[0]) < NODE;
  return { what: "Node", fault: isOld ? `${version} is too old: install Node ${NODE} or later` : null, told: version };
}

/** The bindings of this release that the configuration lacks. */
export function ofBindings(config: RawConfig): Finding {
  const { additions } = missingIn(config, wantedConfig(config.name ?? "tasks"));
  const missing = additions.map(({ path, value }) => {
    const { binding, name, queue } = Object(value) as Record<string, string | undefined>;
    return [path.join("."), binding ?? name ?? queue ?? (typeof value === "string" ? value : "")].join(" ").trim();
  });
  const fault = missing.length === 0 ? null : `missing: ${missing.join(", ")}. \`npx lovage init\` adds them`;
  return { what: "bindings", fault, told: "all that this release needs" };
}

function ofModule(root: string, { main = "" }: RawConfig): Finding {
  const path = resolve(root, main);
  if (main === "" || !existsSync(path)) return { what: "module", fault: `${main || "main"} is not there`, told: "" };
  const text = readFileSync(path, "utf8");
  const classes = ["AttemptObject", "Clock", "ProgressObject", "RateObject"].filter((name) => !text.includes(name));
  const isComplete = text.includes("createLovage") && classes.length === 0;
  const fault = isComplete
    ? null
    : `${main} does not export createLovage(…) and ${classes.join(", ") || "the classes"}: \`npx lovage init\` adds them`;
  return { what: "module", fault, told: main };
}

async function ofLoading(project: Project): Promise<Finding> {
  try {
    const { migrations } = loadProject(project, await loadTools(project));
    return { what: "migrations", fault: null, told: `${migrations.length}, applied by lovage dev and lovage deploy` };
  } catch (error) {
    return { what: "migrations", fault: sentenceOf(error), told: "" };
  }
}

function ofPages(root: string, { assets }: RawConfig): Finding {
  const folder = assets?.directory ?? "";
  if (!folder.includes("lovage/dist/pages")) {
    return { what: "pages", fault: null, told: "not served: the Worker has no assets, or its own" };
  }
  const pages = globSync("*.html", { cwd: join(root, folder) });
  const fault = pages.length === 0 ? `${folder} has no pages: run npm install (they are in ${PAGES})` : null;
  return { what: "pages", fault, told: pages.join(", ") };
}

function ofKey(key: string | undefined): Finding {
  if (key === undefined) return { what: "key", fault: null, told: "none in .dev.vars yet: lovage dev makes one" };
  const fault =
    key.length < KEY_LENGTH
      ? `API_KEY in .dev.vars has ${key.length} characters: ${KEY_LENGTH} are needed. Remove its line, and lovage dev makes one`
      : null;
  return { what: "key", fault, told: "in .dev.vars" };
}

async function ofPort(port: number): Promise<Finding> {
  const url = `http://127.0.0.1:${port}`;
  const health = await fetch(`${url}/health`, { signal: AbortSignal.timeout(5_000) }).catch(() => null);
  if (health?.ok) return { what: "service", fault: null, told: `healthy on ${url}` };
  if (health !== null)
    return {
      what: "service",
      fault: `${url}/health answers ${health.status}: the service there is unhealthy, or it is not Lovage`,
      told: "",
    };
  const isFree = await new Promise<boolean>((done) => {
    const server = createServer().once("error", () => done(false));
    server.listen(port, "127.0.0.1", () => server.close(() => done(true)));
  });
  const fault = isFree
    ? null
    : `the port ${port} is taken by a program that answers no request: stop it, or choose another by PORT`;
  return { what: "port", fault, told: `${port} is free` };
}
