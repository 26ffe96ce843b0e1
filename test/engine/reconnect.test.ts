/** Whatever happens to a task or a flow, a client that reconnects with the last number that it saw misses nothing and hears nothing twice. */
import { abortAllDurableObjects, evictDurableObject, runDurableObjectAlarm } from "cloudflare:test";
import { env } from "cloudflare:workers";
import fc from "fast-check";
import { assert, describe, expect, it } from "vitest";
import type { TaskEvent } from "../../src/contract/event.ts";
import { MAX_HISTORY } from "../../src/core/bounds.ts";
import { isTerminal } from "../../src/core/states.ts";
import { change } from "../../src/engine/change.ts";
import { cancel } from "../../src/engine/cancel.ts";
import { submitFlow } from "../../src/engine/flows/submit.ts";
import { followFlow, listFlowEvents } from "../../src/engine/flows/follow.ts";
import { retryFlow } from "../../src/engine/flows/control.ts";
import { follow, listEvents } from "../../src/engine/events/follow.ts";
import { retry } from "../../src/engine/retry.ts";
import { tellObjects } from "../../src/engine/events/tell.ts";
import { claimTasks, type ClaimedTask } from "../../src/results/claim-tasks.ts";
import { commitAttempts } from "../../src/results/commit-attempts.ts";
import { startTasks } from "../../src/results/start-tasks.ts";
import { readFlow } from "../../src/results/flows/flows.ts";
import { insertTasks } from "../../src/results/submit-tasks.ts";
import { markObject, readTasks } from "../../src/results/read-tasks.ts";
import { Reporter } from "../../src/worker/reporter.ts";
import { OBJECT } from "../../src/core/wake.ts";
import { runs } from "../setup/runs.ts";
import { failed, flowOf, succeeded, workerOn } from "./flow-tasks.ts";
import { endOf, newTask, newTenant, quietEnv } from "./webhook-tasks.ts";

const NO_CLOCK = { getByName: () => ({ wakeBy: async (at: number) => at }) } as unknown as Env["CLOCK"];
const calm: Env = { ...quietEnv(), CLOCK: NO_CLOCK };
const background = { waitUntil: (work: Promise<unknown>) => void work.catch(() => undefined) };

/** A client, with what it has heard over all of its connections. */
class Client {
  readonly events: TaskEvent[] = [];

  get last(): number {
    return this.events.at(-1)?.seq ?? 0;
  }

  /** Hears a stream until it is quiet, has ended, or breaks after so many events. */
  async hear(stream: AsyncIterable<TaskEvent | null>, patience: number): Promise<TaskEvent[]> {
    const heard: TaskEvent[] = [];
    if (patience > 0) {
      for await (const event of stream) {
        if (event === null) break;
        heard.push(event);
        if (heard.length === patience) break;
      }
    }
    this.events.push(...heard);
    return heard;
  }
}

/** Everything that was ever shown: what each number stands for, and the largest one. */
class Witness {
  readonly #meanings = new Map<number, string>();
  #largest = 0;

  /** `events` is all that can be had now. */
  see(events: readonly TaskEvent[]): void {
    const fresh = events.filter(({ seq }) => !this.#meanings.has(seq)).map(({ seq }) => seq);
    assert.deepEqual(
      fresh,
      fresh.filter((seq) => seq > this.#largest).toSorted((a, b) => a - b),
    );
    const changed = events.filter((event) => (this.#meanings.get(event.seq) ?? meaning(event)) !== meaning(event));
    assert.deepEqual(changed, []);
    for (const event of events) this.#meanings.set(event.seq, meaning(event));
    this.#largest = Math.max(this.#largest, fresh.at(-1) ?? 0);
  }
}

/** Nothing where it is not in memory. */
async function evict(id: string): Promise<void> {
  await evictDurableObject(env.PROGRESS.getByName(id)).catch(() => undefined);
}

const meaning = ({ type, at, data }: TaskEvent) => JSON.stringify([type, at, type === "done" ? null : data]);

function expectOnce(events: readonly TaskEvent[]): void {
  const numbers = events.map(({ seq }) => seq);
  expect(numbers).toEqual([...new Set(numbers)].toSorted((a, b) => a - b));
}

async function* ofList(events: readonly TaskEvent[]): AsyncGenerator<TaskEvent> {
  yield* events;
}

/** Long enough for the object to say what it has kept. */
const PACE = { idleMs: 40, lookMs: 60_000 };

type Step =
  | { do: "attempt"; how: "fail" | "giveUp" | "crash" | "succeed" | "cancel"; reports: number; dies: boolean }
  | { do: "read"; patience: number; isLive: boolean }
  | { do: "listen" | "abort" | "evict" | "forget" | "hold" };

const attempts = fc.record({
  do: fc.constant("attempt" as const),
  how: fc.constantFrom("fail", "fail", "giveUp", "crash", "cancel"),
  // Most attempts report nothing, and so do most tasks.
  reports: fc.constantFrom(0, 0, 0, 2),
  dies: fc.boolean(),
});

const steps: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: attempts },
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant("read" as const), patience: fc.nat({ max: 9 }), isLive: fc.boolean() }),
  },
  { weight: 2, arbitrary: fc.constantFrom<Step>({ do: "abort" }, { do: "evict" }, { do: "forget" }) },
  { weight: 1, arbitrary: fc.constant<Step>({ do: "listen" }) },
);

/** What happens before the first start. */
const firstSteps = fc.array(fc.constantFrom<Step>({ do: "hold" }, { do: "listen" }, { do: "abort" }), { maxLength: 4 });

/** A task of which each step is the test's own. It lived long ago, so that whatever has ended has done so for longer than its events are kept. */
class Story {
  readonly id: string;
  readonly client = new Client();
  readonly #witness = new Witness();
  #now = Date.now() - 20 * 86_400_000;

  private constructor(id: string) {
    this.id = id;
  }

  static async begin(): Promise<Story> {
    const task = newTask(newTenant(), { retention: "365d", maxAttempts: 3 });
    await insertTasks(env.DB, [task]);
    return new Story(task.id);
  }

  async row() {
    return (await readTasks(env.DB, [this.id]))[0]!;
  }

  async take(step: Step): Promise<void> {
    this.#now += 1_000;
    if (step.do === "attempt") await this.attempt(step);
    else if (step.do === "read") await this.read(step.patience, step.isLive);
    else if (step.do === "listen") await markObject(env.DB, this.id, OBJECT.listened);
    else if (step.do === "hold") await this.hold();
    else if (step.do === "evict") await evict(this.id);
    else if (step.do === "forget") await runDurableObjectAlarm(env.PROGRESS.getByName(this.id));
    // Readers are shown only what is stored; what was not shown may be lost.
    else await abortAllDurableObjects();
  }

  async attempt({ how, reports, dies }: Extract<Step, { do: "attempt" }>): Promise<void> {
    if (isTerminal((await this.row()).state)) await retry(calm, background, [this.id], null, this.#now);
    await startTasks(env.DB, [this.id], Date.now() + 86_400_000);
    const [task] = (await claimTasks(env.DB, [this.id], crypto.randomUUID(), (this.#now += 1_000))).claimed;
    if (task === undefined) throw new Error(`nothing to claim: ${(await this.row()).state}`);
    const reporter = new Reporter(calm, task);
    for (let n = 1; n <= reports; n++) reporter.tellLog("info", `attempt ${task.attempt}, line ${n}`, undefined);
    await reporter.finish();
    if (how === "cancel") await cancel(calm, [this.id], null, (this.#now += 1_000));
    const error = { type: "Error", message: "no" };
    const end =
      how === "succeed"
        ? endOf(task)
        : how === "crash"
          ? endOf(task, { outcome: "crashed" })
          : endOf(task, { outcome: "failed", error, retryable: how === "fail" });
    const { held } = await commitAttempts(env.DB, [{ ...end, at: (this.#now += 1_000) }]);
    // An isolate that dies behind the commit tells no listener.
    if (!dies) await tellObjects(calm, held);
  }

  /** Paused, resumed and put off by hand, as long as it has not started. */
  async hold(): Promise<void> {
    await this.read(Infinity, false);
    for (const wanted of [{ paused: true }, { paused: false }, { runAt: this.#now + 60_000 }, { runAt: 0 }]) {
      await change(calm, background, this.id, wanted, null, (this.#now += 1_000));
      await this.read(Infinity, false);
    }
  }

  async read(patience: number, isLive: boolean): Promise<void> {
    const all = await listEvents(calm, await this.row(), 0);
    expectOnce(all);
    this.#witness.see(all);
    const { last } = this.client;
    const expected = all.filter(({ seq }) => seq > last).slice(0, patience);
    const stream = isLive
      ? follow(calm, await this.row(), last, new AbortController().signal, PACE)
      : ofList(await listEvents(calm, await this.row(), last));
    assert.deepEqual(await this.client.hear(stream, patience), expected);
  }
}

type FlowStep =
  | { do: "play"; pick: number; fails: boolean }
  | { do: "read"; patience: number; isLive: boolean }
  | { do: "retryFlow" | "abort" | "evict" | "forget" }
  | { do: "retryMember"; pick: number };

const flowSteps: fc.Arbitrary<FlowStep> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant("play" as const), pick: fc.nat(), fails: fc.boolean() }) },
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant("read" as const), patience: fc.nat({ max: 9 }), isLive: fc.boolean() }),
  },
  { weight: 2, arbitrary: fc.constant<FlowStep>({ do: "retryFlow" }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("retryMember" as const), pick: fc.nat() }) },
  { weight: 2, arbitrary: fc.constantFrom<FlowStep>({ do: "abort" }, { do: "evict" }, { do: "forget" }) },
);

const noop = { task: "test.noop" };

/** The same of a flow. */
class FlowStory {
  readonly id: string;
  readonly client = new Client();
  readonly #witness = new Witness();
  readonly #worker = workerOn();
  #now: number;

  private constructor(id: string, now: number) {
    this.id = id;
    this.#now = now;
  }

  static async begin(): Promise<FlowStory> {
    const now = Date.now() - 86_400_000;
    const origin = { tenant: "default", traceparent: null };
    const body = { chain: [noop, { group: [noop, noop] }, noop] };
    const { id } = await submitFlow(calm, background, body, origin, null, now);
    return new FlowStory(id, now);
  }

  async row() {
    return (await readFlow(env.DB, "default", this.id))!;
  }

  async take(step: FlowStep): Promise<void> {
    this.#now += 1_000;
    if (step.do === "play") await this.#play(step.pick, step.fails);
    else if (step.do === "read") await this.read(step.patience, step.isLive);
    else if (step.do === "retryFlow") await retryFlow(calm, background, await this.row(), null, this.#now);
    else if (step.do === "retryMember") await this.#retryMember(step.pick);
    else if (step.do === "evict") await evict(this.id);
    else if (step.do === "forget") await runDurableObjectAlarm(env.PROGRESS.getByName(this.id));
    else await abortAllDurableObjects();
  }

  /** Claims all that can be. */
  async claimAll(): Promise<ClaimedTask[]> {
    return this.#worker.claim(await this.#idsIn("queued"), (this.#now += 1_000));
  }

  async end(task: ClaimedTask, fails: boolean, later = 1_000): Promise<void> {
    await this.#worker.end([task], () => (fails ? failed : succeeded(1)), (this.#now += 1_000) + later);
  }

  async finish(): Promise<void> {
    while ((await this.row()).state !== "succeeded") {
      this.#now += 1_000;
      if ((await this.row()).state !== "running") await retryFlow(calm, background, await this.row(), null, this.#now);
      for (const task of await this.claimAll()) await this.end(task, false);
    }
  }

  async read(patience: number, isLive: boolean): Promise<void> {
    const all = await listFlowEvents(calm, await this.row(), 0);
    expectOnce(all);
    this.#witness.see(all);
    const { last } = this.client;
    const expected = all.filter(({ seq }) => seq > last).slice(0, patience);
    const stream = isLive
      ? followFlow(calm, await this.row(), last, new AbortController().signal)
      : ofList(await listFlowEvents(calm, await this.row(), last));
    assert.deepEqual(await this.client.hear(stream, expected.length), expected);
  }

  async #play(pick: number, fails: boolean): Promise<void> {
    const ids = await this.#idsIn("queued");
    if (ids.length === 0) return;
    const [task] = await this.#worker.claim([ids[pick % ids.length]!], (this.#now += 1_000));
    await this.end(task!, fails);
  }

  async #retryMember(pick: number): Promise<void> {
    const ids = await this.#idsIn("failed");
    if (ids.length > 0) await retry(calm, background, [ids[pick % ids.length]!], null, this.#now);
  }

  async #idsIn(state: string): Promise<string[]> {
    return (await flowOf(this.id)).nodes.flatMap(({ task }) => (task.state === state ? [task.id] : []));
  }
}

describe("a client that reconnects with the last number that it saw", () => {
  it("hears each later event of a task once, and the end, over retries, lost memory, forgotten events and deaths", async () => {
    await fc.assert(
      fc.asyncProperty(
        firstSteps,
        fc.array(steps, { minLength: 1, maxLength: 30, size: "max" }),
        async (first, program) => {
          const story = await Story.begin();
          for (const step of [...first, ...program]) await story.take(step);
          await story.take({ do: "attempt", how: "succeed", reports: 0, dies: true });
          await story.read(Infinity, true);
          expectOnce(story.client.events);
          expect(story.client.events.at(-1)).toMatchObject({ type: "done", data: { state: "succeeded" } });
        },
      ),
      { numRuns: runs(12, 200) },
    );
  });

  it("does so over more attempts than the task's history keeps", async () => {
    const story = await Story.begin();
    const count = MAX_HISTORY + 10;
    const ended = new Set<number>();
    for (let n = 1; n <= count; n++) {
      const how = n === count ? "succeed" : n % 4 === 0 ? "giveUp" : "fail";
      await story.take({ do: "attempt", how, reports: n === 30 ? 2 : 0, dies: n % 3 === 0 });
      await story.read(Infinity, n % 7 === 0);
      if (n % 20 === 0) await story.take({ do: n % 40 === 0 ? "forget" : "abort" });
    }
    expect((await story.row()).attempt).toBe(count);
    expectOnce(story.client.events);
    for (const { type, data } of story.client.events) {
      const { state, attempt } = data as { state?: string; attempt?: number };
      if (type === "state" && state === "running") ended.add(attempt!);
    }
    expect([...ended]).toEqual(Array.from({ length: count }, (_, i) => i + 1));
    expect(story.client.events.at(-1)).toMatchObject({ type: "done", data: { state: "succeeded" } });
  });

  it("ends with the task where the number is beyond every event", async () => {
    const story = await Story.begin();
    const heard = story.client.hear(
      follow(calm, await story.row(), Number.MAX_SAFE_INTEGER, new AbortController().signal, {
        ...PACE,
        idleMs: 60_000,
      }),
      9,
    );
    await expect.poll(async () => (await story.row()).object & OBJECT.listened).toBe(OBJECT.listened);
    await story.take({ do: "attempt", how: "succeed", reports: 0, dies: false });
    expect(await heard).toEqual([]);
  });

  it("hears each later event of a flow once, and the end, over new runs of the flow and of members, and lost memory", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(flowSteps, { minLength: 1, maxLength: 25, size: "max" }), async (program) => {
        const story = await FlowStory.begin();
        for (const step of program) await story.take(step);
        await story.finish();
        await story.read(Infinity, true);
        expectOnce(story.client.events);
        expect(story.client.events.at(-1)).toMatchObject({ type: "done", data: { id: story.id, state: "succeeded" } });
      }),
      { numRuns: runs(8, 100) },
    );
  });

  it("hears of a change that becomes visible behind later ones", async () => {
    const story = await FlowStory.begin();
    await story.take({ do: "play", pick: 0, fails: false });
    const [first, second] = await story.claimAll();
    await story.end(first!, false);
    await story.read(Infinity, false);
    // Of another machine, whose clock is behind.
    await story.end(second!, false, -60_000);
    await story.read(Infinity, true);
    const told = story.client.events.slice(-2).map(({ data }) => (data as { taskId: string }).taskId);
    expect(told).toContain(second!.id);
    expectOnce(story.client.events);
  });
});
