import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { TaskEvent } from "../../src/contract/event.ts";
import type { TaskResource } from "../../src/contract/task.ts";
import { eventNumber, nextNumber } from "../../src/core/event-numbers.ts";
import { MAX_HISTORY } from "../../src/core/bounds.ts";
import { isTerminal } from "../../src/core/states.ts";
import { doneNumber, timeline } from "../../src/core/timeline.ts";
import { eventsOf } from "../../src/progress/snapshot.ts";
import { lives, longLives } from "./lives.ts";
import type { ModelTask } from "./model-task.ts";

/** The events that a reader derives from a row, after the number `after`. */
function eventsIn(row: ModelTask, after = 0): TaskEvent[] {
  const { state, run, finishedAt } = row;
  const task = { state, run, finishedAt } as unknown as TaskResource;
  const ended = isTerminal(state) ? { seq: doneNumber(row), at: finishedAt!, task } : null;
  return eventsOf({ id: "task", moments: timeline(row), ended }, after);
}

/** When a client reads, and after how many events its connection breaks. */
const readings = fc.array(fc.record({ at: fc.nat({ max: 400 }), patience: fc.nat({ max: 12 }) }), { maxLength: 30 });

const tasks = fc.oneof({ weight: 3, arbitrary: lives }, { weight: 1, arbitrary: longLives });

describe("the numbers of a task's events", () => {
  it("stand for one event each, whichever row they are derived from", () => {
    fc.assert(
      fc.property(tasks, (rows) => {
        const meanings = new Map<number, Set<string>>();
        for (const event of rows.flatMap((row) => eventsIn(row))) {
          const known = meanings.get(event.seq) ?? new Set();
          meanings.set(event.seq, known.add(JSON.stringify(event)));
        }
        expect([...meanings.values()].filter((known) => known.size > 1)).toEqual([]);
      }),
      { numRuns: 150 },
    );
  });

  it("are larger than all before for whatever happens later, also where the history is no longer whole", () => {
    let longest = 0;
    fc.assert(
      fc.property(tasks, (rows) => {
        longest = Math.max(longest, rows.at(-1)!.attempt);
        const born = [...new Set(rows.flatMap((row) => eventsIn(row).map((event) => event.seq)))];
        expect(born).toEqual(born.toSorted((a, b) => a - b));
      }),
      { numRuns: 150 },
    );
    expect(longest).toBeGreaterThan(MAX_HISTORY);
  });

  it("give a client that reconnects with the last one each later event once and in order, and the end", () => {
    fc.assert(
      fc.property(tasks, readings, (rows, program) => {
        const seen: TaskEvent[] = [];
        const last = () => seen.at(-1)?.seq ?? 0;
        const reads = program.toSorted((a, b) => a.at - b.at);
        for (const [i, row] of rows.entries()) {
          for (const { patience } of reads.filter(({ at }) => at === i)) {
            seen.push(...eventsIn(row, last()).slice(0, patience));
          }
        }
        const end = rows.at(-1)!;
        const expected = eventsIn(end).filter((event) => event.seq > last());
        seen.push(...eventsIn(end, last()));
        expect(seen.slice(seen.length - expected.length)).toEqual(expected);
        const numbers = seen.map((event) => event.seq);
        expect(numbers).toEqual([...new Set(numbers)].toSorted((a, b) => a - b));
        const dones = seen.filter((event) => event.seq === doneNumber(end));
        expect(dones).toHaveLength(isTerminal(end.state) ? 1 : 0);
        expect(dones).toEqual(seen.slice(seen.length - dones.length));
      }),
      { numRuns: 300 },
    );
  });

  it("stay integers that JSON carries in a task that has started every second for ten years", () => {
    expect(Number.isSafeInteger(eventNumber(1, 366 * 86_400 * 10, "done"))).toBe(true);
  });

  it("leave room for what is told between two states, and end before the next", () => {
    const running = eventNumber(3, 7, "running");
    const after = eventNumber(3, 7, "cancelRequested");
    expect(after - running).toBeGreaterThan(100_000);
    expect(nextNumber(running)).toBe(running + 1);
    expect(nextNumber(after - 2)).toBe(after - 1);
    expect(nextNumber(after - 1)).toBe(null);
  });
});
