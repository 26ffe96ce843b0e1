/** The command line of `npm run bench`. */
import { parseArgs } from "node:util";
import type { Sizes } from "./measures/measure.ts";

export const USAGE = `usage: npm run bench -- [--quick] [--only NAME ...] [--passes N] [--out FOLDER]
       npm run bench -- --profile [--out FOLDER]
       npm run bench -- --soak MINUTES [--out FOLDER]
  --quick          few tasks and one pass: a look, not a measurement
  --only NAME      a subject (lovage, celery, bullmq, bare, plain), a measure (submit, latency, sleeps, bulk, progress, flows) or a section
                   (counts, memory, delays, million); several may be named
  --passes N       how often everything is measured (5)
  --out FOLDER     where report.md and report.json go, and profiles (bench/out)
  --profile        CPU profiles of every isolate under load
  --soak MINUTES   half the top rate for so long, then twice the top rate for a minute`;

export const SECTIONS = ["counts", "memory", "delays", "million"] as const;
export type Section = (typeof SECTIONS)[number];

const WHOLE: Sizes = {
  passes: 5,
  warmUp: 100,
  submit: [
    { connections: 32, tasks: 2_000 },
    { connections: 1, tasks: 300 },
    { connections: 256, tasks: 1_000 },
  ],
  latency: 200,
  sleeps: { count: 40, ms: 1_000 },
  bulk: [
    { perRequest: 1_000, requests: 10 },
    { perRequest: 100, requests: 20 },
  ],
  progress: { listeners: [1, 100, 1_000], steps: 6, everyMs: 300 },
  chain: 100,
  chord: 1_000,
  million: { ended: 1_000_000, rounds: 5, submit: 500, bulkRequests: 3 },
  delays: { rounds: 5, submit: 300, latency: 20, bulkRequests: 3 },
};

const QUICK: Sizes = {
  ...WHOLE,
  passes: 1,
  submit: [
    { connections: 32, tasks: 500 },
    { connections: 1, tasks: 100 },
    { connections: 256, tasks: 500 },
  ],
  latency: 40,
  sleeps: { count: 40, ms: 200 },
  bulk: [
    { perRequest: 1_000, requests: 3 },
    { perRequest: 100, requests: 5 },
  ],
  chain: 20,
  chord: 200,
  million: { ended: 100_000, rounds: 1, submit: 300, bulkRequests: 1 },
  delays: { rounds: 1, submit: 100, latency: 5, bulkRequests: 1 },
};

export type Options = {
  sizes: Sizes;
  isQuick: boolean;
  /** What to measure, by name; empty: everything. */
  only: string[];
  out: string;
  mode: "report" | "profile" | "soak";
  soakMinutes: number;
};

/** Throws for invalid values. */
export function readOptions(args: string[], names: readonly string[]): Options {
  const { values } = parseArgs({
    args,
    options: {
      quick: { type: "boolean", default: false },
      only: { type: "string", multiple: true, default: [] },
      passes: { type: "string" },
      out: { type: "string", default: "bench/out" },
      profile: { type: "boolean", default: false },
      soak: { type: "string" },
    },
  });
  const unknown = values.only.find((name) => !names.includes(name));
  if (unknown !== undefined) throw new Error(`--only takes ${names.join(", ")}, not ${unknown}`);
  const sizes = values.quick ? QUICK : WHOLE;
  const passes = positive("passes", values.passes ?? String(sizes.passes));
  return {
    sizes: { ...sizes, passes: Math.round(passes) },
    isQuick: values.quick,
    only: values.only,
    out: values.out,
    mode: values.profile ? "profile" : values.soak === undefined ? "report" : "soak",
    soakMinutes: values.soak === undefined ? 0 : positive("soak", values.soak),
  };
}

function positive(option: string, text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new Error(`--${option} is a number above 0, not ${text}`);
  return value;
}
