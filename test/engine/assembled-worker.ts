/**
 * The whole Worker, put together in the test's own isolate: the real app, consumer, clock and attempts,
 * on the real D1 and real progress objects. Only the queues deliver when they are told to, the clock
 * ticks when it is told to, and every call to a binding goes through a function of the test.
 */

import { env } from "cloudflare:workers";
import type { Bell } from "../../src/broker/bells.ts";
import { Suspects } from "../../src/clock/suspects.ts";
import { tick } from "../../src/clock/tick.ts";
import { LANES, type Lane } from "../../src/core/bounds.ts";
import type { ClaimedTask } from "../../src/results/claim-tasks.ts";
import { routes } from "../../src/app/routes.ts";
import { createApp } from "../../src/web/app.ts";
import { attemptOf } from "../../src/worker/attempt.ts";
import { consume, consumeDead } from "../../src/worker/consume.ts";
import { commit } from "../../src/engine/commit.ts";
import type { Commit } from "../../src/results/commit-attempts.ts";
import { runningIn } from "../../src/worker/running.ts";
import { keepRateQueue } from "../../src/worker/rate-queue.ts";
import { handlersOf, workOff, type Handlers } from "../../src/worker/work.ts";
import { vi } from "vitest";
import { databaseOver, executeOn, type Execute } from "./database-over.ts";

/** What happens around a call to a binding: it may throw before or after `call`, or count it. */
export type Around = <T>(binding: "queue" | "progress" | "clock", call: () => Promise<T>) => Promise<T>;

export interface Message {
  /** Of the queue, without `lovage-`. */
  lane: Lane | `turns-${Lane}`;
  body: unknown;
}

interface Options {
  /** What happens around each call to D1. */
  database?: (execute: Execute) => Execute;
  around?: Around;
  /** What happens to the messages of one `sendBatch`; answers those that will be delivered. */
  post?: (messages: Message[]) => Message[];
  /** How handlers are called instead; `real` calls them. */
  handlers?: (real: Handlers) => Handlers;
}

const app = createApp(routes);

/** As wrangler.toml has it. */
const BATCH_SIZE = 100;

const isTurn = (message: Message) => message.lane.startsWith("turns-");

export class AssembledWorker {
  readonly env: Env;
  /** Messages that wait for delivery. */
  queued: Message[] = [];
  /** Every attempt whose handler was started, as `id/attempt`. */
  readonly started: string[] = [];
  /** Messages of every `sendBatch`, delivered or not. */
  readonly sent: Message[][] = [];
  /** When the clock ticks next, in ms since the epoch. */
  nextTick: number | null = null;
  readonly #kv = new Map<string, unknown>();
  readonly #handlers: Handlers;
  /** Work that goes on in objects. */
  #apart = 0;
  readonly #suspects = new Suspects();
  readonly #options: Options;

  constructor(options: Options = {}) {
    this.#options = options;
    const { database = (execute) => execute } = options;
    const lanes = Object.fromEntries(
      LANES.flatMap((lane) => [
        [`LANE_${lane.toUpperCase()}`, this.#queueOf(lane)],
        [`TURNS_${lane.toUpperCase()}`, this.#queueOf(`turns-${lane}`)],
      ]),
    );
    this.env = {
      ...env,
      ...lanes,
      DB: databaseOver(database(executeOn(env.DB))),
      PROGRESS: { getByName: (id: string) => this.#objectOf(id) } as unknown as Env["PROGRESS"],
      CLOCK: { getByName: () => this.#clock() } as unknown as Env["CLOCK"],
      ATTEMPTS: { newUniqueId: () => null, get: () => this.#attemptObject() } as unknown as Env["ATTEMPTS"],
      RATES: { getByName: (key: string) => this.#rateObject(key) } as unknown as Env["RATES"],
    };
    const real = handlersOf(this.env);
    const { one, together } = options.handlers?.(real) ?? real;
    this.#handlers = {
      one: (attempt) => {
        this.started.push(`${attempt.task.id}/${attempt.task.attempt}`);
        return one(attempt);
      },
      together: (attempts) => {
        this.started.push(...attempts.map(({ task }) => `${task.id}/${task.attempt}`));
        return together(attempts);
      },
    };
    delete (this.env as Partial<Env>).BOOT_AT;
  }

  /** A request with the service's own key. What it leaves in `waitUntil` is done when this answers. */
  async fetch(
    path: string,
    init: { method?: string; body?: unknown; headers?: Record<string, string> } = {},
  ): Promise<Response> {
    const { ctx, left } = invocation();
    const headers = { authorization: `Bearer ${env.API_KEY}`, "content-type": "application/json", ...init.headers };
    const body = init.body === undefined ? null : JSON.stringify(init.body);
    const method = init.method ?? (body === null ? "GET" : "POST");
    const response = await app.fetch(new Request(`http://localhost${path}`, { method, headers, body }), this.env, ctx);
    await left();
    return response;
  }

  /** Delivers these messages, or all that wait; answers when all work that they started is done. */
  async deliver(messages: Message[] = this.queued.splice(0)): Promise<void> {
    this.queued.push(...messages.filter(isTurn));
    const bells = messages.filter((message) => !isTurn(message));
    const lanes = Map.groupBy(bells, (message) => message.lane);
    const batches = [...lanes].flatMap(([lane, all]) =>
      Array.from({ length: Math.ceil(all.length / BATCH_SIZE) }, (_, i) => ({
        queue: `lovage-${lane}`,
        messages: all.slice(i * BATCH_SIZE, (i + 1) * BATCH_SIZE),
      })),
    );
    await Promise.all(batches.map((batch) => this.deliverTo(batch.queue, batch.messages)));
    await this.#deliverTurns();
  }

  /** One after another, as wrangler.toml has it; those that come back wait for the next delivery. */
  async #deliverTurns(): Promise<void> {
    const returned: Message[] = [];
    for (let i = this.queued.findIndex(isTurn); i >= 0; i = this.queued.findIndex(isTurn)) {
      const [message] = this.queued.splice(i, 1);
      if ((await this.deliverTo(`lovage-${message!.lane}`, [message!])) === "returned") returned.push(message!);
    }
    this.queued.push(...returned);
  }

  /** One batch to the consumer of this queue; answers what became of its messages when the work is done. */
  async deliverTo(queue: string, bodies: Pick<Message, "body">[]): Promise<"acknowledged" | "returned" | "neither"> {
    let fate: "acknowledged" | "returned" | "neither" = "neither";
    const left: Pick<Message, "body">[] = [];
    const batch = {
      queue,
      messages: bodies.map(({ body }, i) => ({
        id: `m${i}`,
        timestamp: new Date(),
        attempts: 1,
        body,
        ack: () => void (fate = "acknowledged"),
        // One that comes back at once was left to another event.
        retry: (how?: QueueRetryOptions) => void (how === undefined ? left.push({ body }) : (fate = "returned")),
      })),
      ackAll: () => void (fate = "acknowledged"),
      retryAll: () => void (fate = "returned"),
    } as unknown as MessageBatch;
    if (queue === "lovage-dead") await consumeDead(batch, this.env);
    else await consume(batch, this.env, invocation().ctx, this.#handlers);
    // Not until the last promise of the invocation: it waits some seconds for figures to write.
    const isIdle = () => this.#apart === 0 && LANES.every((lane) => runningIn(lane) === 0);
    await vi.waitUntil(isIdle, { timeout: 60_000, interval: 5 });
    if (left.length > 0) await this.deliverTo(queue, left);
    return fate;
  }

  /** The clock's alarm rings. */
  async tick(now: number): Promise<void> {
    this.nextTick = null;
    const kv = {
      get: (key: string) => this.#kv.get(key),
      put: (key: string, value: unknown) => void this.#kv.set(key, value),
    } as unknown as SyncKvStorage;
    const next = await tick(this.env, kv, now, this.#suspects, { stopwatch: () => 0 });
    this.#wakeBy(next ?? Infinity);
  }

  #wakeBy(at: number): void {
    if (at < (this.nextTick ?? Infinity)) this.nextTick = at;
  }

  #attemptObject() {
    const start = async (tasks: ClaimedTask[]) => this.#workApart(tasks);
    const write = async (commits: Commit[]) => void (await commit(this.env, commits));
    return { start, commit: write };
  }

  #rateObject(key: string) {
    const keep = async () => {
      this.#apart++;
      const start = (task: ClaimedTask) => this.#workApart([task], task.startedAt - Date.now());
      void keepRateQueue(this.env, key, start, 1_000).finally(() => this.#apart--);
    };
    return { keep };
  }

  #workApart(tasks: ClaimedTask[], afterMs = 0): void {
    this.#apart++;
    const work = async () => {
      await scheduler.wait(Math.max(0, afterMs));
      const attempts = tasks.map((task) => attemptOf(this.env, task));
      await workOff(this.env, attempts, Date.now() + 900_000, this.#handlers);
    };
    void work().finally(() => this.#apart--);
  }

  async #around<T>(binding: Parameters<Around>[0], call: () => Promise<T>): Promise<T> {
    return this.#options.around ? this.#options.around(binding, call) : call();
  }

  #queueOf(lane: Message["lane"]): Queue {
    const sendBatch = (batch: Iterable<MessageSendRequest<Bell>>) =>
      this.#around("queue", async () => {
        const messages = [...batch].map(({ body }): Message => ({ lane, body }));
        this.sent.push(messages);
        this.queued.push(...(this.#options.post?.(messages) ?? messages));
      });
    return { sendBatch } as unknown as Queue;
  }

  #clock() {
    return {
      wakeBy: (at: number) =>
        this.#around("clock", async () => {
          this.#wakeBy(at);
          return this.nextTick;
        }),
      linkKeys: async () => env.CLOCK.getByName("clock").linkKeys(),
      status: async () => env.CLOCK.getByName("clock").status(),
    };
  }

  /** The real object of the task, each of its methods behind `around`. */
  #objectOf(id: string): object {
    const object = env.PROGRESS.getByName(id);
    return new Proxy(object, {
      get: (target, name) => {
        const method = Reflect.get(target, name) as unknown;
        if (typeof method !== "function") return method;
        // Called on the stub itself: to it, every other name is one of the object's methods.
        return (...args: unknown[]) => this.#around("progress", async () => call(target, name, args));
      },
    });
  }
}

function call(target: object, name: string | symbol, args: unknown[]): unknown {
  return (target as Record<typeof name, (...args: unknown[]) => unknown>)[name]!(...args);
}

/** A context of an invocation, and how to wait for what was left in it. */
function invocation(): { ctx: ExecutionContext; left: () => Promise<unknown> } {
  const promises: Promise<unknown>[] = [];
  const ctx = {
    waitUntil: (promise: Promise<unknown>) => void promises.push(promise),
    passThroughOnException() {},
    props: {},
  };
  return { ctx: ctx as unknown as ExecutionContext, left: () => Promise.allSettled(promises) };
}
