/** Alerts: each is raised once and closed once, its beginning told before its end, however often and wherever a look is cut off. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { alertsAfter, type Alert } from "../../src/core/alerts.ts";
import type { Fact } from "../../src/core/health-fact.ts";

const fact = (subject: string | null, code: Fact["code"] = "lane-stalled"): Fact => ({
  code,
  level: "trouble",
  subject,
});

describe("alerts", () => {
  it("are raised for findings that are alerts and not known", () => {
    const facts = [fact("bulk"), fact(null, "limit-near"), fact(null, "moving"), fact(null, "storage")];
    const { raised, closed } = alertsAfter([], facts, 5);
    expect(raised.map(({ code, subject, raisedAt }) => [code, subject, raisedAt])).toEqual([
      ["lane-stalled", "bulk", 5],
      ["storage", "", 5],
    ]);
    expect(closed).toEqual([]);
    expect(alertsAfter(raised, facts, 6)).toEqual({ raised: [], closed: [] });
  });

  it("are not closed by a look that may not have seen what they are about", () => {
    const facts = [fact("bulk"), fact("nightly", "schedule-missed")];
    const known = alertsAfter([], facts, 5).raised.map((alert) => ({ ...alert, isTold: true }));
    const after = (unseen: Alert["code"][]) => alertsAfter(known, [], 6, unseen).closed.map(({ code }) => code);
    expect(after(["lane-stalled", "backlog-old"])).toEqual(["schedule-missed"]);
    expect(after(["schedule-missed"])).toEqual(["lane-stalled"]);
    expect(after([])).toEqual(["lane-stalled", "schedule-missed"]);
  });

  it("are told in turn, whatever is found and whichever looks tell nothing", () => {
    const look = fc.record({ found: fc.subarray(["a", "b", ""]), tells: fc.boolean() });
    fc.assert(
      fc.property(fc.array(look, { maxLength: 40 }), (looks) => {
        let known: Alert[] = [];
        const told: string[] = [];
        // What was found at the end and told in peace is all that is left.
        const last = { found: ["a"], tells: true };
        [...looks, last, last, last].forEach(({ found, tells }, now) => {
          const { raised, closed } = alertsAfter(
            known,
            found.map((subject) => fact(subject || null)),
            now,
          );
          const after = [
            ...known.filter((each) => !closed.some(({ subject }) => subject === each.subject)),
            ...raised,
            ...closed,
          ];
          expect(new Set(after.map(({ subject }) => subject)).size).toBe(after.length);
          if (!tells) {
            known = after;
            return;
          }
          for (const { subject, closedAt, isTold } of after) {
            if (!isTold) told.push(`${subject} ${closedAt === null ? "raised" : "closed"}`);
          }
          known = after.filter(({ closedAt }) => closedAt === null).map((each) => ({ ...each, isTold: true }));
        });
        expect(known.map(({ subject }) => subject)).toEqual(["a"]);
        for (const subject of ["a", "b", ""]) {
          const own = told.filter((each) => each.startsWith(`${subject} `)).map((each) => each.split(" ").at(-1));
          expect(own).toEqual(own.map((_, i) => (i % 2 === 0 ? "raised" : "closed")));
        }
      }),
    );
  });
});
