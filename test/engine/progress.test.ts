import { abortAllDurableObjects, evictDurableObject, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { TaskEvent } from "../../src/contract/event.ts";
import type { TaskResource } from "../../src/contract/task.ts";
import type { Ending } from "../../src/core/settle.ts";
import { isTerminal } from "../../src/core/states.ts";
import { eventNumber } from "../../src/core/event-numbers.ts";
import { doneNumber, since, timeline } from "../../src/core/timeline.ts";
import { newTaskIds } from "../../src/engine/ids.ts";
import { progressObject } from "../../src/engine/events/tell.ts";
import type { ProgressObject } from "../../src/progress/object.ts";
import type { NewEvent, ProgressApi, Snapshot } from "../../src/progress/snapshot.ts";
import * as model from "../core/model-task.ts";
import type { ModelTask } from "../core/model-task.ts";
import { runs } from "../setup/runs.ts";

const BEGIN = Date.UTC(2026, 0, 1);
const PLAIN = { delayMs: 0, expiresInMs: null, maxAttempts: 3 };
const SUCCESS: Ending = { outcome: "succeeded", result: "1" };
const FAILURE = { outcome: "failed", error: { type: "Error", message: "no" }, retryable: true } satisfies Ending;

const queued = model.submitted(PLAIN, BEGIN);
const running = model.claimed(queued, BEGIN + 1_000);
const succeeded = model.ended(running, 1, SUCCESS, BEGIN + 2_000);
const retrying = model.ended(running, 1, FAILURE, BEGIN + 2_000);
const again = model.claimed({ ...retrying, state: "queued" }, BEGIN + 4_000);

/** The object of a task of its own. */
function newObject(): { id: string; object: ProgressApi } {
  const id = newTaskIds(1)[0]!;
  return { id, object: progressObject(env, id) };
}

function snapshot(id: string, row: ModelTask): Snapshot {
  const task = { id, state: row.state } as TaskResource;
  const ended = isTerminal(row.state) ? { seq: doneNumber(row), at: row.finishedAt!, task } : null;
  return { id, moments: timeline(row), ended };
}

function progress(done: number): NewEvent {
  return { type: "progress", at: new Date(BEGIN).toISOString(), data: { done } };
}

async function evict(id: string): Promise<void> {
  await evictDurableObject(env.PROGRESS.getByName(id));
}

const summaryOf = (events: TaskEvent[]) =>
  events.map((event) => (event.type === "state" ? (event.data as { state: string }).state : event.type));

describe("the events of a task", () => {
  it("have the numbers that their row gives them, and what an attempt tells those between", async () => {
    const { id, object } = newObject();
    await object.sync(snapshot(id, running));
    await object.report({
      id: crypto.randomUUID(),
      snapshot: snapshot(id, running),
      events: [progress(1), progress(2)],
      last: false,
    });
    await object.sync(snapshot(id, succeeded));
    const events = await object.list(0);
    expect(summaryOf(events)).toEqual(["queued", "running", "progress", "progress", "succeeded", "done"]);
    const start = eventNumber(1, 1, "running");
    expect(events.map((event) => event.seq)).toEqual([
      eventNumber(1, 0, "queued"),
      start,
      start + 1,
      start + 2,
      eventNumber(1, 1, "after"),
      eventNumber(1, 1, "done"),
    ]);
  });

  it("can be had from any number on", async () => {
    const { id, object } = newObject();
    await object.sync(snapshot(id, running));
    await object.report({
      id: crypto.randomUUID(),
      snapshot: snapshot(id, running),
      events: [progress(1), progress(2), progress(3)],
      last: false,
    });
    const all = await object.list(0);
    for (const after of [0, 1, ...all.map((event) => event.seq), Number.MAX_SAFE_INTEGER]) {
      expect(await object.list(after)).toEqual(all.filter((event) => event.seq > after));
    }
  });

  it("end with done, which is told once however often the end is", async () => {
    const { id, object } = newObject();
    for (let n = 0; n < 3; n++) await object.sync(snapshot(id, succeeded));
    expect(summaryOf(await object.list(0))).toEqual(["queued", "running", "succeeded", "done"]);
  });

  it("take nothing more from an attempt when the task has ended", async () => {
    const { id, object } = newObject();
    await object.sync(snapshot(id, succeeded));
    await object.report({
      id: crypto.randomUUID(),
      snapshot: snapshot(id, running),
      events: [progress(9)],
      last: true,
    });
    expect(summaryOf(await object.list(0)).at(-1)).toBe("done");
  });

  it("take nothing from an attempt when a later one has been heard of", async () => {
    const { id, object } = newObject();
    await object.report({ id: crypto.randomUUID(), snapshot: snapshot(id, again), events: [progress(1)], last: false });
    const before = await object.list(0);
    await object.report({
      id: crypto.randomUUID(),
      snapshot: snapshot(id, running),
      events: [progress(50)],
      last: false,
    });
    expect(await object.list(0)).toEqual(before);
  });

  it("take nothing from an attempt that is over, before the next one has begun", async () => {
    const { id, object } = newObject();
    await object.report({
      id: crypto.randomUUID(),
      snapshot: snapshot(id, running),
      events: [progress(1)],
      last: false,
    });
    await object.sync(snapshot(id, retrying));
    await object.report({
      id: crypto.randomUUID(),
      snapshot: snapshot(id, running),
      events: [progress(50)],
      last: false,
    });
    expect(summaryOf(await object.list(0))).toEqual(["queued", "running", "progress", "retrying"]);
  });

  it("still take what an attempt tells that was asked to stop", async () => {
    const { id, object } = newObject();
    await object.sync(snapshot(id, model.cancelled(running, BEGIN + 1_500)));
    await object.report({
      id: crypto.randomUUID(),
      snapshot: snapshot(id, running),
      events: [progress(1)],
      last: false,
    });
    expect(summaryOf(await object.list(0))).toEqual(["queued", "running", "running", "progress"]);
  });

  it("go on after a manual retry, with the next run's done behind the first one's", async () => {
    const { id, object } = newObject();
    const failed = model.ended(running, 1, { ...FAILURE, retryable: false }, BEGIN + 2_000);
    await object.sync(snapshot(id, failed));
    const second = model.claimed(model.retried(failed, BEGIN + 3_000), BEGIN + 4_000);
    await object.sync(snapshot(id, model.ended(second, 2, SUCCESS, BEGIN + 5_000)));
    const told = ["queued", "running", "failed", "done", "queued", "running", "succeeded", "done"];
    expect(summaryOf(await object.list(0))).toEqual(told);
  });

  it("are heard once where a report comes again, because its answer was lost", async () => {
    const { id, object } = newObject();
    const report = { id: crypto.randomUUID(), snapshot: snapshot(id, running), events: [progress(1)], last: false };
    await object.report(report);
    await object.report(report);
    await evict(id);
    await object.report({ ...report, id: crypto.randomUUID(), events: [progress(2)] });
    expect(summaryOf(await object.list(0))).toEqual(["queued", "running", "progress", "progress"]);
  });

  it("go on above those of the run before where the object has forgotten it", async () => {
    const { id, object } = newObject();
    const failed = model.ended(running, 1, { ...FAILURE, retryable: false }, BEGIN + 2_000);
    await object.sync(snapshot(id, failed));
    const told = await object.list(0);
    await runDurableObjectAlarm(env.PROGRESS.getByName(id));
    expect(await object.list(0)).toEqual([]);
    const second = model.retried(failed, BEGIN + 3_000);
    await object.note(snapshot(id, second), { type: "signal", at: new Date(BEGIN).toISOString(), data: {} });
    const events = await object.list(told.at(-1)!.seq);
    expect(summaryOf(events)).toEqual(["queued", "signal"]);
  });

  it("are gone with the task", async () => {
    const { id, object } = newObject();
    await object.sync(snapshot(id, succeeded));
    await object.destroy();
    expect(await object.list(0)).toEqual([]);
    await evict(id);
    expect(await object.list(0)).toEqual([]);
  });

  it("are kept also where an attempt tells megabytes at once, in rows that the storage takes", async () => {
    const { id, object } = newObject();
    const chunk = "€".repeat(20_000);
    const at = new Date(BEGIN).toISOString();
    const events = Array.from({ length: 70 }, (): NewEvent => ({ type: "output", at, data: chunk }));
    await object.report({ id: crypto.randomUUID(), snapshot: snapshot(id, running), events, last: true });
    const longest = await runInDurableObject(env.PROGRESS.getByName(id), (_: ProgressObject, { storage }) =>
      storage.sql.exec<{ bytes: number }>("SELECT MAX(OCTET_LENGTH(events)) AS bytes FROM log").one(),
    );
    expect(longest.bytes).toBeLessThan(2_000_000);
    await evict(id);
    const kept = await object.list(0);
    expect(kept.filter((event) => event.data === chunk)).toHaveLength(70);
    const first = eventNumber(1, 1, "running") + 1;
    expect(kept.slice(2).map((event) => event.seq)).toEqual(events.map((_, i) => first + i));
  });
});

/** What an object goes through: tellings of rows, in order or again, and losing its memory. */
type Trial =
  | { do: "tell"; back: number }
  | { do: "next" }
  | { do: "report"; done: number; back: number }
  | { do: "list" }
  | { do: "abort" };

const trials: fc.Arbitrary<Trial> = fc.oneof(
  fc.constant<Trial>({ do: "next" }),
  fc.constant<Trial>({ do: "next" }),
  fc.record({ do: fc.constant("tell" as const), back: fc.nat({ max: 5 }) }),
  fc.record({ do: fc.constant("report" as const), done: fc.nat(), back: fc.nat({ max: 2 }) }),
  fc.constant<Trial>({ do: "list" }),
  fc.constant<Trial>({ do: "abort" }),
);

/** A life with three attempts, a cancel of the last one, and a second run. */
const LIFE = [
  queued,
  running,
  retrying,
  { ...retrying, state: "queued" as const },
  again,
  model.cancelled(again, BEGIN + 4_500),
  model.ended(model.cancelled(again, BEGIN + 4_500), 2, SUCCESS, BEGIN + 5_000),
].flatMap((row, i, rows) => (i < rows.length - 1 ? [row] : [row, model.retried(row, BEGIN + 6_000)]));

describe("a progress object", () => {
  it("tells of every state once, and keeps what it has shown, whatever is told again and whenever it loses its memory", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(trials, { maxLength: 20, size: "max" }), async (program) => {
        const { id } = newObject();
        let object = progressObject(env, id);
        // How much of the life has been told; it begins with something.
        let reached = 0;
        await object.sync(snapshot(id, LIFE[0]!));
        let shown: TaskEvent[] = [];
        for (const trial of program) {
          if (trial.do === "next") reached = Math.min(reached + 1, LIFE.length - 1);
          const row = LIFE[Math.max(0, reached - ("back" in trial ? trial.back : 0))]!;
          if (trial.do === "next" || trial.do === "tell") await object.sync(snapshot(id, row));
          if (trial.do === "report" && row.state === "running") {
            await object.report({
              id: crypto.randomUUID(),
              snapshot: snapshot(id, row),
              events: [progress(trial.done)],
              last: true,
            });
          }
          if (trial.do === "abort") {
            // What was not shown yet may be lost with the memory.
            shown = await object.list(0);
            await abortAllDurableObjects();
            object = progressObject(env, id);
          }
          const events = await object.list(0);
          expect(events.slice(0, shown.length)).toEqual(shown);
          shown = events;
        }
        shown = await object.list(0);
        const numbers = shown.map((event) => event.seq);
        expect(numbers).toEqual([...new Set(numbers)].toSorted((a, b) => a - b));
        const states = shown.filter((event) => event.type === "state").map((event) => event.data);
        expect(states).toEqual(statesOf(LIFE.slice(0, reached + 1)));
      }),
      { numRuns: runs(20, 60) },
    );
  });
});

function statesOf(rows: ModelTask[]): unknown[] {
  const moments: ReturnType<typeof timeline> = [];
  for (const row of rows) moments.push(...since(timeline(row), moments.at(-1)?.seq ?? -1));
  return moments.map((moment) => moment.data);
}
