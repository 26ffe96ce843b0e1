/** Calls to D1 that events of an isolate make together: what they share, and what the fault or the death of one costs the others. */

import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { callTogether, LOST_MS, shareCalls } from "../../src/results/together.ts";
import { databaseOver, executeOn, type Execute } from "./database-over.ts";

const real = executeOn(env.DB);

/** A database that notes how many statements each of its calls has; `answer` says what becomes of a call, from 1. */
function watched(answer: (call: number, run: () => ReturnType<Execute>) => ReturnType<Execute> = (_, run) => run()) {
  const calls: number[] = [];
  const db = databaseOver((statements) => {
    calls.push(statements.length);
    return answer(calls.length, () => real(statements));
  });
  shareCalls(db, 6);
  const ask = (...values: number[]) =>
    callTogether(
      db,
      values.map((value) => db.prepare("SELECT ?1 AS value").bind(value)),
    ).then((results) => results.map(({ results: [row] }) => (row as { value: number }).value));
  return { db, calls, ask };
}

describe("calls of events that come at once", () => {
  it("go in one transaction once the call before them has ended, and each gets its own answer", async () => {
    const { calls, ask } = watched();
    expect(await Promise.all([ask(1), ask(2, 3), ask(4)])).toEqual([[1], [2, 3], [4]]);
    expect(calls).toEqual([1, 3]);
    expect(await ask(5)).toEqual([5]);
    expect(calls).toEqual([1, 3, 1]);
  });

  it("have no more than six statements together", async () => {
    const { calls, ask } = watched();
    const values = Array.from({ length: 14 }, (_, i) => i);
    expect(await Promise.all(values.map((value) => ask(value)))).toEqual(values.map((value) => [value]));
    expect(calls).toEqual([1, 6, 6, 1]);
  });

  it("are made one by one where one of them is at fault, and only that one fails", async () => {
    const { db, calls, ask } = watched();
    const wrong = () => callTogether(db, [db.prepare("SELECT nothing FROM nowhere")]);
    const settled = await Promise.allSettled([ask(1), ask(2), wrong(), ask(3)]);
    expect(settled.map(({ status }) => status)).toEqual(["fulfilled", "fulfilled", "rejected", "fulfilled"]);
    expect(calls).toEqual([1, 3, 1, 1, 1]);
    expect(await ask(4)).toEqual([4]);
  });

  it("fail together where D1 does not answer, and later ones are made again", async () => {
    const { ask } = watched((call, run) =>
      call === 2 ? Promise.reject(new Error("Network connection lost.")) : run(),
    );
    const settled = await Promise.allSettled([ask(1), ask(2), ask(3)]);
    expect(settled.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "rejected"]);
    expect(await ask(4)).toEqual([4]);
  });

  it("go on where the one before them never ends", async () => {
    const { ask } = watched((call, run) => (call === 1 ? new Promise<never>(() => {}) : run()));
    void ask(1);
    expect(await Promise.all([ask(2), ask(3)])).toEqual([[2], [3]]);
    expect(await ask(4)).toEqual([4]);
  }, 60_000);

  it(`are made one by one where the event that calls for them is lost, after ${LOST_MS / 1_000} s`, async () => {
    const { calls, ask } = watched((call, run) => (call === 2 ? new Promise<never>(() => {}) : run()));
    const [first, lost, third, fourth] = [ask(1), ask(2), ask(3), ask(4)];
    void lost;
    expect(await Promise.all([first, third, fourth])).toEqual([[1], [3], [4]]);
    expect(calls).toEqual([1, 3, 1, 1]);
  }, 60_000);

  it("are made one by one where together they are too much for the event that makes the call", async () => {
    const spent = new Error("D1_ERROR: Too many API requests by single Worker invocation.");
    const { calls, ask } = watched((call, run) => (call === 2 ? Promise.reject(spent) : run()));
    expect(await Promise.all([ask(1), ask(2), ask(3)])).toEqual([[1], [2], [3]]);
    expect(calls).toEqual([1, 2, 1, 1]);
  });

  it("are made at once, each by itself, where the database is not to be shared", async () => {
    const calls: number[] = [];
    const db = databaseOver((statements) => {
      calls.push(statements.length);
      return real(statements);
    });
    await Promise.all([1, 2, 3].map((value) => callTogether(db, [db.prepare("SELECT ?1 AS value").bind(value)])));
    expect(calls).toEqual([1, 1, 1]);
  });
});
