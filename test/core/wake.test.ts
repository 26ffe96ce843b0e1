import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { BELL_MS, DEFAULT_RETENTION_MS, MIN_RETENTION_MS } from "../../src/core/bounds.ts";
import { ARROWS, isTerminal, LIVE_STATES, STATES, TERMINAL_STATES, type State } from "../../src/core/states.ts";
import {
  firstLook,
  nextPurge,
  PURGE_EVERY_MS,
  purgeDue,
  TOLD,
  wake,
  type Sleeper,
  type Wake,
} from "../../src/core/wake.ts";

const NOW = 1_700_000_000_000;

const around = fc.oneof(
  fc.integer({ min: -100, max: 100 }),
  fc.integer({ min: -10 * 86_400_000, max: 10 * 86_400_000 }),
);
const instants = around.map((ms) => NOW + ms);
const orNever = (instant: fc.Arbitrary<number>) => fc.option(instant, { nil: null });
const retentions = fc.constantFrom(MIN_RETENTION_MS, 3_600_000, DEFAULT_RETENTION_MS, 30 * 86_400_000);

/** Every row, also such as no verb makes. */
const rows: fc.Arbitrary<Sleeper> = fc.record({
  state: fc.constantFrom(...STATES),
  runAt: instants,
  createdAt: instants,
  startedAt: orNever(instants),
  expiresAt: orNever(instants),
  leaseUntil: orNever(instants),
  retainUntil: orNever(instants),
  finishedAt: orNever(instants),
  retentionMs: retentions,
  object: fc.nat({ max: 15 }),
});

const inStates = (...states: State[]) =>
  fc.constantFrom(...states).chain((state) => rows.map((row) => ({ ...row, state })));

const many = { numRuns: 2_000 };

/** The look as a verb of the table of arrows; one that only sets the timer, or purges, is none. */
function arrowOf(looked: Wake): { from: readonly State[] } | null {
  return looked.do === "start" || looked.do === "expire" || looked.do === "rescue" ? ARROWS[looked.do] : null;
}

function timerOf(looked: Wake): number | null {
  return "dueAt" in looked ? looked.dueAt : null;
}

describe("a look at a row", () => {
  it("finds something to do for every row there can be", () => {
    fc.assert(
      fc.property(rows, instants, (row, now) => {
        expect(["start", "expire", "rescue", "purge", "ring", "postpone", "tell"]).toContain(wake(row, now).do);
      }),
      many,
    );
  });

  it("asks only for moves that the table of arrows allows from this state", () => {
    fc.assert(
      fc.property(rows, instants, (row, now) => {
        // Nothing is retried that has not started.
        fc.pre(row.state !== "retrying" || row.startedAt !== null);
        expect(arrowOf(wake(row, now))?.from ?? [row.state]).toContain(row.state);
      }),
      many,
    );
  });

  it("puts the next one into the future, so that looking again at once finds nothing", () => {
    fc.assert(
      fc.property(rows, instants, (row, now) => {
        expect(timerOf(wake(row, now)) ?? Infinity).toBeGreaterThan(now);
      }),
      many,
    );
  });

  it("counts in whole milliseconds, the only ones that the row takes", () => {
    fc.assert(
      fc.property(rows, instants, (row, now) => {
        expect(Number.isInteger(timerOf(wake(row, now)) ?? 0)).toBe(true);
      }),
      many,
    );
  });

  it("leaves a timer on every row that lives", () => {
    fc.assert(
      fc.property(inStates(...LIVE_STATES), instants, (row, now) => {
        const looked = wake(row, now);
        expect("dueAt" in looked && looked.dueAt === null).toBe(false);
      }),
      many,
    );
  });

  it("ends only what never started, and only from its expiry on", () => {
    fc.assert(
      fc.property(inStates("scheduled", "queued", "waiting"), instants, (row, now) => {
        const isLate = row.startedAt === null && row.expiresAt !== null && row.expiresAt <= now;
        expect(wake(row, now).do === "expire").toBe(isLate);
      }),
      many,
    );
  });

  it("comes no later than the expiry of what has not started", () => {
    fc.assert(
      fc.property(inStates("scheduled", "queued", "waiting"), instants, (row, now) => {
        fc.pre(row.startedAt === null && row.expiresAt !== null);
        expect(timerOf(wake(row, now)) ?? -Infinity).toBeLessThanOrEqual(row.expiresAt);
      }),
      many,
    );
  });

  it("rescues a running task when its lease is over, and never while it is alive", () => {
    fc.assert(
      fc.property(inStates("running"), instants, instants, (row, leaseUntil, now) => {
        const looked = wake({ ...row, leaseUntil }, now);
        expect(looked.do).toBe(leaseUntil <= now ? "rescue" : "postpone");
        expect(timerOf(looked)).toBe(looked.do === "postpone" ? leaseUntil : null);
      }),
      many,
    );
  });

  it("starts what waits for its time when that has come, and not before", () => {
    fc.assert(
      fc.property(inStates("scheduled", "retrying", "waiting"), instants, (row, now) => {
        fc.pre(wake(row, now).do !== "expire");
        const looked = wake(row, now);
        expect(looked.do).toBe(row.runAt <= now ? "start" : "postpone");
        expect(timerOf(looked) ?? -Infinity).toBeLessThanOrEqual(row.runAt);
      }),
      many,
    );
  });

  it("rings again for what is queued, ever more seldom, but at least every ten minutes", () => {
    fc.assert(
      fc.property(inStates("queued"), instants, (row, now) => {
        fc.pre(wake(row, now).do !== "expire");
        const looked = wake({ ...row, expiresAt: null }, now) as { do: string; dueAt: number };
        expect(looked.do).toBe("ring");
        expect(looked.dueAt - now).toBeGreaterThanOrEqual(BELL_MS);
        expect(looked.dueAt - now).toBeLessThanOrEqual(600_000);
      }),
      many,
    );
  });

  it("purges an ended task when its retention is over, and tells listeners before", () => {
    fc.assert(
      fc.property(inStates(...TERMINAL_STATES), instants, (row, now) => {
        const isOver = row.retainUntil !== null && row.retainUntil <= now;
        expect(wake(row, now).do).toBe(isOver ? "purge" : row.object & TOLD ? "tell" : "postpone");
      }),
      many,
    );
  });

  it("never purges what lives", () => {
    fc.assert(
      fc.property(rows, instants, (row, now) => {
        expect(wake(row, now).do === "purge" && !isTerminal(row.state)).toBe(false);
      }),
      many,
    );
  });
});

describe("the first look", () => {
  it("comes when the task starts, or when its bell may be lost, but no later than its expiry", () => {
    expect(firstLook("scheduled", NOW + 5_000, null, NOW)).toBe(NOW + 5_000);
    expect(firstLook("queued", NOW, null, NOW)).toBe(NOW + BELL_MS);
    expect(firstLook("queued", NOW, NOW + 2_000, NOW)).toBe(NOW + 2_000);
    expect(firstLook("scheduled", NOW + 5_000, NOW + 90_000, NOW)).toBe(NOW + 5_000);
  });
});

describe("the timer of an ended task", () => {
  const ended = (createdAt: number, finishedAt: number, retentionMs: number) =>
    purgeDue({ createdAt, finishedAt, retentionMs, retainUntil: finishedAt + retentionMs });

  it("is none where the retention walk will meet it after its end", () => {
    expect(ended(NOW, NOW + 1_000, DEFAULT_RETENTION_MS)).toBe(null);
  });

  it("is set where the walk may have passed it already, and for every retention of its own", () => {
    const week = DEFAULT_RETENTION_MS;
    expect(ended(NOW, NOW + week, week)).toBe(nextPurge(NOW + 2 * week));
    expect(ended(NOW, NOW + 1_000, MIN_RETENTION_MS)).toBe(nextPurge(NOW + 1_000 + MIN_RETENTION_MS));
  });

  it("comes in steps, after the retention's end and soon", () => {
    fc.assert(
      fc.property(instants, (at) => {
        expect(nextPurge(at) % PURGE_EVERY_MS).toBe(0);
        expect(nextPurge(at) - at).toBeGreaterThanOrEqual(0);
        expect(nextPurge(at) - at).toBeLessThan(PURGE_EVERY_MS);
      }),
    );
  });
});
