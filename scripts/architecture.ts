/**
 * Checks the imports of `src`, of `bench` or of `command` against the table of what each folder ("room") may import. Part of `npm run check`.
 *
 *   node scripts/architecture.ts [FOLDER]
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
  testing: { rooms: ["core"], packages: [] },
  pages: {
    rooms: ["contract", "client"],
    packages: ["swagger-ui-dist", "preact", "@preact/signals", "cronstrue"],
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
  runtime: { rooms: [], packages: ["hono", "built-worker"] },
};

/** The folders of `command`: none imports the scripts, which are not in the package. */
const COMMAND_FILES = ["failure.ts", "package.ts", "project.ts", "verb.ts"];
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

const root = normalize(process.argv[2] ?? "src");
const tables: { [folder: string]: typeof ROOMS } = { bench: BENCH_ROOMS, command: COMMAND_ROOMS };
const rooms = tables[basename(root)] ?? ROOMS;

/** The files that may contain SQL: `results`, the objects that have their own database, and what applies migrations. */
const speakers: { [folder: string]: RegExp } = { bench: /^(runtime|sections)\//, command: /^(deploy|dev)\// };
const speaksSql = speakers[basename(root)] ?? /^(results|progress)\//;

const files = globSync("**/*.{ts,tsx}", { cwd: root, exclude: ["**/node_modules/**"] }).map((file) =>
  file.split(sep).join("/"),
);
const faults: string[] = [];
const imports: Import[] = [];

for (const file of files) {
  const text = readFileSync(join(root, file), "utf8");
  if (file.includes("/") && !(roomOf(file) in rooms)) faults.push(`${file}: the table has no room ${roomOf(file)}`);
  const lines = text.split("\n").length - 1;
  if (lines > MAX_LINES) faults.push(`${file} has ${lines} lines; split it: at most ${MAX_LINES}`);
  if (SQL.test(text) && !speaksSql.test(file)) faults.push(`${file} speaks SQL; statements belong in results`);
  const [verb] = ANNOUNCED.exec(text) ?? [];
  if (verb !== undefined && file.startsWith("engine/") && file !== ANNOUNCES) {
    faults.push(`${file} calls ${verb}: hand what has changed to ${ANNOUNCES}`);
  }
  for (const source of sourcesOf(file, text)) check(file, source);
}
for (const circle of circles()) faults.push(`circle: ${circle.join(" -> ")}`);

for (const fault of faults) console.error(fault);
if (faults.length > 0) {
  console.error(`${faults.length} faults; the table of arrows is in scripts/architecture.ts`);
  process.exitCode = 1;
}

/** The sources of a file's imports and re-exports, those of types too. */
function sourcesOf(file: string, text: string): string[] {
  const { module, errors } = parseSync(file, text);
  if (errors.length > 0) throw new Error(`${file}: ${errors[0]?.message}`);
  const again = module.staticExports.flatMap(({ entries }) => entries.map(({ moduleRequest }) => moduleRequest?.value));
  const named = [...module.staticImports.map(({ moduleRequest }) => moduleRequest.value), ...again];
  return [...new Set(named.filter((source) => source !== undefined))];
}

function check(file: string, source: string): void {
  const room = roomOf(file);
  const rule = rooms[room];
  if (!source.startsWith(".")) {
    if (rule?.packages && !rule.packages.some((name) => source === name || source.startsWith(`${name}/`))) {
      faults.push(`${file} imports ${source}: ${room} may import only ${rule.packages.join(", ") || "no package"}`);
    }
    return;
  }
  const to = relative(root, join(root, dirname(file), source))
    .split(sep)
    .join("/");
  if (!existsSync(join(root, to))) faults.push(`${file} imports ${source}, which does not exist`);
  imports.push({ from: file, to });
  const other = roomOf(to);
  if (rule === undefined || other === room || rule.rooms.includes(other)) return;
  faults.push(`${file} imports ${to}: ${room} may import only ${rule.rooms.join(", ") || "itself"}`);
}

/** The folder of a file; for a file beside the folders, the file itself. */
function roomOf(file: string): string {
  return file.replace(/\/.*/, "");
}

/** One cycle of imports for each group of files that import one another. */
function circles(): string[][] {
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
