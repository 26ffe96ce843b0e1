/**
 * `npm run bench -- --soak MINUTES`: half the top rate for that long, to see whether memory, backlog and database stay flat; then twice the
 * top rate for a minute: refusals must follow the contract, and every accepted task must end.
 */
import { globSync, statSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { openLoop } from "./load/open-loop.ts";
import { processesBelow, pssMbOf } from "./load/usage.ts";
import { bodyOf, type Http } from "./load/http.ts";
import { submitAndDrain } from "./measures/submit.ts";
import type { Sizes } from "./measures/measure.ts";
import { warmUp } from "./passes.ts";
import { number } from "./report/markdown.ts";
import { median, slopePerHour } from "./report/statistics.ts";
import { authorized, startLovage } from "./subjects/lovage.ts";
import type { Running } from "./subjects/service.ts";

const CONNECTIONS = 256;
const TOP_CONNECTIONS = 32;
const TOP_ROUNDS = 3;
const MOST_OPEN = 2_000;
const SAMPLE_EVERY_MS = 5_000;
const OVERLOAD_MS = 60_000;
const END_WITHIN_MS = 600_000;

/** Tasks are purged during the soak, so the size of the database stays flat after `SETTLED_AFTER_MS`. */
const RETENTION = "30s";
const SETTLED_AFTER_MS = 120_000;

type Sample = { atMs: number; pssMb: number; backlog: number; databaseMb: number };

/** The answers at one rate. `wrong`: refusals that the contract does not allow, by their text. */
type Answers = { accepted: string[]; refused: { [status: string]: number }; wrong: { [answer: string]: number } };

export type Soak = {
  text: string;
  /** Whether all checks passed. */
  isGood: boolean;
};

export async function soak(minutes: number, sizes: Sizes, tell: (line: string) => void): Promise<Soak> {
  const persist = await mkdtemp(join(tmpdir(), "lovage-bench-soak-"));
  const running = await startLovage(CONNECTIONS, { persist });
  const http = authorized(running.url, CONNECTIONS);
  try {
    await warmUp(running, sizes.warmUp);
    const tops: number[] = [];
    for (let round = 0; round < TOP_ROUNDS; round++) {
      tops.push((await submitAndDrain(running, TOP_CONNECTIONS, sizes.submit[0].tasks)).figures["endToEndPerS"]);
    }
    const top = median(tops);
    tell(`top rate: ${number(top)} tasks/s, single posts to the end on ${TOP_CONNECTIONS} connections`);

    const half = await halfRate(running, http, persist, { perSecond: top / 2, forMs: minutes * 60_000 }, tell);
    const twice = await twiceRate(http, running, top * 2, tell);
    const text = ["# Soak", `Top rate: ${number(top)} tasks/s.`, half.text, twice.text].join("\n\n");
    return { text: `${text}\n`, isGood: half.isGood && twice.isGood };
  } finally {
    await http.close();
    await running.stop();
    await rm(persist, { recursive: true, force: true });
  }
}

async function halfRate(
  { service, roots }: Running,
  http: Http,
  persist: string,
  rate: { perSecond: number; forMs: number },
  tell: (line: string) => void,
): Promise<Soak> {
  const samples: Sample[] = [];
  const startedAt = performance.now();
  const sampling = (async () => {
    while (performance.now() - startedAt < rate.forMs) {
      const sample = {
        atMs: performance.now() - startedAt,
        pssMb: pssMbOf(processesBelow(roots)),
        backlog: await service.openOf(0),
        databaseMb: sizeMbBelow(persist),
      };
      samples.push(sample);
      tell(`${(sample.atMs / 1_000).toFixed(0)} s: ${shown(sample)}`);
      await pause(SAMPLE_EVERY_MS);
    }
  })();
  const answers: Answers = { accepted: [], refused: {}, wrong: {} };
  const { sent, heldBack } = await openLoop({ ...rate, mostOpen: MOST_OPEN }, () =>
    post(http, answers, RETENTION, false),
  );
  await sampling;
  const settled = samples.filter(({ atMs }) => atMs >= Math.min(SETTLED_AFTER_MS, rate.forMs / 2));
  const slope = (name: keyof Sample) =>
    slopePerHour(settled.map((sample) => ({ atMs: sample.atMs, value: sample[name] })));
  const middle = (name: keyof Sample) => median(settled.map((sample) => sample[name]));
  const lines = (
    [
      ["memory (PSS)", "pssMb", "MB"],
      ["backlog", "backlog", "tasks"],
      ["files", "databaseMb", "MB"],
    ] as const
  ).map(
    ([what, name, unit]) =>
      `- ${what}: median ${number(middle(name))} ${unit}, slope ${number(slope(name))} ${unit} an hour`,
  );
  const text = [
    `## Half the top rate: ${number(rate.perSecond)} tasks/s for ${number(rate.forMs / 60_000)} minutes`,
    `${number(sent)} sent, ${heldBack} held back by the load itself; refused ${JSON.stringify(answers.refused)}, wrong ${JSON.stringify(answers.wrong)}.`,
    `After the first ${number(Math.min(SETTLED_AFTER_MS, rate.forMs / 2) / 1_000)} s:`,
    lines.join("\n"),
  ].join("\n\n");
  return { text, isGood: Object.keys(answers.wrong).length === 0 };
}

async function twiceRate(
  http: Http,
  { service }: Running,
  perSecond: number,
  tell: (line: string) => void,
): Promise<Soak> {
  const answers: Answers = { accepted: [], refused: {}, wrong: {} };
  const rate = { perSecond, forMs: OVERLOAD_MS, mostOpen: MOST_OPEN };
  const { sent, heldBack } = await openLoop(rate, () => post(http, answers, "1h", true));
  tell(
    `twice the top rate: ${answers.accepted.length} accepted of ${sent}, refused ${JSON.stringify(answers.refused)}`,
  );
  const overAt = performance.now();
  const deadline = overAt + END_WITHIN_MS;
  while ((await service.openOf(0)) > 0 && performance.now() < deadline) await pause(500);
  const drainedS = (performance.now() - overAt) / 1_000;
  const states: { [state: string]: number } = {};
  for (const id of answers.accepted) {
    const { state } = bodyOf<{ state: string }>(await http.get(`/v1/tasks/${id}`), 200);
    states[state] = (states[state] ?? 0) + 1;
  }
  const text = [
    `## Twice the top rate: ${number(perSecond)} tasks/s for ${OVERLOAD_MS / 1_000} s`,
    `${number(sent)} sent, ${heldBack} held back by the load itself; ${number(answers.accepted.length)} accepted, refused ${JSON.stringify(answers.refused)}, wrong ${JSON.stringify(answers.wrong)}.`,
    `The backlog was gone ${number(drainedS)} s later; of the accepted: ${JSON.stringify(states)}.`,
  ].join("\n\n");
  const isEnded = (states["succeeded"] ?? 0) === answers.accepted.length;
  return { text, isGood: isEnded && Object.keys(answers.wrong).length === 0 };
}

/** Records the answer. A valid refusal is 429 or 503 with `Retry-After`. */
async function post(http: Http, answers: Answers, retention: string, isKept: boolean): Promise<void> {
  const count = (counts: { [key: string]: number }, key: string) => (counts[key] = (counts[key] ?? 0) + 1);
  try {
    const submission = { task: "test.noop", input: {}, options: { retention } };
    const { status, headers, text } = await http.post("/v1/tasks", submission);
    if (status === 202) {
      if (isKept) answers.accepted.push((JSON.parse(text) as { id: string }).id);
    } else if ((status === 429 || status === 503) && headers["retry-after"] !== undefined)
      count(answers.refused, String(status));
    else count(answers.wrong, `${status} ${text.slice(0, 100)}`);
  } catch (error) {
    count(answers.wrong, String(error));
  }
}

/** The size of the database with its log, and of the objects' databases. */
function sizeMbBelow(persist: string): number {
  const files = globSync(join(persist, "v3/**/*.sqlite*"));
  return files.reduce((sum, file) => sum + (statSync(file, { throwIfNoEntry: false })?.size ?? 0), 0) / 2 ** 20;
}

const shown = ({ pssMb, backlog, databaseMb }: Sample) =>
  `${number(pssMb)} MB PSS, backlog ${backlog}, ${number(databaseMb)} MB of files`;
