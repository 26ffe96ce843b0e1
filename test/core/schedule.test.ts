/** When schedules tick: the days on which clocks are changed as tables, the rest as properties. */
import { Cron } from "croner";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { nextTicks, rhythmOf, whyNoCron, type Timing } from "../../src/core/rhythm.ts";
import { anchorOf, CATCH_UPS, lookAt, OVERLAPS, type Plan } from "../../src/core/schedule.ts";
import { instantOf, isZone, wallOf } from "../../src/core/zone.ts";

const iso = (at: number) => new Date(at).toISOString().replace(".000Z", "Z");

function timing(part: Partial<Timing>): Timing {
  return { cron: null, everyMs: null, timezone: "UTC", startAt: null, endAt: null, anchor: 0, ...part };
}

function ticks(part: Partial<Timing>, from: string, count: number): string[] {
  return nextTicks(rhythmOf(timing(part)), Date.parse(from), count).map(iso);
}

describe("on the day when clocks go forward", () => {
  // Berlin jumps from 2:00 to 3:00 at 01:00Z, New York from 2:00 to 3:00 at 07:00Z.
  const table: [string, string, string, string[]][] = [
    ["Europe/Berlin", "30 1 * * *", "2026-03-28T12:00:00Z", ["2026-03-29T00:30:00Z", "2026-03-29T23:30:00Z"]],
    ["Europe/Berlin", "0 2 * * *", "2026-03-28T12:00:00Z", ["2026-03-29T01:00:00Z", "2026-03-30T00:00:00Z"]],
    ["Europe/Berlin", "30 2 * * *", "2026-03-28T12:00:00Z", ["2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"]],
    ["Europe/Berlin", "59 59 2 * * *", "2026-03-28T12:00:00Z", ["2026-03-29T01:00:00Z", "2026-03-30T00:59:59Z"]],
    ["Europe/Berlin", "0 3 * * *", "2026-03-28T12:00:00Z", ["2026-03-29T01:00:00Z", "2026-03-30T01:00:00Z"]],
    ["Europe/Berlin", "30 2 29 3 *", "2026-03-28T12:00:00Z", ["2026-03-29T01:00:00Z", "2027-03-29T00:30:00Z"]],
    [
      "Europe/Berlin",
      "*/30 1-3 * * *",
      "2026-03-28T12:00:00Z",
      ["2026-03-29T00:00:00Z", "2026-03-29T00:30:00Z", "2026-03-29T01:00:00Z", "2026-03-29T01:30:00Z"],
    ],
    ["America/New_York", "30 1 * * *", "2026-03-07T12:00:00Z", ["2026-03-08T06:30:00Z", "2026-03-09T05:30:00Z"]],
    ["America/New_York", "0 2 * * *", "2026-03-07T12:00:00Z", ["2026-03-08T07:00:00Z", "2026-03-09T06:00:00Z"]],
    ["America/New_York", "30 2 * * *", "2026-03-07T12:00:00Z", ["2026-03-08T07:00:00Z", "2026-03-09T06:30:00Z"]],
    ["America/New_York", "0 3 * * *", "2026-03-07T12:00:00Z", ["2026-03-08T07:00:00Z", "2026-03-09T07:00:00Z"]],
  ];

  it.for(table)("in %s, %s after %s ticks at %o", ([timezone, cron, from, expected]) => {
    expect(ticks({ cron, timezone }, from, expected.length)).toEqual(expected);
  });
});

describe("on the day when clocks go back", () => {
  // Berlin shows 2:00 to 3:00 twice from 00:00Z and from 01:00Z, New York 1:00 to 2:00 from 05:00Z and from 06:00Z.
  const table: [string, string, string, string[]][] = [
    ["Europe/Berlin", "30 1 * * *", "2026-10-24T12:00:00Z", ["2026-10-24T23:30:00Z", "2026-10-26T00:30:00Z"]],
    ["Europe/Berlin", "0 2 * * *", "2026-10-24T12:00:00Z", ["2026-10-25T00:00:00Z", "2026-10-26T01:00:00Z"]],
    ["Europe/Berlin", "30 2 * * *", "2026-10-24T12:00:00Z", ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]],
    ["Europe/Berlin", "0 3 * * *", "2026-10-24T12:00:00Z", ["2026-10-25T02:00:00Z", "2026-10-26T02:00:00Z"]],
    // Asked between the two, it has been already.
    ["Europe/Berlin", "30 2 * * *", "2026-10-25T00:45:00Z", ["2026-10-26T01:30:00Z"]],
    ["Europe/Berlin", "30 2 * * *", "2026-10-25T01:15:00Z", ["2026-10-26T01:30:00Z"]],
    [
      "Europe/Berlin",
      "*/30 2-3 * * *",
      "2026-10-24T12:00:00Z",
      ["2026-10-25T00:00:00Z", "2026-10-25T00:30:00Z", "2026-10-25T02:00:00Z", "2026-10-25T02:30:00Z"],
    ],
    ["America/New_York", "30 0 * * *", "2026-10-31T12:00:00Z", ["2026-11-01T04:30:00Z", "2026-11-02T05:30:00Z"]],
    ["America/New_York", "0 1 * * *", "2026-10-31T12:00:00Z", ["2026-11-01T05:00:00Z", "2026-11-02T06:00:00Z"]],
    ["America/New_York", "30 1 * * *", "2026-10-31T12:00:00Z", ["2026-11-01T05:30:00Z", "2026-11-02T06:30:00Z"]],
    ["America/New_York", "0 2 * * *", "2026-10-31T12:00:00Z", ["2026-11-01T07:00:00Z", "2026-11-02T07:00:00Z"]],
  ];

  it.for(table)("in %s, %s after %s ticks at %o", ([timezone, cron, from, expected]) => {
    expect(ticks({ cron, timezone }, from, expected.length)).toEqual(expected);
  });
});

describe("an expression whose hours are all of them or stepped", () => {
  const table: [string, string, string, string[]][] = [
    // Berlin shows 2:00 to 3:00 twice, and nothing pauses for the hour.
    [
      "Europe/Berlin",
      "*/30 * * * *",
      "2026-10-25T00:00:00Z",
      ["2026-10-25T00:30:00Z", "2026-10-25T01:00:00Z", "2026-10-25T01:30:00Z", "2026-10-25T02:00:00Z"],
    ],
    ["Europe/Berlin", "0 * * * *", "2026-10-25T00:00:00Z", ["2026-10-25T01:00:00Z", "2026-10-25T02:00:00Z"]],
    [
      "Europe/Berlin",
      "0 */2 * * *",
      "2026-10-24T22:00:00Z",
      ["2026-10-25T00:00:00Z", "2026-10-25T01:00:00Z", "2026-10-25T03:00:00Z"],
    ],
    ["Europe/Berlin", "30 * * * *", "2026-03-29T00:00:00Z", ["2026-03-29T00:30:00Z", "2026-03-29T01:30:00Z"]],
    // 2:15 does not exist; two hours after 0:15 the wall shows 3:15.
    [
      "Europe/Berlin",
      "15 */2 * * *",
      "2026-03-28T23:00:00Z",
      ["2026-03-28T23:15:00Z", "2026-03-29T01:15:00Z", "2026-03-29T02:15:00Z"],
    ],
    // Midnight does not exist there on that day.
    ["Asia/Beirut", "0 */12 * * *", "2026-03-28T11:00:00Z", ["2026-03-28T22:00:00Z", "2026-03-29T09:00:00Z"]],
    // From 2:00 back to 1:30.
    [
      "Australia/Lord_Howe",
      "*/20 * * * *",
      "2026-04-04T14:30:00Z",
      ["2026-04-04T14:40:00Z", "2026-04-04T15:10:00Z", "2026-04-04T15:30:00Z"],
    ],
  ];

  it.for(table)("in %s, %s after %s ticks at %o", ([timezone, cron, from, expected]) => {
    expect(ticks({ cron, timezone }, from, expected.length)).toEqual(expected);
  });
});

describe("a cron expression", () => {
  it("ticks as written, in zones with odd offsets and changes too", () => {
    expect(ticks({ cron: "0 9 * * MON", timezone: "Asia/Kolkata" }, "2026-01-01T00:00:00Z", 2)).toEqual([
      "2026-01-05T03:30:00Z",
      "2026-01-12T03:30:00Z",
    ]);
    // Half an hour is left out.
    expect(ticks({ cron: "15 2 * * *", timezone: "Australia/Lord_Howe" }, "2026-10-03T12:00:00Z", 2)).toEqual([
      "2026-10-03T15:30:00Z",
      "2026-10-04T15:15:00Z",
    ]);
    // A whole day was left out.
    expect(ticks({ cron: "0 12 30 12 *", timezone: "Pacific/Apia" }, "2011-12-01T00:00:00Z", 2)).toEqual([
      "2011-12-30T10:00:00Z",
      "2012-12-29T22:00:00Z",
    ]);
    expect(ticks({ cron: "0 0 29 2 *" }, "2026-01-01T00:00:00Z", 1)).toEqual(["2028-02-29T00:00:00Z"]);
    expect(ticks({ cron: "0 0 L * *" }, "2026-02-01T00:00:00Z", 2)).toEqual([
      "2026-02-28T00:00:00Z",
      "2026-03-31T00:00:00Z",
    ]);
  });

  it("has five or six fields that can come true", () => {
    const bad = ["* * * *", "* * * * * * *", "@daily", "? * * * *", "60 * * * *", "0 0 31 2 *", "a b c d e", ""];
    expect(bad.filter((text) => whyNoCron(text) === null)).toEqual([]);
    const good = ["* * * * *", "*/5 * * * * *", "0 9-17 * * MON-FRI", "0 0 1,15 JAN *", "0 12 * * 5#2"];
    expect(good.filter((text) => whyNoCron(text) !== null)).toEqual([]);
  });

  it("never ticks again where its end has come", () => {
    const endAt = Date.parse("2026-01-02T00:00:00Z");
    expect(ticks({ cron: "0 0 * * *", endAt }, "2025-12-31T12:00:00Z", 5)).toEqual([
      "2026-01-01T00:00:00Z",
      "2026-01-02T00:00:00Z",
    ]);
    const startAt = Date.parse("2026-01-05T00:00:00Z");
    expect(ticks({ cron: "0 0 * * *", startAt }, "2026-01-01T00:00:00Z", 1)).toEqual(["2026-01-05T00:00:00Z"]);
  });
});

describe("a zone", () => {
  it("is one of IANA's", () => {
    expect(["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata"].filter((zone) => !isZone(zone))).toEqual([]);
    expect(["", "Mars/Olympus", "+01:00", "Europe"].filter(isZone)).toEqual([]);
  });
});

const zones = fc.constantFrom(
  "UTC",
  "Europe/Berlin",
  "America/New_York",
  "Australia/Lord_Howe",
  "Asia/Kolkata",
  "America/St_Johns",
  "Asia/Beirut",
  "Africa/Casablanca",
);
const instants = fc.integer({ min: Date.parse("2020-01-01T00:00:00Z"), max: Date.parse("2035-01-01T00:00:00Z") });
const fixed = fc.constantFrom(
  "30 2 * * *",
  "*/7 2 * * *",
  "13,47 1,2 * * *",
  "*/15 0-4 * * *",
  "0 0 1 * *",
  "15 3 * * SUN",
  "*/20 * 1-3 * * *",
);
const running = fc.constantFrom(
  "*/7 * * * *",
  "*/30 * * * *",
  "0 * * * *",
  "45 */2 * * *",
  "10 1-23/3 * * *",
  "0 1,*/4 * * *",
  "5 0-23/12 * * *",
  "20 * 29 3 *",
  "30 * * * SUN",
);
const crons = fc.oneof(fixed, running);
/** Moments around changes of clocks, where mistakes are. */
const changes = fc
  .tuple(
    fc.constantFrom(
      "2026-03-29T01:00:00Z",
      "2026-10-25T01:00:00Z",
      "2026-03-08T07:00:00Z",
      "2026-11-01T06:00:00Z",
      // Lord Howe's two; Beirut's, at midnight; Casablanca's, around Ramadan.
      "2026-10-03T15:30:00Z",
      "2026-04-04T15:00:00Z",
      "2026-03-28T22:00:00Z",
      "2026-02-15T02:00:00Z",
      "2026-03-22T02:00:00Z",
    ),
  )
  .chain(([text]) => fc.integer({ min: -7_200_000, max: 7_200_000 }).map((shift) => Date.parse(text) + shift));
const moments = fc.oneof(instants, changes);
const timings = fc.oneof(
  fc.record({ cron: crons, timezone: zones }).map(timing),
  fc.record({ everyMs: fc.integer({ min: 1_000, max: 10_000_000 }), anchor: instants }).map(timing),
);

describe("every rhythm", () => {
  it("goes forward and backward over the same ticks", () => {
    fc.assert(
      fc.property(timings, moments, (each, at) => {
        const rhythm = rhythmOf(each);
        const next = rhythm.next(at)!;
        expect(next).toBeGreaterThan(at);
        expect(rhythm.previous(next + 1)).toBe(next);
        const before = rhythm.previous(next);
        expect(before === null || (before <= at && rhythm.next(before) === next)).toBe(true);
      }),
      { numRuns: 400 },
    );
  });

  it("of an expression with fixed hours shows each of its wall times once, or jumps over it", () => {
    fc.assert(
      fc.property(fixed, zones, moments, (cron, timezone, at) => {
        const [first, ...rest] = nextTicks(rhythmOf(timing({ cron, timezone })), at, 12);
        const walls = [first!, ...rest].map((tick) => wallOf(timezone, tick));
        expect(walls).toEqual(walls.toSorted((a, b) => a - b));
        expect(new Set(walls).size).toBe(walls.length);
        expect(walls.map((wall) => instantOf(timezone, wall))).toEqual([first!, ...rest]);
      }),
      { numRuns: 200 },
    );
  });
});

const MINUTE_MS = 60_000;

/** Each minute of the span at which the wall shows such a time, and where the clock as it was before a jump would have. */
function runningTicks(cron: string, zone: string, from: number, to: number): number[] {
  const pattern = new Cron(cron, { mode: "5-or-6-parts", timezone: "UTC" });
  const offset = (at: number) => wallOf(zone, at) - at;
  let jump = { until: -Infinity, old: 0 };
  const found: number[] = [];
  // A jump leaves out an hour at most here.
  let before = offset(from - 61 * MINUTE_MS);
  for (let at = from - 60 * MINUTE_MS; at < to; at += MINUTE_MS) {
    const now = offset(at);
    if (now > before) jump = { until: at + now - before, old: before };
    const shows = pattern.match(new Date(at + now)) || (at < jump.until && pattern.match(new Date(at + jump.old)));
    if (shows && at >= from) found.push(at);
    before = now;
  }
  return found;
}

describe("a rhythm whose hours are all of them or stepped", () => {
  it("ticks in every minute that the wall shows or would have shown without the jump, each once, and in no other", () => {
    fc.assert(
      fc.property(running, zones, changes, (cron, timezone, near) => {
        const from = Math.floor(near / MINUTE_MS) * MINUTE_MS - 180 * MINUTE_MS;
        const to = from + 420 * MINUTE_MS;
        const rhythm = rhythmOf(timing({ cron, timezone }));
        const expected = runningTicks(cron, timezone, from, to);
        expect(nextTicks(rhythm, from - 1, expected.length + 1).filter((tick) => tick < to)).toEqual(expected);
      }),
      { numRuns: 100 },
    );
  });

  it("ticks each minute as if there were no clocks to be changed", () => {
    fc.assert(
      fc.property(zones, changes, (timezone, near) => {
        const rhythm = rhythmOf(timing({ cron: "* * * * *", timezone }));
        const every = nextTicks(rhythm, near - 90 * MINUTE_MS, 180);
        expect(every.slice(1).map((tick, n) => tick - every[n]!)).toEqual(Array(179).fill(MINUTE_MS));
      }),
      { numRuns: 20 },
    );
  });
});

const T0 = Date.parse("2026-01-01T00:00:00Z");
const plan = (part: Partial<Plan> & { everyMs?: number }): Plan => ({
  timing: timing({ everyMs: part.everyMs ?? 10_000, anchor: T0 }),
  overlap: part.overlap ?? "allow",
  catchUp: part.catchUp ?? "last",
});
const seconds = (look: { ticks: number[] }) => look.ticks.map((at) => (at - T0) / 1_000);

describe("a look at a schedule", () => {
  it("in time makes the one tick, whatever the catch-up", () => {
    for (const catchUp of CATCH_UPS) {
      const look = lookAt(plan({ catchUp }), T0 + 10_000, T0 + 10_005);
      expect([seconds(look), look.nextAt]).toEqual([[10], T0 + 20_000]);
    }
  });

  it("counts a tick as missed one interval later, or a minute", () => {
    const none = (everyMs: number, lateMs: number) =>
      lookAt(plan({ everyMs, catchUp: "none" }), T0 + everyMs, T0 + everyMs + lateMs).ticks.length;
    expect([none(3_600_000, 60_000), none(3_600_000, 60_001)]).toEqual([1, 0]);
    expect(seconds(lookAt(plan({ catchUp: "none" }), T0 + 10_000, T0 + 29_999))).toEqual([20]);
    expect(seconds(lookAt(plan({ catchUp: "last" }), T0 + 10_000, T0 + 29_999))).toEqual([10, 20]);
  });

  it("with skip makes no more than one, unless all are made up for: then one after the other", () => {
    expect(seconds(lookAt(plan({ overlap: "skip" }), T0 + 10_000, T0 + 95_000))).toEqual([80]);
    const all = lookAt(plan({ overlap: "skip", catchUp: "all" }), T0 + 10_000, T0 + 35_000);
    expect([seconds(all), all.overlap]).toEqual([[10, 20, 30], "queue"]);
    expect(lookAt(plan({ overlap: "skip", catchUp: "all" }), T0 + 10_000, T0 + 11_000).overlap).toBe("follow");
  });

  it("leaves nothing due behind, and with all nothing out", () => {
    const plans = fc.record({
      timing: timings,
      overlap: fc.constantFrom(...OVERLAPS),
      catchUp: fc.constantFrom(...CATCH_UPS),
    });
    fc.assert(
      fc.property(plans, moments, fc.integer({ min: 0, max: 5_000_000 }), (each, at, late) => {
        const rhythm = rhythmOf(each.timing);
        const due = rhythm.next(at)!;
        const now = due + late;
        const look = lookAt(each, due, now, 50);
        expect(look.ticks).toEqual([...new Set(look.ticks)].toSorted((a, b) => a - b));
        expect(look.ticks.every((tick) => tick >= due && tick <= now)).toBe(true);
        const all = nextTicks(rhythm, due - 1, 50).filter((tick) => tick <= now);
        const goesOn = each.catchUp === "all" ? all.at(-1)! : now;
        expect(look.nextAt).toBe(rhythm.next(goesOn));
        expect(each.catchUp === "all" ? look.ticks : all).toEqual(all);
        expect(look.ticks.length).toBeLessThanOrEqual(each.catchUp === "all" ? 50 : 3);
      }),
      { numRuns: 400 },
    );
  });

  it("with last makes exactly one of those that were missed", () => {
    fc.assert(
      fc.property(timings, moments, fc.integer({ min: 0, max: 5_000_000 }), (each, at, late) => {
        const rhythm = rhythmOf(each);
        const due = rhythm.next(at)!;
        const now = due + late;
        const all = lookAt({ timing: each, overlap: "allow", catchUp: "all" }, due, now, 10_000).ticks;
        const isMissed = (tick: number) => now - tick > Math.min(60_000, rhythm.next(tick)! - tick);
        const missed = all.filter(isMissed);
        const { ticks } = lookAt({ timing: each, overlap: "allow", catchUp: "last" }, due, now);
        expect(ticks.filter(isMissed)).toEqual(missed.slice(-1));
        expect(ticks.filter((tick) => !isMissed(tick))).toEqual(all.filter((tick) => !isMissed(tick)));
      }),
      { numRuns: 100 },
    );
  });
});

describe("the phase of an interval", () => {
  const before = { everyMs: 10_000, anchor: T0 };

  it("stays with the same interval, and begins anew with another or with a start", () => {
    expect(anchorOf({ everyMs: 10_000, startAt: null }, before, T0 + 3_000)).toBe(T0);
    expect(anchorOf({ everyMs: 9_000, startAt: null }, before, T0 + 3_000)).toBe(T0 + 3_000);
    expect(anchorOf({ everyMs: 10_000, startAt: T0 + 1 }, before, T0 + 3_000)).toBe(T0 + 1);
    expect(anchorOf({ everyMs: 10_000, startAt: null }, null, T0 + 3_000)).toBe(T0 + 3_000);
  });

  it("puts the first tick one interval after its beginning", () => {
    expect(rhythmOf(timing({ everyMs: 10_000, anchor: T0 })).next(T0 - 86_400_000)).toBe(T0 + 10_000);
  });
});
