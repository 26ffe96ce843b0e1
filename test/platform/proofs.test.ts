/** What the service must do within production's limits, at sizes that a test affords; `proofs.ts` does the same at real ones. A full database is in `storage.test.ts`. */
import { describe, expect, it } from "vitest";
import { crowd, errors, longAttempts, overload, silence, waiters } from "./proofs.ts";

describe("within production's limits", () => {
  it("attempts that outlast a consumer's event succeed at the first try, and hold up nothing beside them", async () => {
    const { item, all, noop, stillRunning, met, table } = await longAttempts(0.06);
    console.log(table);
    expect(item).toEqual({ "succeeded 1": 1 });
    expect(all).toEqual({ "succeeded 1": 42 });
    expect([noop, stillRunning]).toEqual(["succeeded", true]);
    expect(met.filter((limit) => limit.startsWith("AttemptObject"))).toEqual([]);
  });

  it("a crowd of short tasks and slow requests to an upstream all end, each in one attempt", async () => {
    const { failed, noops, requests, met, table } = await crowd(600, 60, 300);
    console.log(table);
    expect(failed).toBe(0);
    expect(Object.keys(noops)).toEqual(["succeeded 1"]);
    expect(requests).toEqual({ "succeeded 1": 60 });
    expect(met).toEqual([]);
  });

  it("a silence of D1 that outlasts a lease repeats no attempt, and loses none", async () => {
    const { accepted, twice, never, ended, table } = await silence(20_000, 3);
    console.log(table);
    expect(accepted).toBeGreaterThan(0);
    expect([twice, never]).toEqual([0, 0]);
    expect(Object.keys(ended).every((end) => end.startsWith("succeeded"))).toBe(true);
  });

  it("a D1 that fails a tenth of its calls costs only time", async () => {
    const { accepted, twice, never, ended } = await errors(10_000, 3);
    expect(accepted).toBeGreaterThan(0);
    expect([twice, never]).toEqual([0, 0]);
    expect(Object.keys(ended).every((end) => end.startsWith("succeeded"))).toBe(true);
  });

  it("an overloaded D1 has submissions refused, and what was accepted ends", async () => {
    const { overloaded, accepted, ended } = await overload(60);
    expect(overloaded.n).toBe(60);
    expect(accepted).toBeGreaterThan(0);
    expect(Object.keys(ended).every((end) => end.startsWith("succeeded"))).toBe(true);
  });

  it("callers that wait cost three statements each at most, and are told of the end", async () => {
    const { states, perWait } = await waiters(100, 10);
    expect(states).toEqual({ "succeeded 2": 100 });
    // With the clock's ticks and all else that goes on; `wait.test.ts` counts the three.
    expect(perWait).toBeLessThan(4);
  });
});
