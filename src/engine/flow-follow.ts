/**
 * The events of a flow as one feed, derived from its members' rows: no member costs more for being
 * listened to. Every change of a member is an event, in the order of time; its place in that order is
 * its number, so a feed is resumed without anything being kept.
 */

import type { TaskEvent } from "../contract/event.ts";
import { timeline } from "../core/timeline.ts";
import { markFlowAwaited } from "../results/await-ends.ts";
import { readFlow, readLives, type FlowRow } from "../results/flows.ts";
import { historyOf } from "../results/task-row.ts";
import { presentFlow } from "./flow-read.ts";
import { Waiter } from "./waiter.ts";

/**
 * How long a change is held back while the flow runs: one that was made by another machine a moment
 * before may become visible a moment later.
 */
const HOLD_MS = 1_500;

/** Between two looks, in ms: longer while nothing changes. Of the flow's end its progress object tells. */
const LOOK_EVERY_MS = { first: 500, longest: 4_000 };

/** A larger flow is looked at less often. */
const LOOK_PER_MEMBER_MS = 0.1;

const IDLE_MS = 10_000;

/** All events so far after number `after`; the last is `done` if the flow has ended. */
export async function listFlowEvents(env: Env, flow: FlowRow, after: number): Promise<TaskEvent[]> {
  return (await look(env, flow)).events.filter((event) => event.seq > after);
}

/** Yields every event after number `after`, the last of them `done`, and null where nothing came for a while. */
export async function* followFlow(
  env: Env,
  flow: FlowRow,
  after: number,
  signal: AbortSignal,
): AsyncGenerator<TaskEvent | null> {
  let seen = after;
  let heardAt = Date.now();
  let pause = LOOK_EVERY_MS.first;
  let current = await markFlowAwaited(env.DB, flow.tenant, flow.id);
  const waiter = current?.state === "running" ? new Waiter(env, flow.id) : null;
  try {
    while (current !== null && !signal.aborted) {
      const { events, members } = await look(env, current);
      const before = seen;
      for (const event of events) {
        if (event.seq <= seen) continue;
        seen = event.seq;
        heardAt = Date.now();
        yield event;
        if (event.type === "done") return;
      }
      if (current.state !== "running" || waiter === null) return;
      if (Date.now() - heardAt > IDLE_MS) {
        heardAt = Date.now();
        yield null;
      }
      pause = seen > before ? LOOK_EVERY_MS.first : Math.min(pause * 1.5, LOOK_EVERY_MS.longest);
      const told = await waiter.told(Math.max(pause, members * LOOK_PER_MEMBER_MS), signal);
      current = await readFlow(env.DB, flow.tenant, flow.id);
      if (told && current?.state === "running") waiter.again();
    }
  } finally {
    waiter?.close();
  }
}

async function look(env: Env, flow: FlowRow): Promise<{ events: TaskEvent[]; members: number }> {
  const ended = flow.state !== "running";
  const lives = await readLives(env.DB, flow.id);
  const upTo = ended ? Infinity : Date.now() - HOLD_MS;
  const moments = lives.flatMap((life) =>
    timeline({ ...life, history: historyOf(life) })
      .filter((moment) => moment.at <= upTo)
      .map((moment) => ({ ...moment, id: life.id, key: life.nodeKey })),
  );
  moments.sort((a, b) => a.at - b.at || (a.id < b.id ? -1 : a.id > b.id ? 1 : a.mark - b.mark));
  const events: TaskEvent[] = moments.map(({ at, data, id, key }, i) => ({
    seq: i + 1,
    type: "state",
    at: new Date(at).toISOString(),
    data: { key, taskId: id, ...data },
  }));
  if (ended) {
    const at = new Date(flow.finishedAt ?? flow.createdAt).toISOString();
    events.push({ seq: events.length + 1, type: "done", at, data: await presentFlow(env, flow) });
  }
  return { events, members: lives.length };
}
