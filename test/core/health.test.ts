/** What is said of a tenant's work, from what is seen of it. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CHECKS } from "../../src/core/health-fact.ts";
import { reportOf, type Seen, type SeenLane } from "../../src/core/health.ts";

const MINUTE = 60_000;
const NOW = Date.UTC(2026, 10, 28, 9, 41);

const idle: SeenLane = {
  lane: "default",
  queued: 0,
  running: 0,
  waitsSince: null,
  runsSince: null,
  movedAt: [],
  usualMs: null,
  held: null,
};

const calm: Seen = {
  now: NOW,
  lanes: [idle],
  isWhole: true,
  unseen: [],
  lately: { ended: 0, failed: 0 },
  usually: { ended: 0, failed: 0 },
  missed: [],
  quotas: { tasks: { used: 10, limit: 100 } },
  storage: { sizeBytes: 1, maxBytes: 100, accepts: true },
  clockLagMs: 0,
};

const withLane = (lane: Partial<SeenLane>): Seen => ({ ...calm, lanes: [{ ...idle, ...lane }] });
const codes = (seen: Seen) =>
  reportOf(seen).facts.map(({ code, subject }) => (subject === null ? code : `${code}:${subject}`));

describe("the report", () => {
  it("is calm where nothing is wrong, and says what was ruled out", () => {
    expect(reportOf(calm)).toEqual({
      verdict: "ok",
      summary: "All is well: nothing runs or waits.",
      facts: [{ code: "idle", level: "ok", subject: null, queued: 0, running: 0, capped: false, ended: 0, failed: 0 }],
      ruledOut: [...CHECKS],
    });
    const busy = {
      ...withLane({ running: 1, runsSince: NOW, queued: 2, waitsSince: NOW }),
      lately: { ended: 9, failed: 1 },
    };
    expect(reportOf(busy).summary).toBe(
      "All is well: 1 task runs, 2 are queued, and of 9 that ended in the last quarter of an hour 1 failed.",
    );
  });

  it.each([
    ["long enough, and nothing ended", { runsSince: NOW - 15 * MINUTE }, true],
    ["not as long as an attempt may take", { runsSince: NOW - 14 * MINUTE }, false],
    ["long for attempts that are short as a rule", { runsSince: NOW - 10 * MINUTE, usualMs: 2_000 }, true],
    ["no longer than is usual", { runsSince: NOW - 11 * MINUTE, usualMs: 4 * MINUTE }, false],
    ["long, and another one ended", { runsSince: NOW - 20 * MINUTE, movedAt: [NOW - 3 * MINUTE] }, false],
    ["long, and another one ended before that", { runsSince: NOW - 20 * MINUTE, movedAt: [NOW - 16 * MINUTE] }, true],
  ])("says whether a lane stands still whose task has run %s", (_, lane, stalled) => {
    const report = reportOf(withLane({ running: 3, ...lane }));
    expect(report.facts.some(({ code }) => code === "lane-stalled")).toBe(stalled);
    expect(report.verdict).toBe(stalled ? "trouble" : "ok");
    const says = /^There is trouble: nothing has ended in the lane default for 1\d minutes while 3 tasks run, and /;
    expect(says.test(report.summary)).toBe(stalled);
  });

  it("tells of an old wait, but not of one in a paused lane, whose pause it tells", () => {
    const waits = { queued: 4, waitsSince: NOW - 12 * MINUTE };
    expect(codes(withLane(waits))).toEqual(["moving", "backlog-old:default"]);
    const held = { how: "paused", since: NOW - 13 * MINUTE, until: null, reason: "the upstream is down" } as const;
    expect(codes(withLane({ ...waits, held }))).toEqual(["moving", "lane-held:default"]);
    expect(reportOf(withLane({ ...waits, held })).summary).toBe(
      "Something needs attention: the lane default is paused by the deployment since 2026-11-28T09:28:00.000Z (the upstream is down), and 0 tasks run, 4 are queued, and of 0 that ended in the last quarter of an hour 0 failed.",
    );
    expect(codes(withLane({ ...waits, held: { ...held, how: "draining" } }))).toContain("backlog-old:default");
  });

  it.each([
    [{ ended: 100, failed: 10 }, { ended: 1_000, failed: 10 }, true],
    [{ ended: 100, failed: 10 }, { ended: 0, failed: 0 }, true],
    [{ ended: 100, failed: 9 }, { ended: 0, failed: 0 }, false],
    [{ ended: 1_000, failed: 40 }, { ended: 0, failed: 0 }, false],
    [{ ended: 100, failed: 20 }, { ended: 1_000, failed: 100 }, false],
    [{ ended: 100, failed: 100 }, { ended: 1_000, failed: 900 }, true],
  ])("says whether failures of %j are above the usual %j", (lately, usually, rising) => {
    expect(codes({ ...calm, lately, usually }).includes("errors-rising")).toBe(rising);
  });

  it("tells of missed ticks, near limits, the storage and the clock, the worst first", () => {
    const seen: Seen = {
      ...calm,
      missed: [{ schedule: "nightly", tick: NOW - MINUTE, why: null }],
      quotas: { tasks: { used: 90, limit: 100 }, keys: { used: 89, limit: 100 } },
      storage: { sizeBytes: 95, maxBytes: 100, accepts: false },
      clockLagMs: 90_000,
    };
    const report = reportOf(seen);
    expect(codes(seen)).toEqual(["idle", "schedule-missed:nightly", "limit-near:tasks", "storage", "clock-behind"]);
    expect(report.verdict).toBe("trouble");
    expect(report.summary).toBe(
      "There is trouble: the database is full, and nothing new is accepted, the clock is 90 s behind, the schedule nightly missed its tick of 2026-11-28T09:40:00.000Z, 90 of the quota of 100 tasks are used, and nothing runs or waits.",
    );
    expect(report.ruledOut).toEqual(["lane-stalled", "lane-held", "backlog-old", "errors-rising"]);
    const filling = { ...calm, storage: { ...calm.storage, sizeBytes: 80 } };
    expect(reportOf(filling)).toMatchObject({ verdict: "attention" });
  });

  it("rules out nothing that may be there unseen", () => {
    const { ruledOut, verdict } = reportOf({ ...calm, isWhole: false, unseen: ["lane-stalled", "schedule-missed"] });
    expect(ruledOut).toEqual(CHECKS.filter((check) => check !== "lane-stalled" && check !== "schedule-missed"));
    expect(verdict).toBe("ok");
  });

  it("has each check either among its facts or ruled out, whatever is seen", () => {
    const at = fc.option(fc.integer({ min: NOW - 60 * MINUTE, max: NOW }));
    const lane = fc.record({ running: fc.nat({ max: 3 }), queued: fc.nat({ max: 3 }), runsSince: at, waitsSince: at });
    const ended = fc.record({ ended: fc.nat({ max: 100 }), failed: fc.nat({ max: 100 }) });
    fc.assert(
      fc.property(lane, ended, ended, (own, lately, usually) => {
        const { facts, ruledOut, summary, verdict } = reportOf({ ...withLane(own), lately, usually });
        for (const check of CHECKS) {
          expect(facts.some(({ code }) => code === check)).toBe(!ruledOut.includes(check));
        }
        expect(summary).toMatch(/^[A-Z].*\.$/);
        expect(verdict === "ok").toBe(facts.length === 1);
      }),
    );
  });
});
