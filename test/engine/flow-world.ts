/**
 * A small world in which flows run on the real statements: workers that claim and commit and at times die, a clock that ticks, messages
 * that are lost and repeated. Time is the world's own. Everything that is drawn follows from the seed.
 */

import { env } from "cloudflare:workers";
import { idsOf } from "../../src/broker/bells.ts";
import { earliest } from "../../src/core/wake.ts";
import { Suspects } from "../../src/clock/suspects.ts";
import { tick } from "../../src/clock/tick.ts";
import { DEFAULT_RETRY } from "../../src/core/retry.ts";
import { settle, type Ending } from "../../src/core/settle.ts";
import { commit } from "../../src/engine/commit.ts";
import { cancelFlow, retryFlow } from "../../src/engine/flows/control.ts";
import { fillFlowInputs, flowInput } from "../../src/engine/flows/input.ts";
import { presentFlow } from "../../src/engine/flows/read.ts";
import { submitFlow } from "../../src/engine/flows/submit.ts";
import { retry } from "../../src/engine/retry.ts";
import type { FlowResource } from "../../src/contract/flow.ts";
import { claimTasks, type ClaimedTask } from "../../src/results/claim-tasks.ts";
import type { Commit } from "../../src/results/commit-attempts.ts";
import { readNextDue } from "../../src/results/due-tasks.ts";
import { readNextDeadline } from "../../src/results/flows/deadlines.ts";
import { readFlow, type FlowRow } from "../../src/results/flows/flows.ts";
import { randomGraph, randomOf, type Graph } from "../core/flow-random.ts";
import { Actor, type Trouble } from "./actor.ts";
import { databaseOver, type Execute } from "./database-over.ts";

export type FlowBody = Graph & { onError?: Graph; deadline?: number };

/** How a task goes: `flaky` fails in its first attempt alone. */
export type Behaviour = "ok" | "flaky" | "bad";

/** A flow of the world, and what has been done with it. */
export interface Member {
  name: string;
  body: FlowBody;
  tenant: string;
  /** Of tasks by their keys. */
  behaviours: Map<string, Behaviour>;
  badness: number;
  id: string | null;
  /** It is cancelled once so many attempts of it have been begun; null: never. */
  cancelAfter: number | null;
  starts: number;
}

/** An attempt that a worker has begun. */
interface Attempt {
  task: ClaimedTask;
  member: Member;
  ending: Ending;
}

export interface Figures {
  flows: number;
  tasks: number;
  starts: number;
  retries: number;
  deaths: number;
  errors: number;
  lostMessages: number;
  repeatedMessages: number;
  lateEnds: number;
  overdue: number;
  /** Failed tasks that were tried again while their flow ran. */
  early: number;
}

/** More steps than any world has needed by far. */
const MAX_STEPS = 15_000;

/** A result that tells which task was given what. */
export function resultOf(key: string, input: unknown): string {
  let hash = 2_166_136_261;
  for (const char of `${key} ${canonical(input)}`) hash = Math.imul(hash ^ char.charCodeAt(0), 16_777_619);
  return `${key}:${(hash >>> 0).toString(36)}`;
}

function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join()}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value) ?? "null";
  const members = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return `{${members.map(([name, each]) => `${name}:${canonical(each)}`).join()}}`;
}

export class FlowWorld {
  readonly members: Member[];
  readonly figures: Figures;
  now = Date.now();
  readonly #random: () => number;
  readonly #messages: string[][] = [];
  readonly #running: Attempt[] = [];
  readonly #late: Commit[] = [];
  readonly #kv = new Map<string, unknown>();
  readonly #suspects = new Suspects();
  readonly execute: Execute;
  readonly #troubleRate: number;
  /** Whether failed tasks are retried while their flow runs. */
  isImpatient = true;
  /** The database itself, whose calls never fail. */
  readonly db: D1Database;

  constructor(
    execute: Execute,
    seed: number,
    sizes: (random: () => number) => number,
    count: number,
    troubleRate: number,
  ) {
    this.#random = randomOf(seed);
    this.execute = execute;
    this.db = databaseOver(execute);
    this.#troubleRate = troubleRate;
    this.members = Array.from({ length: count }, (_, i) => this.#draw(`${seed}-${i}`, sizes(this.#random)));
    this.figures = {
      flows: count,
      tasks: 0,
      starts: 0,
      retries: 0,
      deaths: 0,
      errors: 0,
      lostMessages: 0,
      repeatedMessages: 0,
      lateEnds: 0,
      overdue: 0,
      early: 0,
    };
  }

  #draw(name: string, size: number): Member {
    const body = {
      ...randomGraph(this.#random, size),
      ...(this.#random() < 0.3 ? { onError: randomGraph(this.#random, 4) } : {}),
      // About as long as most flows take.
      ...(this.#random() < 0.12 ? { deadline: 1 + Math.floor(this.#random() * 40 * size) } : {}),
    };
    const badness = [0, 0.02, 0.05, 0.2][Math.floor(this.#random() * 4)]!;
    const cancelAfter = this.#random() < 0.12 ? Math.floor((this.#random() * size) / 2) : null;
    return { name, body, tenant: name, behaviours: new Map(), badness, id: null, cancelAfter, starts: 0 };
  }

  /** How a task goes is drawn when it is first asked for, and the same ever after. */
  behaviourOf(member: Member, key: string): Behaviour {
    const known = member.behaviours.get(key);
    if (known) return known;
    const dice = randomOf(Number.parseInt(resultOf(member.name, key).split(":")[1]!, 36))();
    const drawn = dice < member.badness ? "bad" : dice > 0.9 ? "flaky" : "ok";
    member.behaviours.set(key, drawn);
    return drawn;
  }

  /** Whatever there is to do is done in a random order, until nothing is left. Throws where that does not come. */
  async run(): Promise<void> {
    for (let step = 0; step < MAX_STEPS; step++) {
      if (!(await this.#step())) return;
    }
    throw new Error(`not at rest after ${MAX_STEPS} steps`);
  }

  async resourceOf(member: Member): Promise<FlowResource> {
    return presentFlow(this.#envOver(this.db), await this.rowOf(member), "", 10_000);
  }

  async rowOf(member: Member): Promise<FlowRow> {
    return (await readFlow(this.db, member.tenant, member.id!))!;
  }

  /** One of these; null for about half of the time, and where there is none. */
  pick<T>(items: readonly T[]): T | null {
    return this.#random() < 0.5 ? null : (items[Math.floor(this.#random() * items.length)] ?? null);
  }

  /** Asks until it is answered, as a caller would, whatever dies meanwhile. */
  async retry(member: Member, from: string | null = null): Promise<void> {
    this.now++;
    await this.#insist(async (mortal) => {
      const row = await this.rowOf(member);
      if (row.state === "running") return;
      await retryFlow(mortal, this.#background, row, from, this.now);
    });
  }

  /** The same by the verb on tasks: those of `ids` that may run again by themselves do, and what depends on them. */
  async retryTasks(ids: string[]): Promise<void> {
    this.now++;
    await this.#insist(async (mortal) => void (await retry(mortal, this.#background, ids, null, this.now)));
  }

  async #step(): Promise<boolean> {
    this.now += Math.floor(this.#random() * 40);
    const dice = this.#random();
    const unsent = this.members.find((member) => member.id === null);
    if (unsent && dice < 0.2) await this.#submit(unsent);
    else if (this.#running.length > 0 && dice < 0.55) await this.#finish();
    else if (this.#messages.length > 0 && dice < 0.9) await this.#receive();
    else if (this.#late.length > 0 && dice < 0.93) await this.#finishLate();
    else if (this.#messages.length + this.#running.length + this.#late.length === 0 && !unsent) return this.#rest();
    else if (dice > 0.985) await this.#tick();
    return true;
  }

  /** There is nothing to do: time passes until there is. */
  async #rest(): Promise<boolean> {
    const next = earliest([await readNextDue(this.db), await readNextDeadline(this.db)]);
    if (next === null) return false;
    if (next > this.now + 3_600_000) throw new Error(`nothing to do until ${new Date(next).toISOString()}`);
    this.now = Math.max(this.now, next, this.#suspects.nextAt() ?? 0);
    await this.#tick();
    return true;
  }

  async #submit(member: Member): Promise<void> {
    const origin = { tenant: member.tenant, traceparent: null };
    const request = { tenant: member.tenant, key: "once", fingerprint: member.name };
    await this.#insist(async (mortal) => {
      const { id } = await submitFlow(mortal, this.#background, member.body, origin, request, this.now);
      member.id = id;
    });
  }

  /** A worker gets a message: it claims what there is to claim, and reads what the tasks are given. */
  async #receive(): Promise<void> {
    const [message] = this.#messages.splice(Math.floor(this.#random() * this.#messages.length), 1);
    if (this.#random() < 0.05) {
      this.figures.lostMessages++;
      return;
    }
    if (this.#random() < 0.1) {
      this.figures.repeatedMessages++;
      this.#messages.push(message!);
    }
    const lived = await this.#mortally(async (mortal) => {
      const taken = await claimTasks(mortal.DB, message!, crypto.randomUUID(), this.now);
      const claimed = await fillFlowInputs(mortal, taken.claimed);
      const inputs = await Promise.all(
        claimed.map(async (task) => {
          const written: unknown = task.input === null ? undefined : JSON.parse(task.input);
          return (task.takesFromFlow === 0 ? written : await flowInput(mortal, task, written)) ?? null;
        }),
      );
      for (const [i, task] of claimed.entries()) {
        this.figures.starts++;
        const member = this.members.find((each) => each.id === task.flowId)!;
        member.starts++;
        this.#running.push({ task, member, ending: this.#play(member, task, inputs[i]) });
      }
    });
    // The queue delivers again what was not acknowledged.
    if (!lived && this.#random() < 0.7) this.#messages.push(message!);
    await this.#cancelSome();
    if (this.isImpatient && this.#random() < 0.4) await this.#retryOne();
  }

  /** Retries a failed task of a running flow, which will go as it went. */
  async #retryOne(): Promise<void> {
    const member = this.pick(this.members.filter((each) => each.id !== null));
    if (member === null || (await this.rowOf(member)).state !== "running") return;
    const failed = await this.db
      .prepare("SELECT id FROM tasks WHERE flow_id = ?1 AND state = 'failed' ORDER BY id")
      .bind(member.id)
      .all<{ id: string }>();
    const task = this.pick(failed.results);
    if (task === null) return;
    this.figures.early++;
    await this.retryTasks([task.id]);
  }

  #play(member: Member, task: ClaimedTask, input: unknown): Ending {
    const behaviour = this.behaviourOf(member, task.nodeKey!);
    if (behaviour === "bad" || (behaviour === "flaky" && task.failures === 0)) {
      const error = { type: "Error", message: behaviour };
      return { outcome: "failed", error, retryable: behaviour === "flaky" };
    }
    return { outcome: "succeeded", result: JSON.stringify(resultOf(task.nodeKey!, input)) };
  }

  /** A worker ends some of what runs; or dies, and is maybe heard of much later. */
  async #finish(): Promise<void> {
    const count = 1 + Math.floor(this.#random() * 40);
    const ended = Array.from({ length: Math.min(count, this.#running.length) }, () => {
      return this.#running.splice(Math.floor(this.#random() * this.#running.length), 1)[0]!;
    });
    const commits = ended.map((attempt) => this.#commitOf(attempt));
    if (this.#random() < this.#troubleRate / 3) {
      this.figures.deaths++;
      this.#late.push(...commits.filter(() => this.#random() < 0.5));
      return;
    }
    await this.#mortally(async (mortal) => void (await commit(mortal, commits)));
    await this.#cancelSome();
  }

  async #finishLate(): Promise<void> {
    this.figures.lateEnds++;
    const late = this.#late.splice(0).map((each) => ({ ...each, at: this.now }));
    await this.#mortally(async (mortal) => void (await commit(mortal, late)));
  }

  #commitOf({ task, ending }: Attempt): Commit {
    return {
      ...settle(task, ending, DEFAULT_RETRY, this.now, this.#random()),
      id: task.id,
      attempt: task.attempt,
      startedAt: task.startedAt,
      at: this.now,
      progress: null,
      object: 0,
      mayRelease: task.mayRelease === 1,
      concurrency: task.concurrency,
    };
  }

  async #cancelSome(): Promise<void> {
    for (const member of this.members) {
      if (member.id === null || member.cancelAfter === null || member.starts < member.cancelAfter) continue;
      member.cancelAfter = null;
      await this.#insist(async (mortal) => {
        const row = await this.rowOf(member);
        if (row.state === "running") await cancelFlow(mortal, row, "as drawn", this.now);
      });
    }
  }

  async #tick(): Promise<void> {
    const kv = this.#kv;
    const storage = {
      get: (key: string) => kv.get(key),
      put: (key: string, value: unknown) => void kv.set(key, value),
    };
    await this.#mortally(
      async (mortal) =>
        void (await tick(mortal, storage as unknown as SyncKvStorage, this.now, this.#suspects, {
          stopwatch: () => 0,
        })),
    );
  }

  /** An actor does something and may die of it. Answers whether it lived. */
  async #mortally(work: (mortal: Env) => Promise<void>): Promise<boolean> {
    const trouble = this.#drawTrouble();
    const actor = new Actor(this.execute, trouble);
    const fate = await actor.run(() => work(this.#envOver(databaseOver(actor.execute))));
    if (fate === "died") this.figures.deaths++;
    return fate === "done";
  }

  async #insist(work: (mortal: Env) => Promise<void>): Promise<void> {
    while (!(await this.#mortally(work))) this.now += 50;
  }

  #drawTrouble(): Trouble | null {
    if (this.#random() > this.#troubleRate) return null;
    const kind = this.#random() < 0.7 ? "die" : "fail";
    if (kind === "fail") this.figures.errors++;
    return { kind, when: this.#random() < 0.5 ? "before" : "after", call: 1 + Math.floor(this.#random() * 4) };
  }

  #envOver(db: D1Database): Env {
    const queue = {
      sendBatch: async (messages: Iterable<MessageSendRequest>) => {
        for (const { body } of messages) this.#messages.push(idsOf(body));
      },
    } as unknown as Queue;
    const clock = { getByName: () => ({ wakeBy: async (at: number) => at }) } as unknown as Env["CLOCK"];
    const lanes = { LANE_HIGH: queue, LANE_DEFAULT: queue, LANE_BULK: queue, LANE_LONG: queue };
    return { ...env, ...lanes, CLOCK: clock, DB: db };
  }

  /** What is left for after the answer; the isolate that it is left to may have died. */
  readonly #background = {
    waitUntil: (promise: Promise<unknown>) => {
      promise.catch(() => undefined);
    },
  };
}
