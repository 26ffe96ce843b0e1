import { describe, expect, it } from "vitest";
import { newsOf, stepsOf, withoutOldError, type JournalEntry } from "../../src/core/journal.ts";

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

  it("that release 0.2.0 wrote are shown without their texts where the input has secrets", () => {
    const old = [failed, undone].map((each) => {
      const { startedAt: _, finishedAt: __, ...rest } = each;
      return rest;
    });
    const [shown] = stepsOf([...old, entry("step:b#1")].map(withoutOldError), []);
    const message = expect.stringContaining("earlier release") as string;
    expect(shown!.step).toMatchObject({ error: { type: "Error", message }, undoError: { type: "Error", message } });
    expect([failed, undone].map(withoutOldError)).toEqual([failed, undone]);
    const good = entry("undo:step:b#1", { ended: null, value: "null", startedAt: undefined! });
    expect(withoutOldError(good).value).toBe("null");
  });
});
