/**
 * Everything that the Worker calls may fail, before or after it has done what it was asked: D1, queues,
 * progress objects, the clock. Hundreds of tasks go through the real app, consumer and clock all the same.
 */

import { env } from "cloudflare:workers";
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import { isTerminal } from "../../src/core/states.ts";
import { BROKEN } from "./actor.ts";
import { AssembledWorker } from "./assembled-worker.ts";
import { executeOn } from "./database-over.ts";
import { jumpTo, passTime, realTime } from "./passing-time.ts";
import { runs } from "../setup/runs.ts";
import { look, WITNESS, wrongMoves, wrongWith, type Seen } from "./witness.ts";

const TASKS = runs(600, 2_000);

/** Of these, so many come in batches. */
const BATCHED = TASKS * 0.4;
const BATCH = 50;

/** Requests side by side. */
const CLIENTS = 20;

/** How many calls fail: always, and while the database is all but gone. */
const FAILING = 0.1;
const STORM = 0.9;

const SEED = inject("seed");

/** mulberry32: https://gist.github.com/tommyettinger/46a874533244883189143505d203312c */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const random = randomFrom(SEED);
const chance = (probability: number) => random() < probability;
const among = <T>(list: readonly T[]) => list[Math.floor(random() * list.length)]!;

const injected = { before: 0, after: 0 };
let failing = 0;

/** Does what it is asked; but sometimes fails before, and sometimes after it has. */
async function flaky<T>(call: () => Promise<T>, message: string): Promise<T> {
  const fails = chance(failing);
  if (fails && chance(0.5)) {
    injected.before++;
    throw new Error(message);
  }
  const answer = await call();
  if (fails) {
    injected.after++;
    throw new Error(message);
  }
  return answer;
}

const MESSAGES = {
  queue: "Too Many Requests",
  progress: "Durable Object is overloaded.",
  clock: "Network connection lost.",
};

const service = new AssembledWorker({
  database: (execute) => (statements) => flaky(() => execute(statements), BROKEN),
  around: (binding, call) => flaky(call, MESSAGES[binding]),
});

/** Submissions by what must become of them. */
const KINDS = {
  noop: { task: "test.noop", state: "succeeded" },
  add: { task: "test.add", input: { x: 1, y: 2 }, state: "succeeded" },
  large: { task: "test.identity", input: { value: "x".repeat(20_000) }, state: "succeeded" },
  again: {
    task: "test.failTimes",
    input: { times: 1 },
    options: { retry: { base: 10, jitter: "none" } },
    state: "succeeded",
  },
  fail: {
    task: "test.fail",
    input: { message: "no" },
    options: { maxAttempts: 2, retry: { base: 10 } },
    state: "failed",
  },
  never: { task: "test.fail", input: { message: "never", retryable: false }, state: "failed" },
  later: { task: "test.noop", options: { delay: "4s" }, state: "succeeded" },
  talks: { task: "test.log", input: { lines: 3 }, state: "succeeded" },
  reports: { task: "test.progress", input: { steps: 2, ms: 1 }, state: "succeeded" },
  together: { task: "test.batch", input: { value: 1 }, state: "succeeded" },
  togetherAgain: { task: "test.batch", input: { value: 2, fail: "error" }, state: "succeeded" },
} as const;

type Kind = keyof typeof KINDS;

interface Wanted {
  kind: Kind;
  n: string;
}

function submissionOf({ kind, n }: Wanted) {
  const { state: _, ...submission } = { options: {}, ...KINDS[kind] };
  return { ...submission, options: { ...submission.options, tags: { n } } };
}

/** What clients were told. */
const statuses = new Map<number, number>();
const accepted = new Map<string, Wanted>();
/** Submissions with a key, and without one, that were answered 503 at least once. */
const refused = { keyed: 0, plain: [] as Wanted[] };
/** Tasks that a caller has cancelled, run again or removed. */
const touched = new Set<string>();

async function ask(path: string, init?: Parameters<AssembledWorker["fetch"]>[1]): Promise<Response> {
  const response = await service.fetch(path, init);
  statuses.set(response.status, (statuses.get(response.status) ?? 0) + 1);
  if (response.status >= 500) {
    expect(`${response.status} ${path}`).toBe(`503 ${path}`);
    expect(response.headers.get("retry-after")).toMatch(/^\d+$/);
    expect(response.headers.get("content-type")).toContain("application/problem+json");
  }
  return response;
}

/** Like a good client: with a key it repeats what was answered 503, and else it gives up. */
async function submit(wanted: Wanted[]): Promise<void> {
  const isKeyed = chance(0.5);
  const headers = isKeyed ? { "idempotency-key": crypto.randomUUID() } : {};
  const submissions = wanted.map(submissionOf);
  const isBatch = wanted.length > 1;
  for (;;) {
    const response = await ask(isBatch ? "/v1/tasks/batch" : "/v1/tasks", {
      body: isBatch ? { tasks: submissions } : submissions[0],
      headers,
    });
    if (response.status === 503) {
      if (isKeyed) refused.keyed++;
      else refused.plain.push(...wanted);
      if (isKeyed) continue;
      return;
    }
    const body = await response.json<{ id: string; items?: { status: number; task: { id: string } }[] }>();
    const ids = body.items?.map((item) => item.task.id) ?? [body.id];
    for (const [i, id] of ids.entries()) accepted.set(id, wanted[i]!);
    return;
  }
}

/** A caller looks at, cancels, runs again or removes some task. */
async function meddle(): Promise<void> {
  const id = among([...accepted.keys()]);
  const path = `/v1/tasks/${id}`;
  const act = among(["read", "list", "events", "cancel", "retry", "delete"]);
  if (act === "read") await ask(path);
  if (act === "list") await ask("/v1/tasks?limit=5");
  if (act === "events") await ask(`${path}/events`);
  if (act === "cancel" || act === "retry") {
    touched.add(id);
    await ask(`${path}/${act}`, { method: "POST" });
  }
  if (act === "delete") {
    touched.add(id);
    await ask(path, { method: "DELETE" });
  }
}

/** The clock, as its own object does it: a tick that failed is repeated soon. */
async function tick(): Promise<void> {
  await service.tick(Date.now()).catch(() => (service.nextTick = Date.now() + 2_000));
}

async function readAll(): Promise<Map<string, Seen>> {
  return (await look(executeOn(env.DB), Infinity)).rows;
}

beforeAll(async () => {
  passTime();
  await env.DB.batch(WITNESS.map((sql) => env.DB.prepare(sql)));
  failing = FAILING;
});

afterAll(realTime);

describe(`${TASKS} tasks, while a tenth of all calls fail`, () => {
  it("are accepted or refused with 503, and worked off meanwhile", async () => {
    const kinds = Object.keys(KINDS) as Kind[];
    const wanted = Array.from({ length: TASKS }, (_, n): Wanted => ({ kind: among(kinds), n: String(n) }));
    const singles = wanted.slice(BATCHED).map((each) => [each]);
    const batches = Array.from({ length: BATCHED / BATCH }, (_, i) => wanted.slice(i * BATCH, (i + 1) * BATCH));
    // Batches among the single ones.
    const requests = singles.flatMap((single, i) =>
      i % 30 === 0 && batches.length > 0 ? [single, batches.pop()!] : [single],
    );
    expect(batches).toEqual([]);

    let isOpen = true;
    const working = (async () => {
      while (isOpen) {
        await service.deliver();
        await tick();
        await scheduler.wait(1);
      }
    })();
    let next = 0;
    const storm = [Math.floor(requests.length / 2), Math.floor(requests.length / 2) + 40] as const;
    const client = async () => {
      while (next < requests.length) {
        const request = requests[next++]!;
        failing = next >= storm[0] && next < storm[1] ? STORM : FAILING;
        await submit(request);
        if (chance(0.1)) await meddle();
      }
    };
    await Promise.all(Array.from({ length: CLIENTS }, client));
    isOpen = false;
    await working;
    expect(accepted.size).toBeGreaterThan(TASKS * 0.8);
    expect(statuses.get(503)).toBeGreaterThan(0);
  });

  it("all end", async () => {
    for (let round = 0; round < 200; round++) {
      await service.deliver();
      const rows = await readAll();
      if ([...rows.values()].every((row) => isTerminal(row.state))) break;
      // What the clock was not told, its watchdog finds within a minute.
      jumpTo(Math.min(service.nextTick ?? Infinity, Date.now() + 60_000));
      await tick();
    }
    const rows = await readAll();
    expect([...rows.values()].filter((row) => !isTerminal(row.state))).toEqual([]);
    expect([...accepted.keys()].filter((id) => !rows.has(id) && !touched.has(id))).toEqual([]);
  });

  it("end as they should, where no caller intervened", async () => {
    const rows = await readAll();
    const wrong = [...accepted].flatMap(([id, { kind }]) => {
      const row = rows.get(id);
      const isRight = touched.has(id) || row?.state === KINDS[kind].state || isWorn(row);
      return isRight ? [] : [`${kind} ${id} is ${row?.state}: ${row?.error}`];
    });
    expect(wrong).toEqual([]);
  });

  it("never have an attempt started twice", () => {
    expect(service.started.length).toBeGreaterThan(TASKS);
    expect(new Set(service.started).size).toBe(service.started.length);
  });

  it("moved along the arrows alone, and none of their rows is wrong", async () => {
    const { rows, moves } = await look(executeOn(env.DB), 0);
    expect(moves.length).toBeGreaterThan(2 * TASKS);
    expect(wrongMoves(moves, Infinity)).toEqual([]);
    expect([...rows.values()].flatMap((row) => wrongWith(row, Date.now()))).toEqual([]);
  });

  it("are one task each, however often a client asked with its key", async () => {
    const counts = new Map<string, number>();
    for (const row of (await readAll()).values()) {
      const { n } = JSON.parse(row.tags!) as { n: string };
      counts.set(n, (counts.get(n) ?? 0) + 1);
    }
    expect([...counts].filter(([, count]) => count > 1)).toEqual([]);
  });

  it("were never answered with an error that is ours, but for 503", () => {
    expect([...statuses.keys()].filter((status) => status >= 500)).toEqual([503]);
    const orphans = refused.plain.filter(({ n }) => ![...accepted.values()].some((wanted) => wanted.n === n)).length;
    console.log(
      `errors: seed ${SEED}, ${accepted.size} of ${TASKS} tasks accepted, ${service.started.length} attempts, ` +
        `${injected.before} calls failed before and ${injected.after} after their effect, ` +
        `answers ${JSON.stringify(Object.fromEntries(statuses))}, ` +
        `${refused.keyed} times 503 with a key and repeated, ${orphans} submissions given up`,
    );
  });
});

/** It was cut off three times, as may happen while all of D1 is gone. */
function isWorn(row: Seen | undefined): boolean {
  return row?.state === "failed" && row.crashes === 3;
}
