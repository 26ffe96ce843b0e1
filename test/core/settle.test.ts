import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { NonRetryableError, RetryAfterError, SYSTEM_ERRORS } from "../../src/core/errors.ts";
import { MAX_ATTEMPTS, MAX_CRASHES, MAX_HORIZON_MS, MAX_UNDO_CRASHES } from "../../src/core/bounds.ts";
import { DEFAULT_RETRY, retryDelay } from "../../src/core/retry.ts";
import { endingOf, OUTCOMES, settle, type Ending, type Running } from "../../src/core/settle.ts";
import { ARROWS, isTerminal, type State } from "../../src/core/states.ts";
import { errorAfterUndo } from "../../src/core/undo.ts";

const NOW = 1_700_000_000_000;

/** The latest instant that a date can show. */
const END_OF_DATES = 8_640_000_000_000_000;

const runnings = fc
  .record({ maxAttempts: fc.integer({ min: 1, max: MAX_ATTEMPTS }), crashes: fc.nat({ max: MAX_CRASHES - 1 }) })
  .chain(({ maxAttempts, crashes }) =>
    fc.record({
      maxAttempts: fc.constant(maxAttempts),
      crashes: fc.constant(crashes),
      failures: fc.nat({ max: maxAttempts - 1 }),
    }),
  );

const delays = fc.oneof(fc.nat({ max: 86_400_000 }), fc.nat({ max: Number.MAX_SAFE_INTEGER }));

const errors = fc.record({ type: fc.constantFrom("Error", ...SYSTEM_ERRORS), message: fc.string() });

const failed: fc.Arbitrary<Ending> = fc.record(
  { outcome: fc.constant("failed" as const), error: errors, retryable: fc.boolean(), delayMs: delays },
  { requiredKeys: ["outcome", "error", "retryable"] },
);

const suspended: fc.Arbitrary<Ending> = fc.option(fc.nat({ max: MAX_HORIZON_MS }), { nil: null }).map((ms) => {
  const until = ms === null ? null : NOW + ms;
  return { outcome: "suspended", wait: { type: "signal", until, signals: ["go"], tasks: [], heard: 0 } };
});

const undoings = fc.record({ state: fc.constantFrom("failed" as const, "cancelled" as const), error: errors });

const endings: fc.Arbitrary<Ending> = fc.oneof(
  failed,
  suspended,
  fc.record({ outcome: fc.constant("succeeded" as const), result: fc.json() }),
  fc.record({ outcome: fc.constant("timeout" as const), error: errors }),
  fc.constant<Ending>({ outcome: "cancelled" }),
  fc.constant<Ending>({ outcome: "crashed" }),
  fc.record({ outcome: fc.constant("snoozed" as const), delayMs: delays }),
);

const randoms = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });

/** Verbs that an ending may be, by the table of arrows. */
const AFTER_RUNNING = new Set<State>(
  Object.values(ARROWS)
    .filter(({ from }) => (from as readonly State[]).includes("running"))
    .flatMap(({ to }) => [...to]),
);

const of = (running: Running, ending: Ending, random = 0) => settle(running, ending, DEFAULT_RETRY, NOW, random);

describe("the end of an attempt", () => {
  it("moves the task along an arrow, and is named in its history", () => {
    fc.assert(
      fc.property(runnings, endings, randoms, (running, ending, random) => {
        const { state, outcome } = of(running, ending, random);
        expect(AFTER_RUNNING).toContain(state);
        expect(OUTCOMES).toContain(outcome);
        expect(outcome).toBe(ending.outcome);
      }),
    );
  });

  it("leaves a timer or a named wait where the task lives, and neither where it has ended", () => {
    fc.assert(
      fc.property(runnings, endings, randoms, (running, ending, random) => {
        const { state, runAt, dueAt, wait } = of(running, ending, random);
        const lives = !isTerminal(state);
        expect([runAt !== null, dueAt !== null || wait !== undefined]).toEqual([lives, lives]);
        expect(runAt ?? NOW).toBeGreaterThanOrEqual(NOW);
        expect(dueAt ?? NOW).toBeGreaterThanOrEqual(NOW);
      }),
    );
  });

  it("never sets a start that no date can show, however long the handler asks to wait", () => {
    fc.assert(
      fc.property(runnings, endings, randoms, (running, ending, random) => {
        expect(of(running, ending, random).runAt ?? 0).toBeLessThan(END_OF_DATES);
      }),
    );
  });

  it("carries a result only in success, and an error only where the task fails or is cancelled", () => {
    fc.assert(
      fc.property(runnings, endings, randoms, (running, ending, random) => {
        const { state, result, error } = of(running, ending, random);
        expect(result !== null).toBe(state === "succeeded");
        expect(error !== null).toBe(state === "failed" || state === "cancelled");
      }),
    );
  });

  it("counts failures and crashes apart, one at a time", () => {
    fc.assert(
      fc.property(runnings, endings, randoms, (running, ending, random) => {
        const { failures, crashes } = of(running, ending, random);
        const isFailure = ending.outcome === "failed" || ending.outcome === "timeout";
        expect(failures - running.failures).toBe(isFailure ? 1 : 0);
        // A wait that was reached shows that the task does not bring its worker down.
        const before = ending.outcome === "suspended" ? 0 : running.crashes;
        expect(crashes - before).toBe(ending.outcome === "crashed" ? 1 : 0);
      }),
    );
  });
});

describe("a failed attempt", () => {
  const failures = fc.oneof(failed, fc.record({ outcome: fc.constant("timeout" as const), error: errors }));

  it("is followed by another or ends the task, and never fails more often than it may", () => {
    fc.assert(
      fc.property(runnings, failures, randoms, (running, ending, random) => {
        const settled = of(running, ending, random);
        expect(["retrying", "failed"]).toContain(settled.state);
        expect(settled.failures).toBeLessThanOrEqual(running.maxAttempts);
        expect(settled.state === "retrying").toBe(
          (ending.outcome === "timeout" || (ending.outcome === "failed" && ending.retryable)) &&
            running.failures + 1 < running.maxAttempts,
        );
      }),
    );
  });

  it("comes to an end after as many failures as there are attempts, whatever crashes came between", () => {
    const policy = { ...DEFAULT_RETRY, base: 0 };
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 20 }), (maxAttempts) => {
        let running: Running = { failures: 0, crashes: 0, maxAttempts };
        let starts = 0;
        for (let state: State = "running"; !isTerminal(state); starts++) {
          const settled = settle(
            running,
            { outcome: "timeout", error: { type: "timeout", message: "" } },
            policy,
            NOW,
            0,
          );
          ({ state } = settled);
          running = { ...running, failures: settled.failures };
        }
        expect(starts).toBe(maxAttempts);
      }),
    );
  });

  it("starts again after the policy's delay for that failure", () => {
    fc.assert(
      fc.property(runnings, randoms, (running, random) => {
        fc.pre(running.failures + 1 < running.maxAttempts);
        const { runAt, dueAt } = of(running, { outcome: "timeout", error: { type: "timeout", message: "" } }, random);
        expect(runAt).toBe(NOW + retryDelay(DEFAULT_RETRY, running.failures + 1, random));
        expect(dueAt).toBe(runAt);
      }),
    );
  });

  const first: Running = { failures: 0, crashes: 0, maxAttempts: 3 };

  it("starts again after exactly the delay of a RetryAfterError", () => {
    expect(of(first, endingOf(new RetryAfterError("busy", "90s")), 0.5)).toMatchObject({
      state: "retrying",
      runAt: NOW + 90_000,
      attemptError: { type: "RetryAfterError", message: "busy" },
    });
  });

  it("ends the task at once with a NonRetryableError, and with one of its kind", () => {
    class NoSuchUser extends NonRetryableError {}
    for (const thrown of [new NonRetryableError("no"), new NoSuchUser("no")]) {
      expect(of(first, endingOf(thrown))).toMatchObject({ state: "failed", failures: 1, error: { message: "no" } });
    }
  });

  it.each([new Error("x"), "a text", null, undefined, { code: 1 }])("may be retried when %s was thrown", (thrown) => {
    expect(of(first, endingOf(thrown)).state).toBe("retrying");
  });
});

describe("an attempt that undoes steps", () => {
  const cuts = fc.oneof(
    failed,
    fc.record({ outcome: fc.constant("timeout" as const), error: errors }),
    fc.constant<Ending>({ outcome: "crashed" }),
  );

  it("ends the task as it was to end, with its own error, and tells what could not be undone", () => {
    fc.assert(
      fc.property(runnings, undoings, fc.array(fc.string()), (running, undoing, steps) => {
        const failures = steps.map((step) => ({ step, error: { type: "Error", message: "no" } }));
        const { state, error } = of({ ...running, undoing }, { outcome: "undone", undoing, failures });
        expect(state).toBe(undoing.state);
        expect(error).toMatchObject({ type: undoing.error.type, message: undoing.error.message });
        expect(error?.data).toEqual(steps.length > 0 ? { undo: failures } : undefined);
      }),
    );
  });

  it("goes on where it was cut short, until it was so too often, and never ends another way", () => {
    fc.assert(
      fc.property(undoings, fc.array(cuts, { minLength: MAX_UNDO_CRASHES }), randoms, (undoing, ends, random) => {
        let running: Running = { failures: 3, crashes: 0, maxAttempts: 3, undoing };
        let state: State = "running";
        let error = null;
        for (let n = 0; !isTerminal(state); n++) {
          const settled = of(running, ends[n]!, random);
          ({ state, error } = settled);
          expect(["queued", "retrying", undoing.state]).toContain(state);
          running = { ...running, failures: settled.failures, crashes: settled.crashes };
        }
        expect(running.failures).toBe(3);
        expect(error).toMatchObject({ ...undoing.error, data: { undo: [{ step: null }] } });
      }),
    );
  });

  it("keeps what else the task's error tells", () => {
    const failures = [{ step: "charge", error: { type: "Error", message: "no" } }];
    const dataWith = (data: unknown) =>
      errorAfterUndo({ state: "failed", error: { type: "Error", message: "x", data } }, failures).data;
    expect(dataWith({ order: 7 })).toEqual({ order: 7, undo: failures });
    expect(dataWith(["a"])).toEqual({ data: ["a"], undo: failures });
    expect(dataWith(undefined)).toEqual({ undo: failures });
  });
});

describe("an attempt that was cut off", () => {
  it("is queued again at once and uses up no attempt", () => {
    const settled = of({ failures: 2, crashes: 0, maxAttempts: 3 }, { outcome: "crashed" });
    expect(settled).toMatchObject({ state: "queued", failures: 2, crashes: 1, runAt: NOW });
  });

  it(`ends the task as lost the ${MAX_CRASHES}rd time`, () => {
    const settled = Array.from({ length: MAX_CRASHES }, (_, crashes) =>
      of({ failures: 0, crashes, maxAttempts: 1 }, { outcome: "crashed" }),
    );
    const last = settled.pop();
    expect(settled.map((each) => each.state)).toEqual(settled.map(() => "queued"));
    expect(last).toMatchObject({ state: "failed", error: { type: "worker_lost" } });
  });
});
