/** `lovage tail` and `lovage top`: what happens, and how much there is, until Ctrl-C. */

import { setTimeout as pause } from "node:timers/promises";
import type { LaneResource } from "../../src/contract/lane.ts";
import type { Stats } from "../../src/contract/stats.ts";
import type { TaskResource } from "../../src/contract/task.ts";
import { defineVerb, wholeNumber } from "../verb.ts";
import { SERVICE, talk, type Service } from "./connect.ts";
import { eventLine, table, taskLine, type TaskLine } from "./lines.ts";

/** How many tasks are shown at the beginning. */
const LAST = 20;

/** The most changes of one frame for which the task's error is read as well. */
const READ = 20;

const every = { type: "string", description: "Seconds between two looks", default: "2" } as const;

export const tail = defineVerb({
  name: "tail",
  description: "Prints what happens to a task until its end, or to all tasks until Ctrl-C",
  args: {
    task: { type: "positional", description: "The task's id; all tasks unless given", required: false },
    once: { type: "boolean", description: "Prints the last tasks, and ends", default: false },
    ...SERVICE,
  },
  run: async ({ task, once, ...service }) =>
    talk(service, async (found) => (task === undefined ? tailAll(found, once) : tailOne(found, task))),
});

async function tailOne({ client }: Service, task: string): Promise<void> {
  for await (const event of client.events(task)) console.log(eventLine(event));
}

/** Prints the last tasks, then every change that the feed tells of. */
async function tailAll({ client }: Service, once: boolean): Promise<void> {
  const seen = new Map<string, string>();
  const show = (task: TaskLine) => {
    if (seen.get(task.id) === task.state) return;
    // A task that changes again is printed again; the oldest are forgotten.
    seen.delete(task.id);
    seen.set(task.id, task.state);
    if (seen.size > 10 * LAST) seen.delete(seen.keys().next().value!);
    console.log(taskLine(task));
  };
  const showLast = async () => {
    const { items } = await client.list({}, { limit: LAST }).page();
    for (const item of (items as TaskResource[]).toReversed())
      show({ ...item, updatedAt: item.finishedAt ?? item.startedAt ?? item.createdAt });
  };
  if (once) return showLast();
  let isFirst = true;
  for await (const { at, changed, more, missed } of client.feed()) {
    // The feed does not tell what was before it began.
    if (isFirst || missed) await showLast();
    isFirst = false;
    const whys = await Promise.all(
      changed
        .filter(hasError)
        .slice(0, READ)
        .map(async ({ id }) => client.get(id).catch(() => null)),
    );
    const errors = new Map(whys.map((task) => [task?.id, task?.error ?? null]));
    for (const { id, task, state } of changed)
      show({ id, task, state, attempt: 1, error: errors.get(id) ?? null, updatedAt: at });
    if (more > 0) console.log(`${more} more have changed`);
  }
}

function hasError({ state }: { state: TaskResource["state"] }): boolean {
  return state === "failed" || state === "retrying" || state === "expired";
}

export const top = defineVerb({
  name: "top",
  description: "Shows how many tasks there are, how many end, and how long they take, until Ctrl-C",
  args: { every, once: { type: "boolean", description: "Shows it once, and ends", default: false }, ...SERVICE },
  run: async ({ every: seconds, once, ...service }) => {
    const ms = 1_000 * wholeNumber("every", seconds, 1, 3_600);
    await talk(service, async ({ client, url }) => {
      for (;;) {
        const [stats, lanes] = await Promise.all([client.stats(), client.lanes.list()]);
        if (process.stdout.isTTY && !once) process.stdout.write("\u001B[2J\u001B[H");
        console.log(screen(url, stats, lanes));
        if (once) return;
        await pause(ms);
      }
    });
  },
});

function screen(url: string, stats: Stats, lanes: readonly LaneResource[]): string {
  const onTheirWay = Object.entries(stats.states).filter(([, count]) => count > 0);
  const ended = Object.entries(stats.lastHour.ended).map(([state, count]) => `${count} ${state}`);
  const rows = stats.tasks.map(({ task, states, lastHour: { ended: ends, waitMs, runMs } }) => [
    task,
    (states.queued ?? 0) + (states.scheduled ?? 0) + (states.retrying ?? 0) + (states.waiting ?? 0),
    states.running ?? 0,
    ends.succeeded,
    ends.failed + ends.expired,
    waitMs.p95 ?? "-",
    runMs.p95 ?? "-",
  ]);
  const laneRows = lanes.map(({ name, queued, running, paused, draining }) => [
    name,
    queued,
    running,
    paused ? "paused" : draining ? "draining" : "",
  ]);
  return [
    `${url}  ${stats.at}`,
    "",
    `now        ${onTheirWay.map(([state, count]) => `${count} ${state}`).join(", ") || "nothing"}`,
    `last hour  ${ended.join(", ")}; ${stats.lastHour.perMinute.toFixed(1)} a minute`,
    "",
    table(["lane", "queued", "running", ""], laneRows),
    "",
    rows.length === 0
      ? "No task has run yet"
      : table(["task", "waiting", "running", "succeeded/h", "failed/h", "wait p95 ms", "run p95 ms"], rows),
    "",
  ].join("\n");
}
