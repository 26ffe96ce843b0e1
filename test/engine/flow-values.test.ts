/**
 * Whatever is deleted, purged and run again, in whatever order: no task is passed, and no flow results in, a value that no
 * task returned. What each task returned is remembered beside the database, and the graph is read plainly.
 */

import { env } from "cloudflare:workers";
import fc from "fast-check";
import { expect, it } from "vitest";
import { Suspects } from "../../src/clock/suspects.ts";
import { tick } from "../../src/clock/tick.ts";
import { isTerminal } from "../../src/core/states.ts";
import { deleteEnded, deleteFlow } from "../../src/engine/delete.ts";
import { retryFlow } from "../../src/engine/flows/control.ts";
import { presentFlow } from "../../src/engine/flows/read.ts";
import { retry } from "../../src/engine/retry.ts";
import { readFlow } from "../../src/results/flows/flows.ts";
import { findTask } from "../../src/engine/registry.ts";
import { givenTo } from "../../src/worker/endings.ts";
import type { FlowResource } from "../../src/contract/flow.ts";
import { randomGraph, randomOf, type Graph } from "../core/flow-random.ts";
import { readGraph, type Run } from "../core/flow-reading.ts";
import { runs } from "../setup/runs.ts";
import { databaseOver, type Execute } from "./database-over.ts";
import { isErrorKey } from "./flow-checks.ts";
import { newFlow, workerOn } from "./flow-tasks.ts";
import { quietEnv } from "./webhook-tasks.ts";
import { createWorlds } from "./worlds.ts";

const MINUTE = 60_000;
const DAY = 86_400_000;

const background = { waitUntil: (work: Promise<unknown>) => void work.catch(() => undefined) };
const noop = findTask("test.noop", env)!;
const show = (value: unknown) => JSON.stringify(value);

function demand(found: unknown, wanted: unknown): void {
  if (show(found) !== show(wanted)) throw new Error(`${show(found)} must be ${show(wanted)}`);
}

type Act =
  /** Up to so many tasks run. */
  | { do: "work"; nth: number }
  /** Time passes, and the clock ticks. */
  | { do: "pass"; ms: number }
  /** A task goes another way from now on. */
  | { do: "turn"; nth: number }
  | { do: "retryFlow" | "deleteFlow" }
  | { do: "retryFrom" | "retryTask" | "deleteTask"; nth: number }
  | { do: "retryAll" | "deleteAll" }
  /** What an earlier release did: a task is removed from under its flow. */
  | { do: "lose"; nth: number };

const nth = fc.nat(30);
const act: fc.Arbitrary<Act> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ do: fc.constant("work" as const), nth }) },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant("pass" as const), ms: fc.constantFrom(2_000, 2 * MINUTE, DAY, 8 * DAY) }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("turn" as const), nth }) },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constantFrom("retryFrom" as const, "retryTask" as const, "deleteTask" as const),
      nth,
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom("retryFlow" as const, "retryAll" as const) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom("deleteAll" as const, "deleteFlow" as const) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("lose" as const), nth }) },
);

/** How often each of these came about: a property that nothing tries holds for nothing. */
const figures = { inputs: 0, gone: 0, results: 0, purged: 0, refused: 0, again: 0 };

/** A flow, and what is known of it beside the database. */
class Story {
  readonly #db: D1Database;
  readonly #env: Env;
  readonly #body: Graph & { onError?: Graph };
  readonly #bad = new Set<string>();
  /** What tasks returned at their latest success, and all keys, by their ids. */
  readonly #returned = new Map<string, unknown>();
  readonly #ends = new Map<string, { key: string; ok: boolean }>();
  readonly #memory = new Map<string, unknown>();
  readonly #suspects = new Suspects();
  #now = Date.now();
  #id = "";
  /** As it was after the last step; null where it is gone. */
  #flow: FlowResource | null = null;
  #values = 0;
  #isGone = false;
  #hasLost = false;

  constructor(execute: Execute, seed: number) {
    this.#db = databaseOver(execute);
    this.#env = quietEnv(this.#db);
    const random = randomOf(seed);
    const retained = (graph: Graph): Graph =>
      JSON.parse(show(graph), (_, node: unknown) => {
        const isTask = typeof node === "object" && node !== null && "task" in node;
        return isTask && random() < 0.7 ? { ...node, options: { retention: random() < 0.5 ? "1s" : "1m" } } : node;
      }) as Graph;
    const body = retained(randomGraph(random, 1 + Math.floor(random() * 9)));
    this.#body = random() < 0.3 ? { ...body, onError: { task: "test.noop" } } : body;
    for (const key of readGraph(body, () => ({ ok: true, result: null })).nodes.keys()) {
      if (random() < 0.25) this.#bad.add(key);
    }
  }

  async begin(): Promise<void> {
    await this.#db.batch(["tasks", "payloads", "flows"].map((table) => this.#db.prepare(`DELETE FROM ${table}`)));
    this.#id = await newFlow(this.#body, this.#db);
    this.#flow = await this.#read();
  }

  /** Does it, and looks at everything; answers whether there is anything left to do something with. */
  async go(step: Act): Promise<boolean> {
    await this.#do(step, this.#flow!);
    this.#flow = await this.#read();
    await this.#check(this.#flow);
    return this.#flow !== null;
  }

  async #do(step: Act, flow: FlowResource): Promise<void> {
    const ids = flow.nodes.map(({ task }) => task.id);
    const one = "nth" in step && ids.length > 0 ? [ids[step.nth % ids.length]!] : [];
    this.#now++;
    switch (step.do) {
      case "work":
        return this.#work(flow, step.nth % 4);
      case "pass":
        this.#now += step.ms;
        for (let i = 0; i < 3; i++) await this.#tick();
        return;
      case "turn": {
        const key = flow.nodes[step.nth % Math.max(1, ids.length)]?.key ?? "";
        if (!this.#bad.delete(key)) this.#bad.add(key);
        return;
      }
      case "retryFlow":
        return this.#again(
          await retryFlow(this.#env, background, (await readFlow(this.#db, "default", this.#id))!, null, this.#now),
        );
      case "retryFrom":
        if (flow.state === "running" || one.length === 0) return;
        return this.#again(
          await retryFlow(this.#env, background, (await readFlow(this.#db, "default", this.#id))!, one[0]!, this.#now),
        );
      case "retryTask":
        return this.#again((await retry(this.#env, background, one, null, this.#now)).length);
      case "retryAll":
        return this.#again((await retry(this.#env, background, ids, null, this.#now)).length);
      case "deleteTask":
      case "deleteAll": {
        const given = step.do === "deleteAll" ? ids : one;
        figures.refused += given.length;
        demand(await deleteEnded(this.#env, given), 0);
        return;
      }
      case "deleteFlow":
        this.#isGone = typeof (await deleteFlow(this.#env, this.#id)) === "object";
        demand(this.#isGone, flow.state !== "running");
        return;
      case "lose":
        if (one.length === 0 || !isTerminal(flow.nodes.find(({ task }) => task.id === one[0])!.task.state)) return;
        this.#hasLost = true;
        await this.#db.prepare("DELETE FROM tasks WHERE id = ?1").bind(one[0]).run();
    }
  }

  #again(started: number): void {
    figures.again += started;
  }

  async #work(flow: FlowResource, more: number): Promise<void> {
    const worker = workerOn(this.#db);
    const queued = flow.nodes.filter(({ task }) => task.state === "queued").slice(0, 1 + more);
    for (const task of await worker.claim(
      queued.map((node) => node.task.id),
      this.#now,
    )) {
      const key = task.nodeKey!;
      const given = await givenTo(this.#env, noop, task);
      if (!given.success) {
        figures.gone++;
        demand([this.#hasLost, "error" in given.ending && given.ending.error.type], [true, "ValueGoneError"]);
        await worker.end([task], () => given.ending, this.#now);
        this.#ends.set(task.id, { key, ok: false });
        continue;
      }
      if (!isErrorKey(key)) this.#checkInput(key, given.data);
      const isBad = this.#bad.has(key);
      const value = this.#newValue(key);
      await worker.end(
        [task],
        () =>
          isBad
            ? { outcome: "failed", error: { type: "Error", message: "bad" }, retryable: false }
            : { outcome: "succeeded", result: show(value) },
        this.#now,
      );
      this.#ends.set(task.id, { key, ok: !isBad });
      if (!isBad) this.#returned.set(task.id, value);
    }
  }

  /** A value that no task has returned before; or null, which tasks return as well. */
  #newValue(key: string): unknown {
    this.#values++;
    if (this.#values % 5 === 0) return null;
    return this.#values % 5 === 1 ? { [key]: [this.#values] } : `${key}#${this.#values}`;
  }

  /** How the tasks have gone so far; `see` hears what each would be passed. */
  #run(see: (key: string, input: unknown) => void): Run {
    const byKey = new Map([...this.#ends].map(([id, { key, ok }]) => [key, { id, ok }]));
    return (key, input) => {
      see(key, input);
      const end = byKey.get(key);
      return { ok: end?.ok === true, result: end && this.#returned.get(end.id) };
    };
  }

  #checkInput(key: string, given: unknown): void {
    figures.inputs++;
    const expected = new Map<string, unknown>();
    readGraph(
      this.#body,
      this.#run((name, input) => void expected.set(name, input)),
    );
    demand(`${key} is passed ${show(given ?? null)}`, `${key} is passed ${show(expected.get(key))}`);
  }

  async #check(flow: FlowResource | null): Promise<void> {
    const { results } = await this.#db.prepare("SELECT id, state FROM tasks").all<{ id: string; state: string }>();
    if (flow === null) {
      if (!this.#isGone) figures.purged++;
      // All of it at once, and nothing stays behind.
      demand(results, []);
      return;
    }
    demand(this.#isGone, false);
    const ids = await this.#db.prepare("SELECT json(ids) AS ids FROM flows").first<string>("ids");
    if (!this.#hasLost) demand(results.map(({ id }) => id).toSorted(), (JSON.parse(ids!) as string[]).toSorted());
    if (flow.state !== "succeeded") {
      demand(flow.result, null);
      return;
    }
    if (flow.error !== null) {
      figures.gone++;
      demand([this.#hasLost, flow.error.type, flow.result], [true, "ValueGoneError", null]);
      return;
    }
    figures.results++;
    const expected = readGraph(
      this.#body,
      this.#run(() => undefined),
    );
    demand(show(flow.result), show(expected.result));
  }

  async #read(): Promise<FlowResource | null> {
    const row = await readFlow(this.#db, "default", this.#id);
    return row && presentFlow(this.#env, row, "", 10_000);
  }

  async #tick(): Promise<void> {
    const kv = {
      get: (key: string) => this.#memory.get(key),
      put: (key: string, value: unknown) => void this.#memory.set(key, value),
    } as unknown as SyncKvStorage;
    const CLOCK = { getByName: () => ({ wakeBy: async (at: number) => at }) } as unknown as Env["CLOCK"];
    const next = await tick({ ...this.#env, CLOCK }, kv, this.#now, this.#suspects, { stopwatch: () => 0 });
    this.#now = Math.max(this.#now, Math.min(next ?? this.#now, this.#now + MINUTE));
  }
}

/** Stories that are told at the same time, so that their calls travel together. */
const TOGETHER = 20;
const RUNS = runs(2, 60);

it(`in ${RUNS * TOGETHER} stories of flows no value is made up`, async () => {
  const migrations = env.TEST_MIGRATIONS.flatMap((migration) => migration.queries);
  const databases = await createWorlds(env.DB, migrations, TOGETHER);
  const story = fc.record({ seed: fc.nat(), steps: fc.array(act, { minLength: 8, maxLength: 30, size: "max" }) });
  const stories = fc.array(story, { minLength: TOGETHER, maxLength: TOGETHER, size: "max" });
  await fc.assert(
    fc.asyncProperty(stories, async (all) => {
      const told = all.map(async ({ seed, steps }, n) => {
        const each = new Story(databases[n]!, seed);
        await each.begin();
        for (const [i, step] of steps.entries()) {
          const isLeft = await each.go(step).catch((error: unknown) => {
            throw new Error(`seed ${seed}, after ${show(steps.slice(0, i + 1))}: ${String(error)}`);
          });
          if (!isLeft) return;
        }
      });
      const [failure] = (await Promise.allSettled(told)).filter((one) => one.status === "rejected");
      if (failure) throw failure.reason;
    }),
    // A story is its own counterexample: twenty at once would be shrunk for minutes.
    { numRuns: RUNS, endOnFailure: true },
  );
  console.log("flow values:", figures);
  for (const count of Object.values(figures)) expect(count).toBeGreaterThan(0);
});
