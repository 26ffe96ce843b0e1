/** Figures over time: a point for each minute, hour or day. Pure. */

import { newPerformance, performances, sumOf, type Counts, type Kind, type Performance } from "./counts.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

/** What a series spans: how many points, and how far apart they are in ms. */
export const SERIES_SPANS = {
  "1h": { points: 60, stepMs: MINUTE_MS },
  "24h": { points: 1_440, stepMs: MINUTE_MS },
  "30d": { points: 720, stepMs: HOUR_MS },
  "365d": { points: 365, stepMs: DAY_MS },
} as const;

export type SeriesSpan = keyof typeof SERIES_SPANS;

/** Groups that a series shows separately: the largest. All others are shown as one. */
export const MAX_SERIES_GROUPS = 10;

/** The beginnings of the span's points, in ms since the epoch; `now` lies in the last point. */
export function beginsOf(span: SeriesSpan, now: number): number[] {
  const { points, stepMs } = SERIES_SPANS[span];
  const last = Math.floor(now / stepMs) * stepMs;
  return Array.from({ length: points }, (_, i) => last - (points - 1 - i) * stepMs);
}

/** What was counted in a time that begins at `at`, ms since the epoch. */
export interface Counted {
  at: number;
  counts: Counts;
  causes: Counts;
}

/** The figures of one point, or of one group in it. */
export interface Figures extends Performance {
  /** Attempts that went wrong, by the type of their error. */
  errors: Counts;
  /** How often tasks had to wait, by the cause. */
  waits: Counts;
}

export interface SeriesPoint extends Figures {
  at: number;
  /** By name; {@link OTHERS} are those that are not among the largest. Empty for a series without groups. */
  groups: Map<string, Figures>;
}

/** No task's and no lane's name is empty. */
export const OTHERS = "";

/**
 * The points that begin at `begins`, each with what was counted in it. `by`: the groups are tasks or lanes; `names`: those that
 * are shown separately.
 */
export function pointsOf(
  counted: readonly Counted[],
  begins: readonly number[],
  stepMs: number,
  by: keyof Kind | null,
  names: readonly string[],
): SeriesPoint[] {
  const kept = new Set(names);
  const nameOf = (kind: Kind) => (kept.has(kind[by!]) ? kind[by!] : OTHERS);
  const byPoint = Map.groupBy(counted, ({ at }) => Math.floor(at / stepMs) * stepMs);
  return begins.map((at) => {
    const own = byPoint.get(at) ?? [];
    const counts = sumOf(own.map((each) => each.counts));
    const causes = sumOf(own.map((each) => each.causes));
    const whole = figures(counts, causes, () => OTHERS).get(OTHERS) ?? noFigures();
    return { at, ...whole, groups: by === null ? new Map<string, Figures>() : figures(counts, causes, nameOf) };
  });
}

function figures(counts: Counts, causes: Counts, nameOf: (kind: Kind) => string): Map<string, Figures> {
  const all = new Map<string, Figures>();
  for (const [name, performance] of performances(counts, nameOf)) all.set(name, { ...noFigures(), ...performance });
  for (const [key, count] of Object.entries(causes)) {
    const { kind, what } = readCause(key);
    const name = nameOf(kind);
    const own = all.get(name) ?? noFigures();
    all.set(name, own);
    const place = what.startsWith(ERROR) ? own.errors : own.waits;
    const cause = what.slice(what.indexOf(":") + 1);
    place[cause] = (place[cause] ?? 0) + count;
  }
  return all;
}

function noFigures(): Figures {
  // No prototype: an error's type may be a name that every object has, such as `constructor`.
  const none = () => Object.create(null) as Counts;
  return { ...newPerformance(), errors: none(), waits: none() };
}

/** How much was counted of each task or lane, by its name. */
export type Sizes = Map<string, number>;

/** Adds what was counted of each task or lane. */
export function addSizes(sizes: Sizes, counted: readonly Counted[], by: keyof Kind): void {
  for (const { counts, causes } of counted) {
    for (const [key, count] of [...Object.entries(counts), ...Object.entries(causes)]) {
      // Sums of times are no counts.
      if (key.endsWith(":sum")) continue;
      const name = readCause(key).kind[by];
      sizes.set(name, (sizes.get(name) ?? 0) + count);
    }
  }
}

/** The names of the groups that a series shows separately, the largest first. */
export function largest(sizes: Sizes): string[] {
  const order = [...sizes].toSorted(([a, m], [b, n]) => n - m || (a < b ? -1 : 1));
  return order.slice(0, MAX_SERIES_GROUPS).map(([name]) => name);
}

const ERROR = "error:";

/** What a task had to wait for, beyond what its submission asked for. */
export const WAIT_CAUSES = [
  "lane",
  "concurrency",
  "rate",
  "circuit",
  "batch",
  "retry",
  "snooze",
  "sleep",
  "signal",
  "tasks",
  "several",
] as const;

export type WaitCause = (typeof WAIT_CAUSES)[number];

/** Counts a wait. */
export function countWait(causes: Counts, kind: Kind, cause: WaitCause): void {
  add(causes, `${kind.task} ${kind.lane} wait:${cause}`);
}

/** The most different causes that are counted in one span; the errors beyond them are counted as `other`. */
const MAX_CAUSES = 50;

/** Counts an attempt that went wrong with an error of this type: a class's name may be anything. */
export function countError(causes: Counts, kind: Kind, type: string): void {
  const name = type.replaceAll(/[^\w.$-]+/g, "_").slice(0, 60) || "Error";
  const key = `${kind.task} ${kind.lane} ${ERROR}${name}`;
  const isKnown = causes[key] !== undefined || Object.keys(causes).length < MAX_CAUSES;
  add(causes, isKnown ? key : `${kind.task} ${kind.lane} ${ERROR}other`);
}

function add(causes: Counts, key: string): void {
  causes[key] = (causes[key] ?? 0) + 1;
}

/** What happened to the whole service: new code runs it, or a lane was held back or opened. */
export const MARK_KINDS = ["deploy", "pause", "drain", "resume"] as const;

/** `at`: when its minute, hour or day begins, ms since the epoch. */
export interface Mark {
  at: number;
  kind: (typeof MARK_KINDS)[number];
  /** Null for a deploy. */
  lane: string | null;
  /** The id of the Worker's version for a deploy; else null. */
  version: string | null;
}

const MARK = "mark:";

/** The key under which a mark is counted, among the causes of a span of the deployment's own. */
export function markKey({ kind, lane, version }: Omit<Mark, "at">): string {
  return `- ${lane ?? "-"} ${MARK}${kind}${version === null ? "" : `:${version}`}`;
}

/** The marks that were counted, in their order. */
export function marksOf(counted: readonly Counted[]): Mark[] {
  const marks = counted.flatMap(({ at, causes }) =>
    Object.keys(causes).flatMap((key): Mark[] => {
      const {
        kind: { lane },
        what,
      } = readCause(key);
      const [name, version = null] = what.slice(MARK.length).split(":");
      const kind = MARK_KINDS.find((each) => each === name);
      if (!what.startsWith(MARK) || kind === undefined) return [];
      return [{ at, kind, lane: lane === "-" ? null : lane, version }];
    }),
  );
  return marks.toSorted((a, b) => a.at - b.at);
}

function readCause(key: string): { kind: Kind; what: string } {
  const [task = "", lane = "", what = ""] = key.split(" ");
  return { kind: { task, lane }, what };
}
