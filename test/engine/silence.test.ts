/** D1 is silent for a while, in virtual time: no attempt is repeated because of it, and one that was really cut off goes on. */

import { env } from "cloudflare:workers";
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { backoff } from "../../src/clock/backoff.ts";
import { Suspects } from "../../src/clock/suspects.ts";
import { tick } from "../../src/clock/tick.ts";
import { commit } from "../../src/engine/commit.ts";
import { claimTasks, type ClaimedTask } from "../../src/results/claim-tasks.ts";
import { insertTasks } from "../../src/results/submit-tasks.ts";
import { renewLeases } from "../../src/results/leases.ts";
import { BROKEN } from "./actor.ts";
import { databaseOver, executeOn } from "./database-over.ts";
import { endOf, newTask, newTenant, quietEnv } from "./webhook-tasks.ts";

const SECOND = 1_000;
const MINUTE = 60 * SECOND;

/** Living attempts of one run, each claimed a second after the one before; and those that are cut off in the silence. */
const LIVING = 12;
const CRASHED = 4;

let now = Date.UTC(2032, 0, 1);
let silence = { from: 0, until: 0 };
/** The draws of the run that goes on. */
let seed = 1;

function random(): number {
  seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
  return seed / 2 ** 32;
}

function pass(ms: number): void {
  now += Math.max(0, Math.round(ms));
  vi.setSystemTime(now);
}

const execute = executeOn(env.DB);
const db = databaseOver(async (statements) => {
  if (now >= silence.from && now < silence.until) throw new Error(BROKEN);
  return execute(statements);
});

function worldEnv(): Env {
  const clock = { getByName: () => ({ wakeBy: async (at: number) => at }) } as unknown as Env["CLOCK"];
  return { ...quietEnv(db), CLOCK: clock };
}

beforeAll(() => {
  vi.useFakeTimers({ toFake: ["Date"], now });
  vi.spyOn(scheduler, "wait").mockImplementation(async (ms) => pass(ms));
});

afterAll(() => {
  vi.restoreAllMocks();
  vi.useRealTimers();
});

beforeEach(async () => {
  await env.DB.prepare("DELETE FROM tasks").run();
  pass(MINUTE);
});

interface Worker {
  task: ClaimedTask;
  leaseMs: number;
  /** When it renews its lease next; infinite once it is cut off. */
  beatsAt: number;
  diesAt: number;
}

/** The clock as its object does it: a tick that fails is repeated later. */
class TestClock {
  readonly suspects = new Suspects();
  nextAt = now;
  failures = 0;
  ticks = 0;
  failed = 0;
  readonly #kv = new Map<string, unknown>();

  async ring(): Promise<void> {
    this.ticks++;
    const kv = {
      get: (key: string) => this.#kv.get(key),
      put: (key: string, value: unknown) => void this.#kv.set(key, value),
    } as unknown as SyncKvStorage;
    try {
      const next = await tick(worldEnv(), kv, now, this.suspects, { stopwatch: () => now });
      this.nextAt = next ?? Infinity;
      this.failures = 0;
    } catch {
      this.failed++;
      this.nextAt = now + backoff(++this.failures, random());
    }
  }
}

/** Attempts begin, D1 falls silent for so long, answers again, and two minutes go by. */
async function run(silentMs: number, phase: number) {
  seed = phase + 1;
  silence = { from: now + 30 * SECOND + phase, until: now + 30 * SECOND + phase + silentMs };
  const end = silence.until + 2 * MINUTE;
  const clock = new TestClock();
  const workers: Worker[] = [];
  const tenant = newTenant();
  for (let i = 0; i < LIVING + CRASHED; i++) {
    const task = { ...newTask(tenant), createdAt: now, runAt: now };
    await insertTasks(db, [task]);
    const [claimed] = (await claimTasks(db, [task.id], crypto.randomUUID(), now)).claimed;
    const leaseMs = claimed!.leaseUntil - now;
    const diesAt = i < LIVING ? Infinity : silence.from + (silentMs * (i - LIVING)) / CRASHED;
    workers.push({ task: claimed!, leaseMs, beatsAt: now + leaseMs * 0.6, diesAt });
    pass(SECOND);
  }
  while (now < end) {
    const worker = workers.reduce((first, each) => (each.beatsAt < first.beatsAt ? each : first));
    if (clock.nextAt <= worker.beatsAt) {
      pass(clock.nextAt - now);
      await clock.ring();
      continue;
    }
    pass(worker.beatsAt - now);
    if (now >= worker.diesAt) {
      worker.beatsAt = Infinity;
      continue;
    }
    const { id, attempt } = worker.task;
    const began = now;
    try {
      await renewLeases(db, [{ id, attempt, until: now + worker.leaseMs }]);
      worker.beatsAt = now + worker.leaseMs * 0.6;
    } catch {
      // Workers beat side by side: what one of them waits does not hold up the others.
      now = began;
      vi.setSystemTime(now);
      worker.beatsAt = now + SECOND * (0.5 + random());
    }
  }
  const living = workers.slice(0, LIVING).map((worker) => worker.task);
  const held = await commit(
    worldEnv(),
    living.map((task) => ({ ...endOf(task), at: now })),
  );
  const { results } = await env.DB.prepare("SELECT id, state, crashes, attempt FROM tasks").all<{
    id: string;
    state: string;
    crashes: number;
    attempt: number;
  }>();
  const byId = new Map(results.map((row) => [row.id, row]));
  return { held, clock, rowsOf: (tasks: Worker[]) => tasks.map((worker) => byId.get(worker.task.id)!), workers };
}

describe.for([15, 60, 120])("a D1 that is silent for %i s", (seconds) => {
  it(
    "has no attempt repeated and none lost, and rescues what was cut off meanwhile",
    { timeout: 120_000 },
    async () => {
      for (let phase = 0; phase < 17 * SECOND; phase += 4_300) {
        const { held, clock, rowsOf, workers } = await run(seconds * SECOND, phase);
        const living = rowsOf(workers.slice(0, LIVING));
        expect(living.map(({ state, crashes, attempt }) => ({ state, crashes, attempt }))).toEqual(
          Array.from({ length: LIVING }, () => ({ state: "succeeded", crashes: 0, attempt: 1 })),
        );
        expect(held).toHaveLength(LIVING);
        const crashed = rowsOf(workers.slice(LIVING));
        expect(crashed.map(({ state, crashes }) => ({ state, crashes }))).toEqual(
          Array.from({ length: CRASHED }, () => ({ state: "queued", crashes: 1 })),
        );
        // Backing off, it asks a silent D1 a few times only.
        expect(clock.failed).toBeLessThanOrEqual(4 + seconds / 8);
      }
    },
  );
});

describe("a D1 that answers", () => {
  it("has an attempt that was cut off rescued within 5 s of its lease's end", async () => {
    silence = { from: Infinity, until: Infinity };
    const clock = new TestClock();
    const task = { ...newTask(newTenant()), createdAt: now, runAt: now };
    await insertTasks(db, [task]);
    const [claimed] = (await claimTasks(db, [task.id], crypto.randomUUID(), now)).claimed;
    const stateOf = () => env.DB.prepare("SELECT state FROM tasks WHERE id = ?1").bind(task.id).first<string>("state");
    while ((await stateOf()) === "running") {
      pass(clock.nextAt - now);
      await clock.ring();
      expect(now).toBeLessThanOrEqual(claimed!.leaseUntil + 5 * SECOND);
    }
    expect(now).toBeGreaterThan(claimed!.leaseUntil);
    expect(clock.ticks).toBeLessThanOrEqual(4);
  });
});
