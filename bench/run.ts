/** `npm run bench`: measures the service beside the runtime's floor and beside its peers, on loopback, and writes a report. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { cpus, totalmem } from "node:os";
import { join } from "node:path";
import { build } from "../scripts/build.ts";
import { readOptions, SECTIONS, USAGE, type Options } from "./options.ts";
import { MEASURES, runPasses, type Result } from "./passes.ts";
import { profile } from "./profile.ts";
import { markdownOf, type Report } from "./report/markdown.ts";
import { compare } from "./report/ratios.ts";
import { countCosts } from "./sections/counts.ts";
import { measureDelays } from "./sections/delays.ts";
import { measureMemory } from "./sections/memory.ts";
import { measureMillion } from "./sections/million.ts";
import { soak } from "./soak.ts";
import { bare, plain } from "./subjects/floor.ts";
import { lovage } from "./subjects/lovage.ts";
import { bullmq, celery } from "./subjects/peers.ts";
import type { Subject } from "./subjects/service.ts";

const SUBJECTS = [lovage, celery, bullmq, bare, plain];

const tell = (line: string) => void process.stderr.write(`${line}\n`);

/** The names that `--only` contains; all of them where it contains none. */
const chosen = (only: readonly string[], names: readonly string[]) => {
  const named = names.filter((name) => only.includes(name));
  return named.length > 0 ? named : names;
};

async function report(options: Options): Promise<void> {
  const { sizes, only, isQuick } = options;
  const began = performance.now();
  await build();
  const names = SUBJECTS.map(({ name }) => name);
  const subjects: Subject[] = [];
  const leftOut: Report["leftOut"] = [];
  const isPassWanted = only.length === 0 || only.some((name) => names.includes(name) || name in MEASURES);
  const measures = chosen(only, Object.keys(MEASURES));
  const isWanted = ({ name, measures: own }: Subject) =>
    chosen(only, names).includes(name) && own.some((measure) => measures.includes(measure));
  for (const subject of SUBJECTS.filter((each) => isPassWanted && isWanted(each))) {
    const reason = await subject.prepare();
    if (reason === null) subjects.push(subject);
    else leftOut.push({ title: subject.title, reason });
  }
  for (const { title, reason } of leftOut) tell(`${title} is left out: ${reason}`);

  const result = await runPasses(subjects, measures, sizes, tell);
  await runSections(options, result);

  const [cpu] = cpus();
  const found: Report = {
    date: new Date().toISOString().slice(0, 10),
    machine: `${cpus().length} × ${cpu?.model.trim()}, ${Math.round(totalmem() / 2 ** 30)} GB, Node ${process.versions.node}, workerd ${versionOf("workerd")}`,
    passes: sizes.passes,
    isQuick,
    minutes: (performance.now() - began) / 60_000,
    subjects: subjects.map((subject) => ({
      name: subject.name,
      title: subject.title,
      about: subject.about,
      versions: subject.versions(),
    })),
    leftOut,
    ratios: compare(result.rows),
    ...result,
  };
  write(options.out, "report.json", `${JSON.stringify(found, null, 2)}\n`);
  const text = markdownOf(found);
  write(options.out, "report.md", text);
  process.stdout.write(text);
}

/** Runs the sections that measure the service alone, each on its own servers. A quick look runs only those that are named. */
async function runSections({ only, sizes, isQuick }: Options, result: Result): Promise<void> {
  const named = SECTIONS.filter((section) => only.includes(section));
  const everything = isQuick ? (["counts"] as const) : SECTIONS;
  for (const section of only.length === 0 ? everything : named) {
    const began = performance.now();
    try {
      result.rows.push(...(await sectionOf(section)(sizes)));
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      result.failures.push({ subject: "lovage", measure: section, pass: 1, reason });
      tell(`${section} gave nothing: ${reason}`);
    }
    tell(`${section} in ${((performance.now() - began) / 1_000).toFixed(0)} s`);
  }
}

function sectionOf(section: (typeof SECTIONS)[number]) {
  switch (section) {
    case "counts":
      return countCosts;
    case "memory":
      return measureMemory;
    case "delays":
      return measureDelays;
    case "million":
      return measureMillion;
  }
}

function versionOf(name: string): string {
  const path = join(import.meta.dirname, "../node_modules", name, "package.json");
  return (JSON.parse(readFileSync(path, "utf8")) as { version: string }).version;
}

function write(folder: string, name: string, text: string): void {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, name), text);
}

const NAMES = [...SUBJECTS.map(({ name }) => name), ...Object.keys(MEASURES), ...SECTIONS];

let options: Options;
try {
  options = readOptions(process.argv.slice(2), NAMES);
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n${USAGE}\n`);
  process.exit(2);
}
switch (options.mode) {
  case "report":
    await report(options);
    break;
  case "profile": {
    await build();
    const text = await profile(options.sizes, options.out);
    write(options.out, "profile.txt", text);
    process.stdout.write(text);
    break;
  }
  case "soak": {
    await build();
    const { text, isGood } = await soak(options.soakMinutes, options.sizes, tell);
    write(options.out, "soak.md", text);
    process.stdout.write(text);
    if (!isGood) process.exitCode = 1;
  }
}
