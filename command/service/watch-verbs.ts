/** `lovage tail` and `lovage top`: what happens, and how much there is, until Ctrl-C. */

import { setTimeout as pause } from "node:timers/promises";
import type { LaneResource } from "../../src/contract/lane.ts";
import type { Stats } from "../../src/contract/stats.ts";
import type { TaskResource } from "../../src/contract/task.ts";
import { defineVerb, wholeNumber } from "../verb.ts";
import { SERVICE, talk, type Service } from "./connect.ts";
import { eventLine, table, taskLine } from "./lines.ts";

/** How many tasks a look reads at most. */
const LOOK = 200;

const every = { type: "string", description: "Seconds between two looks", default: "2" } as const;

export const tail = defineVerb({
  name: "tail",
  description: "Prints what happens to a task until its end, or to all tasks until Ctrl-C",
  args: {
    task: { type: "positional", description: "The task's id; all tasks unless given", required: false },
    every,
    once: { type: "boolean", description: "Prints the last tasks, and ends", default: false },
    ...SERVICE,
  },
  run: async ({ task, every: seconds, once, ...service }) => {
    const ms = 1_000 * wholeNumber("every", seconds, 1, 3_600);
    await talk(service, async (found) => (task === undefined ? tailAll(found, ms, once) : tailOne(found, task)));
  },
});

async function tailOne({ client }: Service, task: string): Promise<void> {
  for await (const event of client.events(task)) console.log(eventLine(event));
}

/** Prints every task that is new, and every change of those that are on their way. */
async function tailAll({ client }: Service, ms: number, once: boolean): Promise<void> {
  const seen = new Map<string, string>();
  for (let looks = 0; ; looks++) {
    const { items } = await client.list({}, { limit: looks === 0 ? 20 : LOOK }).page();
    for (const item of (items as TaskResource[]).toReversed()) {
      const now = `${item.state} ${item.attempt}`;
      if (seen.get(item.id) === now) continue;
      seen.set(item.id, now);
      console.log(taskLine({ ...item, updatedAt: item.finishedAt ?? item.startedAt ?? item.createdAt }));
    }
    if (once) return;
    // What the next look cannot show any more is forgotten.
    for (const id of [...seen.keys()].slice(0, -2 * LOOK)) seen.delete(id);
    await pause(ms);
  }
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
