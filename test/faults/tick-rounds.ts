/**
 * The fault test of schedules: many of them tick every second or two while the service is killed with -9 again and again, every
 * other time right at a tick. At the end each tick is held against the tasks that it has made.
 *
 *   node test/faults/tick-rounds.ts [KILLS]
 */
import { setTimeout as pause } from "node:timers/promises";
import type { ScheduleInput } from "../../src/contract/schedule.ts";
import type { TaskResource } from "../../src/contract/task.ts";
import { apiOf, poll, type Api } from "../http/api.ts";
import { startServer } from "../http/server.ts";
import type { Mortal } from "./rounds.ts";

const SECOND = 1_000;

/** Schedules that make a tick last a while, so that kills hit the middle of one. */
const CROWD = 100;

export type Figures = {
  kills: number;
  /** Ticks that must have made a task, and tasks that were made. */
  ticks: number;
  tasks: number;
  /** Stretches of ticks that were missed, as the schedule shows that makes up for none. */
  outages: number;
};

/** Kills so often, and answers what happened and every tick that is not as it should be, in words. */
export async function runTickRounds(
  kills: number,
  start: () => Promise<Mortal> = startServer,
): Promise<{ breaches: string[]; figures: Figures }> {
  const server = await start();
  const api = apiOf(server);
  try {
    const startAt = Math.ceil(Date.now() / SECOND) * SECOND;
    const schedules = schedulesFrom(startAt);
    for (const [id, schedule] of schedules) await put(api, id, schedule);
    const putBy = Date.now();
    for (let kill = 0; kill < kills; kill++) {
      await pause(300 + Math.random() * 900);
      // The tick begins with the second and takes some ten milliseconds.
      if (kill % 2 === 0) await pause(SECOND - (Date.now() % SECOND) + Math.random() * 60);
      await server.kill9();
      await pause(Math.random() * 2_500);
      await server.restart();
    }
    const until = Math.floor(Date.now() / SECOND) * SECOND;
    await caughtUp(api, [...schedules.keys()], until);
    for (const id of schedules.keys()) await api.call("DELETE", `/v1/schedules/${id}`);
    const tasks = (await api.listAll()).filter((task) => tickOf(task) <= until);
    return judge(schedules, tasks, { startAt, putBy, until }, kills);
  } finally {
    await server.stop();
  }
}

function schedulesFrom(startAt: number): Map<string, ScheduleInput> {
  const each = { task: "test.noop", overlap: "allow", startAt: new Date(startAt).toISOString() } as const;
  return new Map<string, ScheduleInput>([
    ["all", { ...each, every: "1s", catchUp: "all" }],
    ["all-skip", { ...each, every: "1s", catchUp: "all", overlap: "skip" }],
    ["all-queue", { ...each, every: "1s", catchUp: "all", overlap: "queue" }],
    ["all-cron", { ...each, cron: "* * * * * *", timezone: "Europe/Berlin", catchUp: "all" }],
    ["last", { ...each, every: "1s", catchUp: "last" }],
    ["none", { ...each, every: "1s", catchUp: "none" }],
    ...Array.from({ length: CROWD }, (_, i) => {
      return [`crowd-${i}`, { ...each, every: "2s", catchUp: "all" }] satisfies [string, ScheduleInput];
    }),
  ]);
}

async function put(api: Api, id: string, schedule: ScheduleInput): Promise<void> {
  const { status, body } = await api.call("PUT", `/v1/schedules/${id}`, { body: schedule });
  if (status !== 201) throw new Error(`${id} was not made: ${status} ${JSON.stringify(body)}`);
}

/** Every schedule waits for a tick after `until`. */
async function caughtUp(api: Api, ids: string[], until: number): Promise<void> {
  for (const id of ids) {
    await poll(
      () => `${id} has not caught up`,
      async () => {
        const { body } = await api.get<{ nextRunAt: string | null }>(`/v1/schedules/${id}`);
        return Date.parse(body.nextRunAt ?? "") > until || null;
      },
    );
  }
}

function tickOf(task: TaskResource): number {
  return Date.parse(task.tags["tick"] ?? "");
}

function judge(
  schedules: Map<string, ScheduleInput>,
  tasks: TaskResource[],
  { startAt, putBy, until }: { startAt: number; putBy: number; until: number },
  kills: number,
): { breaches: string[]; figures: Figures } {
  const breaches: string[] = [];
  const bySchedule = Map.groupBy(tasks, (task) => task.tags["schedule"] ?? "");
  const madeBy = (id: string) => (bySchedule.get(id) ?? []).map(tickOf);
  let ticks = 0;
  for (const [id, { every, catchUp, overlap }] of schedules) {
    const interval = every === "2s" ? 2 * SECOND : SECOND;
    const made = Map.groupBy(madeBy(id), (tick) => tick);
    // Counted from the start, the first tick of an interval comes after one; that of a cron expression at once.
    const expected = range(every === undefined ? startAt : startAt + interval, until, interval);
    const known = new Set(expected);
    const at = (tick: number) => `${id} at ${new Date(tick).toISOString()}`;
    for (const [tick, all] of made) {
      if (all.length > 1) breaches.push(`${at(tick)} made ${all.length} tasks`);
      if (!known.has(tick)) breaches.push(`${at(tick)} is no tick`);
    }
    if (catchUp !== "all") continue;
    ticks += expected.length;
    // The first seconds, while the schedules were being put, are not missed: they had not been put.
    const from = Math.min(...made.keys());
    if (from > putBy + 3 * SECOND) breaches.push(`${id} began only at ${new Date(from).toISOString()}`);
    const missing = expected.filter((tick) => tick >= from && !made.has(tick));
    const unexcused =
      overlap === "skip" ? missing.filter((tick) => !isExcused(tick, bySchedule.get(id) ?? [])) : missing;
    breaches.push(...unexcused.map((tick) => `${at(tick)} is lost`));
  }
  const outages = stretches(madeBy("none"));
  breaches.push(...wrongCatchUps(outages, new Set(madeBy("last"))));
  return { breaches, figures: { kills, ticks, tasks: tasks.length, outages: outages.length } };
}

/** With `skip`, a tick that was not missed is left out while the task of the one before is live, if that was not missed either. */
function isExcused(tick: number, tasks: TaskResource[]): boolean {
  const before = tasks
    .filter((task) => tickOf(task) < tick)
    .toSorted((a, b) => tickOf(a) - tickOf(b))
    .at(-1);
  if (before === undefined || Date.parse(before.createdAt) - tickOf(before) > SECOND) return false;
  return Date.parse(before.finishedAt ?? "") > tick;
}

/** Of every stretch of missed ticks exactly the last is made up for. */
function wrongCatchUps(outages: number[][], made: ReadonlySet<number>): string[] {
  return outages.flatMap((missed) => {
    const caught = missed.filter((tick) => made.has(tick));
    if (caught.length === 1 && caught[0] === missed.at(-1)) return [];
    const times = (of: number[]) => of.map((tick) => new Date(tick).toISOString()).join(", ") || "none";
    return [`of the missed ${times(missed)} not the last one was made up for, but ${times(caught)}`];
  });
}

/** The ticks that are missing between the first and the last of these, by stretches. */
function stretches(ticks: number[]): number[][] {
  const sorted = ticks.toSorted((a, b) => a - b);
  return sorted.flatMap((tick, i) => {
    const next = sorted[i + 1];
    const missing = next === undefined ? [] : range(tick + SECOND, next - SECOND, SECOND);
    return missing.length > 0 ? [missing] : [];
  });
}

function range(from: number, to: number, step: number): number[] {
  return Array.from({ length: Math.max(0, Math.floor((to - from) / step) + 1) }, (_, i) => from + i * step);
}

if (import.meta.main) {
  const { breaches, figures } = await runTickRounds(Number(process.argv[2] ?? 30));
  console.log(figures);
  for (const breach of breaches) console.error(breach);
  process.exitCode = breaches.length === 0 ? 0 : 1;
}
