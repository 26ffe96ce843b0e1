import { describe, expect, it } from "vitest";
import { budgetOf } from "../../src/core/plan.ts";

describe("the budget of an invocation", () => {
  it("is the paid plan's unless PLAN says free", () => {
    expect(budgetOf({}).statements).toBe(1_000);
    expect(budgetOf({ PLAN: "" })).toBe(budgetOf({}));
    expect(budgetOf({ PLAN: "free" }).statements).toBe(50);
  });

  it.each([["paid", budgetOf({})] as const, ["free", budgetOf({ PLAN: "free" })] as const])(
    "leaves an event of the %s plan room for each attempt's claim, polls and commit",
    (_plan, budget) => {
      // A commit of its own for each attempt is two statements, a bell for what it releases and a call to its object.
      expect(1 + 4 * budget.attemptsPerEvent).toBeLessThan(Math.min(budget.statements, budget.subrequests) / 2);
      expect(budget.idsPerBell).toBeLessThanOrEqual(budget.attemptsPerEvent);
      expect(budget.tick.statements).toBeLessThan(budget.statements);
    },
  );
});
