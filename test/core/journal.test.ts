import { describe, expect, it } from "vitest";
import { newsOf, stepsOf, type JournalEntry } from "../../src/core/journal.ts";

const entry = (key: string, more: Partial<JournalEntry> = {}): JournalEntry => ({
  key,
  attempt: 1,
  began: 1,
  ended: 2,
  value: "1",
  error: null,
  until: null,
  signal: null,
  startedAt: 1_000,
  finishedAt: 2_000,
  ...more,
});

describe("the errors in a journal", () => {
  const error = { type: "Error", message: "no", stack: "Error: no\n    at refund (worker.js:1:1)" };
  const told = { type: "Error", message: "no" };
  const undone = entry("undo:step:charge#1", { ended: null, value: JSON.stringify(error) });
  const failed = entry("step:charge#1", { error: { ...error, retryable: true } });

  it("are shown without their stacks, also where a release stored these", () => {
    expect(stepsOf([failed, undone], [])).toMatchObject([{ step: { error: told, undoError: told } }]);
    const shown = stepsOf([failed, entry("step:other#1", { shown: error }), undone], []);
    expect(JSON.stringify(shown)).not.toContain("refund");
  });

  it("are told without their stacks", () => {
    const news = [...newsOf(undone, null, false), ...newsOf(failed, null, false)].map(({ data }) => data);
    expect(news.map(({ phase, error: of }) => [phase, of])).toEqual([
      ["undone", told],
      ["started", null],
      ["failed", told],
    ]);
  });
});
