/**
 * Checks the imports of `src`, of `bench` and of `command` against the table of what each folder ("room") may import. Part of `npm run check`.
 *
 *   node scripts/architecture.ts [FOLDER ...]
 */
import { existsSync, globSync, readFileSync } from "node:fs";
import { basename, dirname, join, normalize, relative, sep } from "node:path";
import { parseSync } from "oxc-parser";

type Room = {
  /** The only other rooms, or files beside them, that its files may import. */
  rooms: string[];
  /** The packages that it may import; absent: any. */
  packages?: string[];
};

/** The folders of `src`. Files beside the folders combine them and may import anything. */
const ROOMS: { [room: string]: Room } = {
  core: { rooms: [], packages: ["zod", "croner"] },
  contract: { rooms: ["core"], packages: ["zod"] },
  results: { rooms: ["core", "contract"] },
  broker: { rooms: ["core", "contract"] },
  progress: { rooms: ["core", "contract"] },
  // Guards requests to the outside, for tasks and for webhooks.
  outbound: { rooms: ["core", "contract"] },
  engine: { rooms: ["core", "contract", "results", "broker", "progress", "outbound"] },
  clock: { rooms: ["core", "contract", "results", "broker", "progress", "engine"] },
  worker: { rooms: ["core", "contract", "results", "broker", "progress", "outbound", "engine"] },
  web: { rooms: ["core", "contract", "results", "broker", "progress", "outbound", "engine"] },
  // What a user's own project contains.
  app: { rooms: ["core", "contract", "outbound", "lovage.ts"] },
  client: { rooms: ["contract"], packages: ["eventsource-parser"] },
  react: { rooms: ["contract", "client"], packages: ["react"] },
  testing: { rooms: ["core"], packages: [] },
  pages: {
    // Of `core` what is the same on the page and in the service, such as when a schedule ticks.
    rooms: ["core", "contract", "client"],
    packages: ["swagger-ui-dist", "preact", "@preact/signals", "cronstrue", "diff"],
  },
};

/** The folders of `bench`. `report` imports no other, so that it can be tested without a measure. */
const BENCH_ROOMS: { [room: string]: Room } = {
  report: { rooms: [], packages: [] },
  load: { rooms: [] },
  subjects: { rooms: ["load"] },
  measures: { rooms: ["load", "report", "subjects"] },
  // Sections measure the service alone, and also read its database and configuration.
  sections: { rooms: ["load", "report", "subjects", "measures", "passes.ts", "inspector.ts", ".."] },
  // Questions are asked of the real page, in the browser of the tests.
  questions: { rooms: ["load", "subjects", ".."] },
  runtime: { rooms: [], packages: ["hono", "built-worker", "node:async_hooks"] },
};

/** The folders of `command`: none imports the scripts, which are not in the package. */
const COMMAND_FILES = ["failure.ts", "package.ts", "paint.ts", "project.ts", "verb.ts"];
const COMMAND_ROOMS: { [room: string]: Room } = {
  init: { rooms: COMMAND_FILES },
  dev: { rooms: [...COMMAND_FILES, ".."] },
  deploy: { rooms: [...COMMAND_FILES, "dev", ".."] },
  service: { rooms: [...COMMAND_FILES, ".."] },
  doctor: { rooms: [...COMMAND_FILES, "init", "service"] },
};

const SQL = /["'`]\s*(SELECT|INSERT INTO|UPDATE|DELETE FROM|WITH)\s/;

/** The most lines of a file: a longer one is hard to read as a whole. */
const MAX_LINES = 300;

/** Only one file may send bells or wake the clock after a change; the others call it. */
const ANNOUNCED = /\b(ringBells|pokeClock)\b/;
const ANNOUNCES = "engine/announce.ts";

type Import = { from: string; to: string };

const tables: { [folder: string]: typeof ROOMS } = { bench: BENCH_ROOMS, command: COMMAND_ROOMS };

/** The files that may contain SQL: those of `results`, of the objects that have their own database, and those that apply migrations. */
const speakers: { [folder: string]: RegExp } = { bench: /^(runtime|sections|questions)\//, command: /^(deploy|dev)\// };

/** The faults of the folder by its table, a sentence each. A folder without a table is checked by that of `src`. */
export function faultsIn(folder: string): string[] {
  const root = normalize(folder);
  const rooms = tables[basename(root)] ?? ROOMS;
  const speaksSql = speakers[basename(root)] ?? /^(results|progress)\//;
  const files = filesLike("**/*.{ts,tsx}", root);
  const faults: string[] = [];
  const imports: Import[] = [];
  for (const file of files) {
    const text = readFileSync(join(root, file), "utf8");
    if (file.includes("/") && !(roomOf(file) in rooms)) faults.push(`${file}: the table has no room ${roomOf(file)}`);
    if (SQL.test(text) && !speaksSql.test(file)) faults.push(`${file} speaks SQL; statements belong in results`);
    const [verb] = ANNOUNCED.exec(text) ?? [];
    if (verb !== undefined && file.startsWith("engine/") && file !== ANNOUNCES) {
      faults.push(`${file} calls ${verb}: hand what has changed to ${ANNOUNCES}`);
    }
    for (const source of sourcesOf(file, text)) {
      const to = source.startsWith(".") ? placeOf(root, file, source) : null;
      if (to !== null) imports.push({ from: file, to });
      faults.push(...faultsOf({ root, rooms, file, source, to }));
    }
  }
  for (const file of [...files, ...filesLike("**/*.css", root)]) {
    const lines = readFileSync(join(root, file), "utf8").split("\n").length - 1;
    if (lines > MAX_LINES) faults.push(`${file} has ${lines} lines; split it: at most ${MAX_LINES}`);
  }
  return [...faults, ...circlesIn(files, imports).map((circle) => `circle: ${circle.join(" -> ")}`)];
}

function filesLike(pattern: string, root: string): string[] {
  const found = globSync(pattern, { cwd: root, exclude: ["**/node_modules/**"] });
  return found.map((file) => file.split(sep).join("/"));
}

/** The sources of a file's imports and re-exports, those of types too. */
function sourcesOf(file: string, text: string): string[] {
  const { module, errors } = parseSync(file, text);
  if (errors.length > 0) throw new Error(`${file}: ${errors[0]?.message}`);
  const again = module.staticExports.flatMap(({ entries }) => entries.map(({ moduleRequest }) => moduleRequest?.value));
  const named = [...module.staticImports.map(({ moduleRequest }) => moduleRequest.value), ...again];
  return [...new Set(named.filter((source) => source !== undefined))];
}

/** The file that an import names, from the root. */
function placeOf(root: string, file: string, source: string): string {
  return relative(root, join(root, dirname(file), source))
    .split(sep)
    .join("/");
}

type Checked = { root: string; rooms: typeof ROOMS; file: string; source: string; to: string | null };

function faultsOf({ root, rooms, file, source, to }: Checked): string[] {
  const room = roomOf(file);
  const rule = rooms[room];
  if (to === null) {
    if (!rule?.packages || rule.packages.some((name) => source === name || source.startsWith(`${name}/`))) return [];
    return [`${file} imports ${source}: ${room} may import only ${rule.packages.join(", ") || "no package"}`];
  }
  const missing = existsSync(join(root, to)) ? [] : [`${file} imports ${source}, which does not exist`];
  const other = roomOf(to);
  if (rule === undefined || other === room || rule.rooms.includes(other)) return missing;
  return [...missing, `${file} imports ${to}: ${room} may import only ${rule.rooms.join(", ") || "itself"}`];
}

/** The folder of a file; for a file beside the folders, the file itself. */
function roomOf(file: string): string {
  return file.replace(/\/.*/, "");
}

/** One cycle of imports for each group of files that import one another. */
function circlesIn(files: string[], imports: Import[]): string[][] {
  const next = Map.groupBy(imports, ({ from }) => from);
  const seen = new Map<string, "open" | "done">();
  const path: string[] = [];
  const found: string[][] = [];
  const visit = (file: string) => {
    seen.set(file, "open");
    path.push(file);
    for (const { to } of next.get(file) ?? []) {
      if (seen.get(to) === "open") found.push([...path.slice(path.indexOf(to)), to]);
      else if (!seen.has(to)) visit(to);
    }
    path.pop();
    seen.set(file, "done");
  };
  for (const file of files) if (!seen.has(file)) visit(file);
  return found;
}

if (import.meta.main) {
  const given = process.argv.slice(2);
  const faults = (given.length === 0 ? ["src"] : given).flatMap(faultsIn);
  for (const fault of faults) console.error(fault);
  if (faults.length > 0) {
    console.error(`${faults.length} faults; the table of arrows is in scripts/architecture.ts`);
    process.exitCode = 1;
  }
}
