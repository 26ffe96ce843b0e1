/**
 * Stores single submissions of concurrent requests together. Those that come during a write share the
 * next one. D1 takes one write at a time, so under load this decides the throughput.
 *
 * One request leads: it writes a few groups in its own `waitUntil`, then hands the lead to one of those that still wait.
 * An invocation is cut off 30 s after its response and has 1,000 D1 statements, so none leads for as long as requests come.
 */

import { INLINE_PAYLOAD_BYTES } from "../core/bounds.ts";
import { isFinal, RefusalError } from "../results/d1.ts";
import type { Drain } from "../results/lanes/lanes.ts";
import type { NewTask } from "../results/new-task.ts";
import { within } from "../results/within.ts";
import { storeAll, type Background } from "./store.ts";

/** A leader writes at most this many groups, and begins none after this time. */
export const GROUPS_PER_LEAD = 8;
const LEAD_MS = 2_000;

/** Tasks of one group. */
const MAX_GROUP = 500;

/** Characters of input in one group; one task may have a megabyte. */
const MAX_GROUP_LENGTH = 2_000_000;

/** Inputs in one group that are too large for their rows: each is a statement of its own. */
const MAX_LARGE = 20;

/** A leader that has begun no group for this long may be dead: another request takes the lead, and the group that was being written. */
export const PATIENCE_MS = 3_000;

/** A task that is to be stored, and the promises that its own request waits for. */
interface Waiting {
  task: NewTask;
  isSettled: boolean;
  /** Why its lane refuses it, null once it is durable; `alone`: its own request is to store it. */
  stored: PromiseWithResolvers<Drain | null | "alone">;
  /** It is its own request's turn to lead. */
  turn: PromiseWithResolvers<"lead">;
}

interface Lead {
  /** When others may take it. */
  until: number;
  /** What is being written. */
  group: Waiting[];
}

let waiting: Waiting[] = [];
let lead: Lead | null = null;

/** Stores one task together with those of concurrent requests. Resolves once it is durable, or with why its lane refuses it. */
export async function storeTogether(env: Env, background: Background, task: NewTask): Promise<Drain | null> {
  const mine: Waiting = {
    task,
    isSettled: false,
    stored: Promise.withResolvers(),
    turn: Promise.withResolvers(),
  };
  mine.stored.promise.catch(() => undefined);
  waiting.push(mine);
  const storing = follow(env, background, mine);
  // Goes on where the caller closes the connection: otherwise its task, or the lead, would be lost.
  background.waitUntil(storing.catch(() => undefined));
  return storing;
}

async function follow(env: Env, background: Background, mine: Waiting): Promise<Drain | null> {
  for (;;) {
    const leads = lead !== null && lead.until > Date.now() ? lead : takeLead(env, background, mine);
    const word = await within(Promise.race([mine.stored.promise, mine.turn.promise]), leads.until - Date.now());
    if (word === "alone") return (await storeAll(env, background, [mine.task])).get(mine.task.id) ?? null;
    if (word === "lead") takeLead(env, background, mine);
    else if (word !== "late") return word;
  }
}

/** Writes again what a dead leader was writing: tasks that are stored already, by their ids, stay as they are. */
function takeLead(env: Env, background: Background, mine: Waiting): Lead {
  mine.turn = Promise.withResolvers();
  const orphans = lead?.group ?? [];
  waiting = [...new Set([...orphans, ...waiting, mine])].filter((each) => !each.isSettled);
  const own: Lead = { until: Date.now() + PATIENCE_MS, group: [] };
  lead = own;
  // With nothing left to write, this gives the lead up at once.
  background.waitUntil(writeGroups(env, background, own));
  return own;
}

/** Only the leader does I/O; the other requests wait for promises that it resolves. */
async function writeGroups(env: Env, background: Background, own: Lead): Promise<void> {
  const until = Date.now() + LEAD_MS;
  for (let written = 0; written < GROUPS_PER_LEAD && waiting.length > 0 && Date.now() <= until; written++) {
    own.until = Date.now() + PATIENCE_MS;
    own.group = nextGroup();
    const isWritten = await write(env, background, own.group);
    // The write took so long that another request has taken the lead.
    if (lead !== own) return;
    if (!isWritten) break;
  }
  const [next] = waiting;
  lead = next ? { until: Date.now() + PATIENCE_MS, group: [] } : null;
  next?.turn.resolve("lead");
}

/** Writes the group and resolves the promises of its requests. Answers whether D1 has written it; never throws. */
async function write(env: Env, background: Background, group: Waiting[]): Promise<boolean> {
  const tell = (say: (each: Waiting) => void) => {
    for (const each of group) {
      each.isSettled = true;
      say(each);
    }
  };
  try {
    const tasks = group.map((each) => each.task);
    const refused = await storeAll(env, background, tasks);
    tell(({ task, stored }) => stored.resolve(refused.get(task.id) ?? null));
    return true;
  } catch (error) {
    // One of them is at fault: each request stores its own, and only that one fails.
    if (group.length > 1 && isFinal(error)) tell(({ stored }) => stored.resolve("alone"));
    else tell(({ stored }) => stored.reject(error instanceof RefusalError ? new RefusalError(error.trouble) : error));
    return false;
  }
}

function nextGroup(): Waiting[] {
  let length = 0;
  let large = 0;
  const tooMuch = waiting.findIndex(({ task }, i) => {
    const size = task.input?.length ?? 0;
    length += size;
    // A character may be three bytes.
    if (size > INLINE_PAYLOAD_BYTES / 3) large++;
    return i > 0 && (i === MAX_GROUP || length > MAX_GROUP_LENGTH || large > MAX_LARGE);
  });
  return waiting.splice(0, tooMuch === -1 ? waiting.length : tooMuch);
}
