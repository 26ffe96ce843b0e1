import { describe, expect, it } from "vitest";
import {
  ARROWS,
  IDLE_STATES,
  isTerminal,
  LIVE_STATES,
  sqlStates,
  STATES,
  TERMINAL_STATES,
  type Arrow,
  type State,
} from "../../src/core/states.ts";

const arrows = Object.entries(ARROWS) as [Arrow, { from: readonly State[]; to: readonly State[] }][];

/** Everything that can be reached from these states, themselves included. */
function reachableFrom(start: readonly State[]): Set<State> {
  const reached = new Set(start);
  for (let size = 0; size < reached.size;) {
    size = reached.size;
    for (const [, { from, to }] of arrows) {
      if (from.some((state) => reached.has(state))) for (const state of to) reached.add(state);
    }
  }
  return reached;
}

describe("the states of a task", () => {
  it("are live or terminal, and never both", () => {
    expect([...LIVE_STATES, ...TERMINAL_STATES].toSorted()).toEqual([...STATES].toSorted());
    for (const state of STATES) expect(isTerminal(state)).toBe((TERMINAL_STATES as readonly State[]).includes(state));
  });

  it("are idle where they are live and no attempt holds the task", () => {
    expect([...IDLE_STATES, "running"].toSorted()).toEqual([...LIVE_STATES].toSorted());
  });

  it("are written in SQL with our own words alone", () => {
    expect(sqlStates(["queued", "retrying"])).toBe("('queued', 'retrying')");
    for (const state of STATES) expect(state).toMatch(/^[a-z]+$/);
  });
});

describe("the arrows", () => {
  it("name only states that exist", () => {
    for (const [, { from, to }] of arrows) {
      for (const state of [...from, ...to]) expect(STATES).toContain(state);
      expect(to.length).toBeGreaterThan(0);
    }
  });

  it("leave a terminal state where a new run is asked for, and nowhere else", () => {
    const leaving = arrows.filter(([, { from }]) => from.some(isTerminal)).map(([verb]) => verb);
    expect(leaving).toEqual(["retry", "replay"]);
    expect(ARROWS.retry.from.every(isTerminal) && ARROWS.replay.from.every(isTerminal)).toBe(true);
  });

  it("leave succeeded by the replay of a webhook's delivery alone", () => {
    const leaving = arrows.filter(([, { from }]) => from.includes("succeeded")).map(([verb]) => verb);
    expect(leaving).toEqual(["replay"]);
  });

  it("enter running by claim alone", () => {
    const entering = arrows.filter(([, { to }]) => to.includes("running")).map(([verb]) => verb);
    expect(entering).toEqual(["claim"]);
  });

  it("reach every state from a submission", () => {
    expect([...reachableFrom(ARROWS.submit.to)].toSorted()).toEqual([...STATES].toSorted());
  });

  it.each(LIVE_STATES)("lead from %s to an end", (state) => {
    expect([...reachableFrom([state])].filter(isTerminal)).not.toEqual([]);
  });

  it.each(LIVE_STATES)("let a task that is %s be cancelled", (state) => {
    expect(ARROWS.cancel.from).toContain(state);
  });
});
