/**
 * The events of a flow as one feed, derived from its members' rows, so that a member costs no more when there are listeners.
 * Every change of a member is an event. The flow's progress object numbers the events, in the order in which listeners report
 * them to it, and keeps them with their numbers. So the event of a number never changes, and a change that becomes visible
 * late comes after those that were reported before it.
 */

import { log } from "../../core/log.ts";
import type { TaskEvent } from "../../contract/event.ts";
import { ProblemError, problem } from "../../core/problems.ts";
import { timeline, type Moment } from "../../core/timeline.ts";
import type { FlowNews } from "../../progress/snapshot.ts";
import { markFlowAwaited } from "../../results/await-ends.ts";
import { readFlow, readLives, type FlowRow, type Life } from "../../results/flows/flows.ts";
import { historyOf } from "../../results/task-row.ts";
import { presentFlow } from "./read.ts";
import { progressObject } from "../events/tell.ts";
import { Waiter } from "../events/end-listener.ts";

/**
 * How long a change is held back while the flow runs: an earlier change, made by another machine, may become visible
 * a moment later, and should come first.
 */
const HOLD_MS = 1_500;

/** The time between two reads of the rows, in ms: longer while nothing changes. The progress object reports the flow's end at once. */
const LOOK_EVERY_MS = { first: 500, longest: 4_000 };

/** The rows of a larger flow are read less often. */
const LOOK_PER_MEMBER_MS = 0.1;

const IDLE_MS = 10_000;

/** Events that are reported to the object in one call: at most about 3 MB. */
const TOLD_AT_ONCE = 10_000;

/** All events so far after number `after`; the last is `done` if the flow has ended. */
export async function listFlowEvents(env: Env, flow: FlowRow, after: number): Promise<TaskEvent[]> {
  const feed = new Feed(env, flow.id);
  try {
    return await feed.look(flow, after);
  } catch (error) {
    if (error instanceof ProblemError) throw error;
    log("events_not_read", { id: flow.id, error });
    const detail = "The flow's events could not be read just now. Try again.";
    throw new ProblemError(problem("unavailable", detail), { "Retry-After": "1" });
  }
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
  const feed = new Feed(env, flow.id);
  let current = await markFlowAwaited(env.DB, flow.tenant, flow.id);
  const waiter = current?.state === "running" ? new Waiter(env, flow.id) : null;
  try {
    while (current !== null && !signal.aborted) {
      const before = seen;
      for (const event of await feed.look(current, seen)) {
        seen = event.seq;
        heardAt = Date.now();
        yield event;
        if (event.type === "done") return;
      }
      // The end was reported before number `after`, or the flow was opened again: no event follows.
      if (current.state !== "running" || waiter === null) return;
      if (Date.now() - heardAt > IDLE_MS) {
        heardAt = Date.now();
        yield null;
      }
      pause = seen > before ? LOOK_EVERY_MS.first : Math.min(pause * 1.5, LOOK_EVERY_MS.longest);
      const told = await waiter.told(Math.max(pause, feed.members * LOOK_PER_MEMBER_MS), signal);
      current = await readFlow(env.DB, flow.tenant, flow.id);
      if (told && current?.state === "running") waiter.again();
    }
  } finally {
    waiter?.close();
  }
}

/** One listener's access to a flow's events. */
class Feed {
  readonly #env: Env;
  readonly #id: string;
  /** What this listener has reported to the object: for each teller (a member, or an end) the number of its last event. */
  readonly #told = new Map<string, number>();
  #hasLooked = false;
  /** How many members the flow had at the last read. */
  members = 0;

  constructor(env: Env, id: string) {
    this.#env = env;
    this.#id = id;
  }

  /** The events after number `after`; the last is `done` if the flow has ended. */
  async look(flow: FlowRow, after: number): Promise<TaskEvent[]> {
    const lives = await readLives(this.#env.DB, flow.id);
    if (flow.state !== "running") {
      // If the flow was opened again meanwhile, its members may have moved on already.
      const now = await readFlow(this.#env.DB, flow.tenant, flow.id);
      if (now !== null && now.finishedAt !== flow.finishedAt) return this.look(now, after);
    }
    this.members = lives.length;
    const upTo = flow.state === "running" ? Date.now() - HOLD_MS : Infinity;
    const news = inOrder(lives, upTo);
    if (flow.state !== "running") news.push(endOf(flow));
    const untold = news.filter(({ teller, nth }) => nth > (this.#told.get(teller) ?? 0));
    // Events that another listener has reported come from these rows as well.
    if (untold.length === 0 && this.#hasLooked) return [];
    const object = progressObject(this.#env, this.#id);
    for (let i = 0; i < untold.length; i += TOLD_AT_ONCE) await object.syncFlow(untold.slice(i, i + TOLD_AT_ONCE));
    for (const { teller, nth } of untold) this.#told.set(teller, nth);
    this.#hasLooked = true;
    const events = await object.list(after);
    const done = events.findLast((event) => isDoneOf(event, flow));
    const data = done ? await presentFlow(this.#env, flow) : null;
    return events.flatMap((event) => (event === done ? [{ ...event, data }] : event.type === "done" ? [] : [event]));
  }
}

/** The events of the members in the order of time; those of one member keep their own order. */
function inOrder(lives: readonly Life[], upTo: number): FlowNews[] {
  const moments = lives.flatMap((life) => {
    let sortAt = 0;
    const told: (Moment & { life: Life; sortAt: number })[] = [];
    for (const moment of timeline({ ...life, history: historyOf(life) })) {
      sortAt = Math.max(sortAt, moment.at);
      if (sortAt > upTo) break;
      told.push({ ...moment, life, sortAt });
    }
    return told;
  });
  moments.sort(
    (a, b) => a.sortAt - b.sortAt || (a.life.id < b.life.id ? -1 : a.life.id > b.life.id ? 1 : a.seq - b.seq),
  );
  return moments.map(({ seq, at, data, life }) => ({
    teller: life.id,
    nth: seq,
    event: {
      type: "state",
      at: new Date(at).toISOString(),
      data: { key: life.nodeKey, taskId: life.id, ...data },
    },
  }));
}

function endOf(flow: FlowRow): FlowNews {
  const at = doneAt(flow);
  return { teller: `end ${at}`, nth: 1, event: { type: "done", at, data: null } };
}

/** Of several ends, only the data of the current one is still there. */
function isDoneOf(event: TaskEvent, flow: FlowRow): boolean {
  return event.type === "done" && flow.state !== "running" && event.at === doneAt(flow);
}

function doneAt(flow: FlowRow): string {
  return new Date(flow.finishedAt ?? flow.createdAt).toISOString();
}
