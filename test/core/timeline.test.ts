import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { NO_START } from "../../src/core/settle.ts";
import { isTerminal } from "../../src/core/states.ts";
import { since, timeline, type Moment } from "../../src/core/timeline.ts";
import * as model from "./model-task.ts";
import type { ModelTask } from "./model-task.ts";
import { lives } from "./lives.ts";

/** What a listener has heard that was told these rows. */
function heard(rows: readonly ModelTask[]): Moment[] {
  const events: Moment[] = [];
  for (const row of rows) events.push(...since(timeline(row), events.at(-1)?.seq ?? -1));
  return events;
}

const check = (property: (rows: ModelTask[]) => void) => fc.assert(fc.property(lives, property), { numRuns: 400 });

describe("the timeline of a task", () => {
  it("has numbers that strictly increase", () => {
    check((rows) => {
      for (const row of rows) {
        const numbers = timeline(row).map((moment) => moment.seq);
        expect(numbers).toEqual([...new Set(numbers)].toSorted((a, b) => a - b));
      }
    });
  });

  it("of a member of a flow that ended before it was released says that it waited, as it did before", () => {
    const none = { startedAt: null, cancelRequestedAt: null, undo: null, parentId: null, history: [] };
    const waits = { ...none, run: 1, attempt: 0, createdAt: 1, runAt: NO_START, flowId: "flow_1" };
    const before = timeline({ ...waits, state: "waiting", finishedAt: null });
    for (const runAt of [5, NO_START]) {
      const after = timeline({ ...waits, runAt, state: "failed", finishedAt: 5 });
      expect(after.map(({ at, data }) => [at, data.state])).toEqual([
        [1, "waiting"],
        [5, "failed"],
      ]);
      expect(after[0]).toEqual(before[0]);
    }
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
        const told = timeline(before).at(-1)!.seq;
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
        expect(moment).toEqual(seen.get(moment.seq) ?? moment);
        seen.set(moment.seq, moment);
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
          const known = new Set(inOrder.map((event) => event.seq));
          expect(events.filter((event) => !known.has(event.seq))).toEqual([]);
          expect(events.map((event) => event.seq)).toEqual(
            [...new Set(events.map((event) => event.seq))].toSorted((a, b) => a - b),
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
      const ended = rows.filter(({ state }, i) => isTerminal(state) && state !== rows[i - 1]?.state);
      expect(ends.length).toBe(ended.length);
    });
  });

  it("shows a listener that comes after the end all attempts that the history still has, of all runs", () => {
    check((rows) => {
      const last = rows.at(-1)!;
      const shown = timeline(last).filter(
        (moment) => moment.data.state === "running" && !moment.data.cancelRequestedAt,
      );
      const ended = last.history.map((entry) => entry.number);
      const running = last.state === "running" ? [last.attempt] : [];
      expect(shown.map((moment) => moment.data.attempt)).toEqual([...ended, ...running]);
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
