/** The dashboard's rules that need no browser: its filter, its lists, its timeline and its graph. */
import { describe, expect, it } from "vitest";
import type { TaskEvent } from "../../src/client/index.ts";
import type { StepResource } from "../../src/contract/step.ts";
import type { TaskResource } from "../../src/contract/task.ts";
import { dashboardSize } from "../../scripts/build.ts";
import { runsOf } from "../../src/pages/dashboard/schedules/runs.ts";
import { clockChange, previewOf } from "../../src/pages/dashboard/schedules/rhythm.ts";
import { pastedOf } from "../../src/pages/dashboard/submit/pasted.ts";
import { layoutOf } from "../../src/pages/dashboard/flows/layout.ts";
import { jsonDiff } from "../../src/pages/dashboard/parts/json-diff.ts";
import { tagsOf, tagWords } from "../../src/pages/dashboard/parts/tag-words.ts";
import { restartsOf } from "../../src/pages/dashboard/task/restarts.ts";
import { treeOf } from "../../src/pages/dashboard/task/tree.ts";
import { undosOf } from "../../src/pages/dashboard/task/undos.ts";
import { scaleOf, ticksOf } from "../../src/pages/dashboard/task/scale.ts";
import { segmentsOf } from "../../src/pages/dashboard/task/segments.ts";
import { completionsOf, typedName } from "../../src/pages/dashboard/tasks/completion.ts";
import { filterOf, tasksHref, termsOf, textOf } from "../../src/pages/dashboard/tasks/filter.ts";
import { afterReading } from "../../src/pages/dashboard/tasks/live-list.ts";

const NOW = Date.parse("2026-11-28T12:00:00.000Z");

describe("the filter", () => {
  it("reads what it writes, whatever stands in the values", () => {
    for (const value of ["plain", "two words", 'a "quote"', String.raw`back\slash`, "<b>", "a:b", "ünï"]) {
      const terms = [
        { name: "tag.note", value },
        { name: "state", value: "failed" },
      ];
      expect(termsOf(textOf(terms))).toEqual(terms);
      expect(new URLSearchParams(tasksHref({ "tag.note": value }).split("?")[1]).get("f")).toBe(
        textOf(terms.slice(0, 1)),
      );
    }
  });

  it("becomes the API's, with ages as instants", () => {
    const { filter, faults } = filterOf(
      termsOf(
        "state:failed,expired task:order.ship lane:bulk tag.customer:42 error:timeout parent:task_1 wait:>5m created:2h finished:>1d",
      ),
      NOW,
    );
    expect(faults).toEqual([]);
    expect(filter).toEqual({
      state: ["failed", "expired"],
      task: "order.ship",
      lane: "bulk",
      tags: { customer: "42" },
      error: "timeout",
      parentId: "task_1",
      waitLongerThan: 300_000,
      createdAfter: "2026-11-28T10:00:00.000Z",
      finishedBefore: "2026-11-27T12:00:00.000Z",
    });
  });

  it("completes errors, flows and schedules that are there, with how many tasks each has", () => {
    const offers = {
      error: [
        { value: "timeout", count: 1_200 },
        { value: "err_1", count: 3, words: "order # is lost" },
      ],
      schedule: [{ value: "nightly", words: "order.ship" }],
    };
    expect(completionsOf("lane:bulk error:", undefined, [], offers)).toEqual([
      { text: "error:timeout ", words: "1,200" },
      { text: "error:err_1 ", words: "3, order # is lost" },
    ]);
    expect(completionsOf("schedule:ni", undefined, [], offers)).toEqual([
      { text: "schedule:nightly ", words: "order.ship" },
    ]);
    expect(completionsOf("flow:", undefined, [], offers)).toEqual([]);
    expect(["lane:bulk error:", "schedule:ni", "err", "error:x "].map(typedName)).toEqual([
      "error",
      "schedule",
      "",
      "",
    ]);
  });

  it("searches for the words beside its terms", () => {
    const text = "oslo state:failed invoice";
    expect(textOf(termsOf(text))).toBe(text);
    expect(filterOf(termsOf(text), NOW)).toEqual({ filter: { q: "oslo invoice", state: ["failed"] }, faults: [] });
    expect(filterOf(termsOf("task_01hf7yat"), NOW).filter).toEqual({ q: "task_01hf7yat" });
    expect(filterOf(termsOf("x".repeat(201)), NOW)).toMatchObject({ filter: {}, faults: [expect.any(String)] });
  });

  it("says what it does not understand, and leaves it out", () => {
    const { filter, faults } = filterOf(
      termsOf("state:gone lane:none created:soon ! what:ever task:x error: toString:x wait:long"),
      NOW,
    );
    expect(filter).toEqual({ task: "x" });
    expect(faults).toHaveLength(8);
  });
});

describe("tags as one types them", () => {
  it("are read as they are written, whatever stands in the values", () => {
    for (const note of ["plain", "", "two words", 'a "quote"', String.raw`back\slash`, "a=b", "ünï\nline"]) {
      const tags = { customer: "42", note };
      expect(tagsOf(tagWords(tags))).toEqual(tags);
    }
    expect(tagsOf("")).toEqual({});
  });

  it("are none where a part of the text is none", () => {
    for (const text of ["customer", "a=1 customer", '"a"=1', 'a="open', 'a=x"y"', "a="])
      expect(tagsOf(text)).toBe(null);
  });
});

describe("the difference of two values", () => {
  const words = (before: unknown, after: unknown) =>
    jsonDiff(before, after)?.map(({ kind, text }) => `${{ same: " ", gone: "-", new: "+", fold: "…" }[kind]}${text}`);

  it("is lines that went and came, with what is around them", () => {
    const many = Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`m${String(i).padStart(2, "0")}`, i]));
    expect(words({ b: 1, a: 2 }, { a: 2, b: 3 })).toEqual([" {", '   "a": 2,', '-  "b": 1', '+  "b": 3', " }"]);
    expect(words(many, { ...many, m10: "x" })).toEqual([
      "…9",
      '   "m08": 8,',
      '   "m09": 9,',
      '-  "m10": 10,',
      '+  "m10": "x",',
      '   "m11": 11,',
      '   "m12": 12,',
      "…8",
    ]);
  });

  it("is nothing where only the order of members is, and is not made where all is", () => {
    expect(words({ a: 1, b: [{ c: 1, d: 2 }] }, { b: [{ d: 2, c: 1 }], a: 1 })).toEqual([]);
    expect(words(undefined, null)).toEqual(["-", "+null"]);
    const large = (by: number) => Array.from({ length: 5_000 }, (_, i) => i * by);
    expect(jsonDiff(large(2), large(-3))).toBe(null);
  });
});

describe("a pasted curl line", () => {
  it("is read as a shell reads it, whatever stands in the input", () => {
    for (const name of ["plain", "the guest's gone", 'a "quote"', String.raw`back\slash $HOME`, "two\nlines"]) {
      const body = { task: "process_item", input: { name }, options: { delay: "1h" } };
      const json = JSON.stringify(body);
      expect(
        pastedOf(`curl https://x/v1/tasks \\\n  -H "A: b" -d '${json.replaceAll("'", String.raw`'\''`)}'`),
      ).toEqual(body);
      expect(pastedOf(json)).toEqual(body);
    }
    expect(pastedOf(String.raw`curl -d "{\"task\": \"x\"}" $URL`)).toEqual({ task: "x", options: {} });
    expect(pastedOf(`curl http://x -d'{"task":"x"}'`)).toEqual({ task: "x", options: {} });
  });

  it("is told what it lacks", () => {
    expect(["curl http://x", "curl -d '{' x", "curl -d '{}' x"].map(pastedOf)).toEqual([
      "This has no body: paste a line with -d.",
      "The body is not valid JSON.",
      "The body names no task.",
    ]);
  });
});

it("tells between which runs the clocks of a zone change", () => {
  const change = (before: string, after: string) => clockChange(before, after, "Europe/Oslo");
  expect(change("2026-10-24T00:30:00.000Z", "2026-10-25T01:30:00.000Z")).toContain("go back by 1 h");
  expect(change("2027-03-27T01:30:00.000Z", "2027-03-28T01:30:00.000Z")).toContain("go forward by 1 h");
  expect(change("2026-11-01T01:30:00.000Z", "2026-11-02T01:30:00.000Z")).toBe("");
});

describe("the runs of a schedule", () => {
  it("are previewed by the rule of the service, also where a clock is changed, and not where nothing is typed yet", () => {
    const at = Date.parse("2026-10-23T12:00:00.000Z");
    const runs = previewOf({ cron: "30 2 * * *", timezone: "Europe/Berlin" }, at);
    expect(runs.slice(0, 3).map((run) => new Date(run).toISOString())).toEqual([
      "2026-10-24T00:30:00.000Z",
      "2026-10-25T00:30:00.000Z",
      "2026-10-26T01:30:00.000Z",
    ]);
    expect(previewOf({ everyMs: 30_000 }, at)).toEqual([1, 2, 3, 4, 5].map((n) => at + n * 30_000));
    for (const cron of ["", "30 2 *", "61 * * * *", "0 0 30 2 *"])
      expect(previewOf({ cron, timezone: "UTC" }, at)).toEqual([]);
    expect(previewOf({ cron: "* * * * *", timezone: "Nowhere/Else" }, at)).toEqual([]);
  });

  it("are its latest twenty, the newest last, with what became of each and why one was missed", () => {
    const task = (n: number, state: string) =>
      ({ id: `task_${n}`, createdAt: iso(n), state }) as unknown as TaskResource;
    const tasks = Array.from({ length: 30 }, (_, i) => task(29 - i, i === 0 ? "failed" : "succeeded"));
    const ticks = [
      { tick: iso(30), taskId: null, missed: "overlap" },
      { tick: iso(29), taskId: "task_29" },
    ];
    const runs = runsOf(ticks, tasks);
    expect(runs).toHaveLength(20);
    expect(runs.at(0)).toMatchObject({ taskId: "task_11", state: "succeeded" });
    expect(runs.slice(-2)).toMatchObject([{ state: "failed" }, { taskId: null, words: "missed: overlap" }]);
    expect(runsOf(ticks, []).map(({ state }) => state)).toEqual(["unknown", "missed"]);
  });
});

it("lets undoing run backwards, each step from where the one after it was undone", () => {
  const step = (n: number, undone: number | null) => ({
    name: `s${n}`,
    kind: "step",
    startedAt: iso(n),
    finishedAt: iso(n + 1),
    error: null,
    undoneAt: undone === null ? null : iso(undone),
    undoError: n === 1 ? { type: "Error", message: "no" } : null,
  });
  const at = (second: number) => NOW + second * 1_000;
  const undos = undosOf([step(0, 9), step(1, 7), step(2, 5), step(3, null)]);
  expect([...undos].map(([i, { start, end, error }]) => [i, start, end, error?.message])).toEqual([
    [2, at(4), at(5), undefined],
    [1, at(5), at(7), "no"],
    [0, at(7), at(9), undefined],
  ]);
  expect(undosOf([step(0, null)]).size).toBe(0);
});

it("draws related tasks as a tree, each once, and those whose maker is not there at its edge", () => {
  const task = (id: string, parentId: string | null) => ({ id, parentId }) as TaskResource;
  const rows = [task("e", "gone"), task("d", "b"), task("c", "a"), task("b", "a"), task("a", null)];
  expect(treeOf(rows).map((branch) => `${branch.depth} ${branch.task.id}`)).toEqual([
    "0 a",
    "1 b",
    "2 d",
    "1 c",
    "0 e",
  ]);
});

it("offers to run again from a step, up to the first one that was undone", () => {
  const step = (name: string, undoneAt: string | null = null) => ({ name, undoneAt }) as StepResource;
  const steps = [step("a"), step("b", iso(1)), step("c", iso(0))];
  expect(restartsOf(steps)).toEqual(steps.slice(0, 2));
  expect(restartsOf([step("a"), step("b")])).toHaveLength(2);
});

describe("a list that is held", () => {
  const task = (n: number, state = "queued") => ({ id: `task_${n}`, createdAt: iso(n), state }) as TaskResource;

  it("keeps its rows where they are, shows what became of them, and counts what is new", () => {
    const shown = [task(3), task(2), task(1)];
    const read = [task(5), task(4), task(3, "running")];
    const held = afterReading(shown, read, true);
    expect(held.rows.map(({ id, state }) => [id, state])).toEqual([
      ["task_3", "running"],
      ["task_2", "queued"],
      ["task_1", "queued"],
    ]);
    expect(held.waiting).toBe(2);
    expect(afterReading(shown, read, false)).toEqual({ rows: read, waiting: 0 });
  });
});

describe("the timeline", () => {
  it("folds a long wait, keeps the rest to scale, and never goes back", () => {
    const scale = scaleOf(0, 1_000_000, [
      { start: 1_000, end: 998_000 },
      { start: 998_000, end: 998_500 },
    ]);
    expect(scale.folds).toEqual([{ start: 1_000, end: 998_000 }]);
    const places = Array.from({ length: 101 }, (_, i) => scale.at(i * 10_000));
    expect(places.toSorted((a, b) => a - b)).toEqual(places);
    expect(places[0]).toBe(0);
    expect(places.at(-1)).toBeCloseTo(1);
    // What is not folded: one second before the fold and two after it.
    expect((1 - scale.at(998_000)) / scale.at(1_000)).toBeCloseTo(2);
    for (const tick of ticksOf(scale).ticks) expect(tick <= 1_000 || tick >= 998_000).toBe(true);
  });

  it("writes round times below the line, of a short one since its start", () => {
    const short = ticksOf(scaleOf(NOW + 442, NOW + 2_442, []));
    expect(short).toEqual({ ticks: [0, 500, 1_000, 1_500, 2_000].map((ms) => NOW + 442 + ms), isFine: true });
    expect(ticksOf(scaleOf(NOW + 442, NOW + 60_000, []))).toEqual({
      ticks: [10, 20, 30, 40, 50, 60].map((second) => NOW + second * 1_000),
      isFine: false,
    });
  });

  it("tells the states one after the other, the last one open while the task lives", () => {
    const events = [
      { seq: 1, type: "state", at: iso(0), data: { state: "queued", attempt: 0 } },
      { seq: 2, type: "state", at: iso(5), data: { state: "running", attempt: 1 } },
      { seq: 3, type: "state", at: iso(9), data: { state: "retrying", attempt: 1 } },
    ] as TaskEvent[];
    const live = { createdAt: iso(0), finishedAt: null, state: "retrying", attempt: 1 } as TaskResource;
    const segments = segmentsOf(live, events, NOW + 20_000);
    expect(
      segments.map(({ state, start, end, isOpen }) => [state, (start - NOW) / 1_000, (end - NOW) / 1_000, isOpen]),
    ).toEqual([
      ["queued", 0, 5, false],
      ["running", 5, 9, false],
      ["retrying", 9, 20, true],
    ]);
  });
});

describe("the graph of a flow", () => {
  const node = (key: string, needs: string[] = []) => ({ key, needs, state: "queued" as const });

  it("folds a group of more than twenty, and draws each need once", () => {
    const parts = Array.from({ length: 300 }, (_, i) => node(`parts.${i}`, ["start"]));
    const { boxes, edges, layers } = layoutOf([
      node("start"),
      ...parts,
      node(
        "end",
        parts.map(({ key }) => key),
      ),
    ]);
    expect(boxes.map(({ keys, layer }) => [keys.length, layer])).toEqual([
      [1, 0],
      [300, 1],
      [1, 2],
    ]);
    expect(edges).toHaveLength(2);
    expect(layers).toBe(3);
  });

  it("gives every box a place of its own, and long edges a way past the boxes", () => {
    const { boxes, edges } = layoutOf([
      node("a"),
      node("b", ["a"]),
      node("c", ["b"]),
      node("d", ["c", "a"]),
      node("e", ["a"]),
    ]);
    const places = boxes.map(({ layer, row }) => `${layer} ${row}`);
    const ways = edges.flatMap(({ from, through }) => {
      const { layer } = boxes.find(({ id }) => id === from)!;
      return through.map((row, i) => `${layer + i + 1} ${row}`);
    });
    expect(ways).toHaveLength(2);
    expect(new Set([...places, ...ways]).size).toBe(7);
  });

  it("places a chain of thousands", () => {
    const chain = Array.from({ length: 5_000 }, (_, i) => node(String(i), i === 0 ? [] : [String(i - 1)]));
    expect(layoutOf(chain.toReversed()).layers).toBe(5_000);
  });
});

it("loads at most 100 KB, gzipped, before it shows anything", () => {
  expect(dashboardSize()).toBeGreaterThan(10_000);
  expect(dashboardSize()).toBeLessThan(100 * 1_024);
});

function iso(second: number): string {
  return new Date(NOW + second * 1_000).toISOString();
}
