import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Ending } from "../../src/core/settle.ts";
import { isTerminal } from "../../src/core/states.ts";
import { since, timeline, type Moment } from "../../src/core/timeline.ts";
import * as model from "./model-task.ts";
import type { ModelTask } from "./model-task.ts";

type Verb = (task: ModelTask, now: number) => ModelTask;

const endings: Ending[] = [
  { outcome: "succeeded", result: "null" },
  { outcome: "failed", error: { type: "Error", message: "no" }, retryable: true },
  { outcome: "failed", error: { type: "Error", message: "never" }, retryable: false },
  { outcome: "timeout", error: { type: "timeout", message: "late" } },
  { outcome: "snoozed", delayMs: 3_000 },
  { outcome: "crashed" },
];

/** Endings that another attempt or a retry follows are likelier, so that lives are long. */
const verbs: fc.Arbitrary<Verb> = fc.oneof(
  { weight: 6, arbitrary: fc.constant<Verb>(model.claimed) },
  {
    weight: 6,
    arbitrary: fc.constantFrom(...endings).map(
      (ending): Verb =>
        (task, now) =>
          model.ended(task, task.attempt, model.endingFor(task, ending), now),
    ),
  },
  { weight: 3, arbitrary: fc.constant<Verb>((task, now) => model.looked(task, now, true) ?? task) },
  {
    weight: 1,
    arbitrary: fc.boolean().map(
      (undo): Verb =>
        (task, now) =>
          model.cancelled(task, now, undo),
    ),
  },
  { weight: 1, arbitrary: fc.constant<Verb>((task) => (task.state === "running" ? model.undoable(task) : task)) },
  { weight: 3, arbitrary: fc.constant<Verb>(model.retried) },
);

const steps = fc.tuple(verbs, fc.constantFrom(1, 900, 5_000, 40_000));

const wanted = fc.record({
  delayMs: fc.constantFrom(0, 0, 2_000),
  expiresInMs: fc.constantFrom(null, null, 30_000),
  maxAttempts: fc.integer({ min: 1, max: 3 }),
});

/** Every row that a task was, in order: each as somebody may have read it. */
const lives = fc.tuple(wanted, fc.array(steps, { maxLength: 40, size: "max" })).map(([options, program]) => {
  let now = 1_000_000;
  const rows = [model.submitted(options, now)];
  for (const [verb, ms] of program) {
    now += ms;
    rows.push(verb(rows.at(-1)!, now));
  }
  return rows;
});

/** What a listener has heard who was told these rows. */
function heard(rows: readonly ModelTask[]): Moment[] {
  const events: Moment[] = [];
  for (const row of rows) events.push(...since(timeline(row), events.at(-1)?.mark ?? -1));
  return events;
}

const check = (property: (rows: ModelTask[]) => void) => fc.assert(fc.property(lives, property), { numRuns: 400 });

describe("the timeline of a task", () => {
  it("has marks that strictly increase", () => {
    check((rows) => {
      for (const row of rows) {
        const marks = timeline(row).map((moment) => moment.mark);
        expect(marks).toEqual([...new Set(marks)].toSorted((a, b) => a - b));
      }
    });
  });

  it("ends in the state that the row is in", () => {
    check((rows) => {
      for (const row of rows) expect(timeline(row).at(-1)?.data.state).toBe(row.state);
    });
  });

  it("grows by whatever changed the state, so that every change can be told", () => {
    check((rows) => {
      for (const [i, row] of rows.entries()) {
        const before = rows[i - 1];
        if (!before) continue;
        const told = timeline(before).at(-1)!.mark;
        const isNews = row.state !== before.state || row.attempt !== before.attempt || row.run !== before.run;
        const isAsked = row.state === "running" && row.cancelRequestedAt !== before.cancelRequestedAt;
        expect(since(timeline(row), told).length > 0).toBe(isNews || isAsked);
      }
    });
  });

  it("keeps the words and the time of every moment that a later row still shows", () => {
    check((rows) => {
      const seen = new Map<number, Moment>();
      for (const moment of rows.flatMap(timeline)) {
        expect(moment).toEqual(seen.get(moment.mark) ?? moment);
        seen.set(moment.mark, moment);
      }
    });
  });

  it("is heard the same when rows are told twice, or again after later ones", () => {
    fc.assert(
      fc.property(
        lives.chain((rows) => fc.tuple(fc.constant(rows), fc.array(fc.nat({ max: rows.length - 1 })))),
        ([rows, again]) => {
          const toldWithEchoes = rows.flatMap((row, i) => [row, ...again.filter((n) => n <= i).map((n) => rows[n]!)]);
          expect(heard(toldWithEchoes)).toEqual(heard(rows));
        },
      ),
      { numRuns: 400 },
    );
  });

  it("is heard in order, nothing twice, and to the same end when rows are told in any order", () => {
    fc.assert(
      fc.property(
        lives.chain((rows) => fc.tuple(fc.constant(rows), fc.shuffledSubarray(rows))),
        ([rows, shuffled]) => {
          const inOrder = heard(rows);
          const events = heard([...shuffled, rows.at(-1)!]);
          const known = new Set(inOrder.map((event) => event.mark));
          expect(events.filter((event) => !known.has(event.mark))).toEqual([]);
          expect(events.map((event) => event.mark)).toEqual(
            [...new Set(events.map((event) => event.mark))].toSorted((a, b) => a - b),
          );
          expect(events.at(-1)).toEqual(inOrder.at(-1));
        },
      ),
      { numRuns: 400 },
    );
  });

  it("tells of each attempt once, over all runs", () => {
    check((rows) => {
      const starts = heard(rows).filter((event) => event.data.state === "running" && !event.data.cancelRequestedAt);
      expect(starts.map((event) => event.data.attempt)).toEqual(starts.map((_, i) => i + 1));
      expect(starts.length).toBe(rows.at(-1)!.attempt);
    });
  });

  it("tells of every end once, also of those that a retry has left", () => {
    check((rows) => {
      const ends = heard(rows).filter((event) => isTerminal(event.data.state));
      const last = rows.at(-1)!;
      expect(ends.length).toBe(isTerminal(last.state) ? last.run : last.run - 1);
    });
  });

  it("shows a listener who comes after the end all attempts of the run", () => {
    check((rows) => {
      const last = rows.at(-1)!;
      const shown = timeline(last).filter(
        (moment) => moment.data.state === "running" && !moment.data.cancelRequestedAt,
      );
      const ofTheRun = last.history.filter((entry) => entry.run === last.run).map((entry) => entry.number);
      const running = last.state === "running" ? [last.attempt] : [];
      expect(shown.map((moment) => moment.data.attempt)).toEqual([...ofTheRun, ...running]);
    });
  });

  it("says when a running task was asked to stop, also once it has", () => {
    const start = model.claimed(model.submitted({ delayMs: 0, expiresInMs: null, maxAttempts: 3 }, 0), 1_000);
    const asked = model.cancelled(start, 2_000);
    const stopped = model.ended(asked, 1, { outcome: "succeeded", result: "1" }, 3_000);
    for (const row of [asked, stopped]) {
      expect(timeline(row)).toContainEqual(
        expect.objectContaining({
          data: { state: "running", attempt: 1, cancelRequestedAt: new Date(2_000).toISOString() },
        }),
      );
    }
    expect(stopped.state).toBe("cancelled");
  });

  it("begins with waiting for a member of a flow that another one's end has released", () => {
    const row = { ...model.submitted({ delayMs: 0, expiresInMs: null, maxAttempts: 3 }, 0), flowId: "flow_1" };
    const waiting: ModelTask = { ...row, state: "waiting" };
    const released: ModelTask = { ...row, state: "queued", runAt: 5_000, parentId: "task_1" };
    expect(heard([waiting, released]).map((event) => event.data.state)).toEqual(["waiting", "queued"]);
    expect(timeline(released)).toEqual(heard([waiting, released]));
    const delayed: ModelTask = { ...released, state: "scheduled", runAt: 9_000 };
    expect(heard([waiting, delayed, { ...delayed, state: "queued" }]).map((event) => event.data.state)).toEqual([
      "waiting",
      "scheduled",
      "queued",
    ]);
  });
});
