/** The report as Markdown: first the comparisons, then every figure. */
import { spread, type Failure, type Row } from "./figures.ts";
import { AIMS, type Aim, type Compared } from "./ratios.ts";

export type Report = {
  /** When and where the run was, with which versions. */
  date: string;
  machine: string;
  passes: number;
  isQuick: boolean;
  minutes: number;
  subjects: { name: string; title: string; about: string; versions: string[] }[];
  /** Subjects that could not run here, and why. */
  leftOut: { title: string; reason: string }[];
  ratios: Compared[];
  rows: Row[];
  failures: Failure[];
};

/** The headings of the figures, in the order of the columns. */
const FIGURES: { [figure: string]: string } = {
  tasks: "tasks",
  listeners: "listeners",
  tasksPerS: "tasks/s",
  endToEndPerS: "end to end/s",
  totalS: "to the last end, s",
  totalMs: "to the end, ms",
  heard: "part heard",
  p50Ms: "p50 ms",
  p95Ms: "p95 ms",
  p99Ms: "p99 ms",
  cpuMsPerTask: "CPU ms per task",
  cpuMsPerEvent: "CPU ms per event heard",
  idlePssMb: "idle PSS MB",
  peakPssMb: "peak PSS MB",
  largestHeapMb: "largest heap MB",
  isolates: "isolates",
  statements: "D1 statements",
  roundTrips: "round trips",
  rowsRead: "rows read",
  rowsWritten: "rows written",
  messages: "messages",
  objectRequests: "object requests",
  otherCpuS: "CPU s of others",
};

/** The measures, in the order of the report; `-` stands for what follows a measure's name, such as the number of connections. */
const TITLES: [prefix: string, title: string][] = [
  ["submit-", "Submit one by one, and to the end"],
  ["bulk-", "Batches"],
  ["latency-", "One task at a time"],
  ["sleeps", "Sleeps"],
  ["chain", "Chain"],
  ["chord", "Chord"],
  ["progress-", "Progress, how late after the event"],
  ["memory", "Memory"],
  ["in-flight", "Memory with tasks in flight"],
];

/** Names of the service in the sections that measure it alone. */
const ALONE: { [subject: string]: string } = {
  delays: "Lovage, serial D1 with delays",
  million: "Lovage, many ended tasks",
  empty: "Lovage beside it, empty",
  memory: "Lovage",
};

export function markdownOf(report: Report): string {
  const { date, machine, passes, isQuick, minutes, rows } = report;
  const what = isQuick ? "A quick look, not a measurement" : `Medians of ${passes} interleaved passes`;
  const parts = [
    "# Speed and costs",
    `${date}, ${machine}, ${minutes.toFixed(0)} minutes. ${what}; in parentheses the least and the most.`,
    ...(report.leftOut.length === 0 ? [] : [report.leftOut.map(leftOutLine).join("\n")]),
    ratioSection(report.ratios),
    aimSection(rows),
    ...TITLES.map(([prefix, title]) => measureSection(report, prefix, title)),
    countSection(rows),
    failureSection(report.failures),
    aboutSection(report),
  ];
  return `${parts.filter((part) => part !== "").join("\n\n")}\n`;
}

const leftOutLine = ({ title, reason }: Report["leftOut"][number]) => `- ${title} is left out: ${reason}.`;

function ratioSection(ratios: readonly Compared[]): string {
  if (ratios.length === 0) return "";
  const lines = ratios.map(({ what, ratio, least, most, ...aim }) => [
    what,
    `**${number(ratio)}** ${range(least, most)}`,
    ...aimCells(aim, ratio),
  ]);
  return `## Ratios\n\n${table(["Lovage", "ratio", "aim", ""], lines)}`;
}

function aimSection(rows: readonly Row[]): string {
  const lines = AIMS.flatMap((aim) => {
    const found = spread(rows, aim.place);
    if (found === null) return [];
    const value = `**${number(found.median)}**${aim.unit === "" ? "" : ` ${aim.unit}`}`;
    return [[aim.what, `${value} ${range(found.least, found.most)}`, ...aimCells(aim, found.median)]];
  });
  return lines.length === 0 ? "" : `## Single figures\n\n${table(["Lovage", "", "aim", ""], lines)}`;
}

function aimCells({ atLeast, atMost }: Pick<Aim, "atLeast" | "atMost">, value: number): [string, string] {
  if (atLeast !== undefined) return [`≥ ${number(atLeast)}`, value >= atLeast ? "met" : "missed"];
  if (atMost !== undefined) return [`≤ ${number(atMost)}`, value <= atMost ? "met" : "missed"];
  return ["", ""];
}

/** A line for each subject and size, a column for each figure that any of them has. */
function measureSection({ rows, subjects }: Report, prefix: string, title: string): string {
  const isOf = (measure: string) => (prefix.endsWith("-") ? measure.startsWith(prefix) : measure === prefix);
  const found = rows.filter(({ measure, subject }) => isOf(measure) && subject !== "counts");
  if (found.length === 0) return "";
  const columns = columnsOf(found);
  const measures = [...new Set(found.map(({ measure }) => measure))];
  const names = [...new Set(found.map(({ subject }) => subject))];
  const lines = measures.flatMap((measure) =>
    names.flatMap((subject) => {
      const cells = columns.map(([figure]) => spread(found, { subject, measure, figure }));
      if (cells.every((cell) => cell === null)) return [];
      const called = subjects.find(({ name }) => name === subject)?.title ?? ALONE[subject] ?? subject;
      const size = prefix.endsWith("-") ? [measure.slice(prefix.length)] : [];
      return [[called, ...size, ...cells.map((cell) => (cell === null ? "" : spreadCell(cell)))]];
    }),
  );
  const head = ["", ...(prefix.endsWith("-") ? [""] : []), ...columns.map(([, heading]) => heading)];
  return `## ${title}\n\n${table(head, lines)}`;
}

/** What a task costs in the platform's own units, and what the clock costs by time. */
function countSection(rows: readonly Row[]): string {
  const counts = rows.filter(({ subject }) => subject === "counts");
  if (counts.length === 0) return "";
  const columns = columnsOf(counts);
  const head = ["per task", ...columns.map(([, heading]) => heading)];
  const line = ({ measure, figures: own }: Row) => [measure, ...columns.map(([figure]) => cellOf(own[figure]))];
  return `## What a task costs\n\n${table(head, counts.map(line))}`;
}

function failureSection(failures: readonly Failure[]): string {
  if (failures.length === 0) return "";
  const line = ({ subject, measure, pass, reason }: Failure) => `- pass ${pass}, ${subject}, ${measure}: ${reason}`;
  return `## Gave nothing\n\n${failures.map(line).join("\n")}`;
}

function aboutSection({ subjects }: Report): string {
  if (subjects.length === 0) return "";
  const line = ({ title, about, versions }: Report["subjects"][number]) =>
    `- **${title}**: ${about}${versions.length === 0 ? "" : ` (${versions.join(", ")})`}.`;
  return `## What ran\n\n${subjects.map(line).join("\n")}`;
}

/** The figures that any of the rows has, each with its heading. */
const columnsOf = (rows: readonly Row[]) =>
  Object.entries(FIGURES).filter(([figure]) => rows.some((row) => row.figures[figure] !== undefined));

const cellOf = (value: number | undefined) => (value === undefined ? "" : number(value));

function spreadCell({ median, least, most, passes }: { median: number; least: number; most: number; passes: number }) {
  return passes === 1 || least === most ? number(median) : `${number(median)} ${range(least, most)}`;
}

const range = (least: number, most: number) => (least === most ? "" : `(${number(least)}–${number(most)})`);

/** Three significant digits; whole numbers in full. */
export function number(value: number): string {
  if (Number.isInteger(value) || Math.abs(value) >= 1_000) return Math.round(value).toLocaleString("en");
  return value.toLocaleString("en", { maximumSignificantDigits: 3 });
}

function table(head: string[], lines: string[][]): string {
  const row = (cells: string[]) => `| ${cells.map((cell) => cell.trim()).join(" | ")} |`;
  return [row(head), row(head.map((_, i) => (i === 0 ? "---" : "--:"))), ...lines.map(row)].join("\n");
}
