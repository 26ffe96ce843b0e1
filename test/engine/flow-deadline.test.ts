/** A flow whose deadline passes ends the same, at whatever statement the clock dies. */
import { env } from "cloudflare:workers";
import { expect, it } from "vitest";
import { keepDeadlines } from "../../src/clock/deadlines.ts";
import type { FlowFailure } from "../../src/contract/typed-flow.ts";
import { readNextDeadline } from "../../src/results/flows/deadlines.ts";
import { flowOf, inputAt, newFlow, play, statesOf, succeeded, workerOn } from "./flow-tasks.ts";
import { mortal, type Death } from "./mortal-db.ts";
import { quietEnv } from "./webhook-tasks.ts";

const noop = { task: "test.noop" };

/** A flow of which one member runs, one is queued and one waits, past its deadline. */
async function overdueFlow() {
  const id = await newFlow({ chord: { header: [noop, noop], body: noop }, onError: noop, deadline: "1h" });
  const worker = workerOn();
  const { task } = (await flowOf(id)).nodes.find(({ key }) => key === "header.0")!;
  const running = await worker.claim([task.id]);
  return { id, end: () => worker.end(running, () => succeeded("too late"), later(3)) };
}

/** So many hours from now. */
const later = (hours: number) => Date.now() + hours * 3_600_000;

/** The clock looks, and may die of it; answers how often it called D1. */
async function look(death: Death, now: number): Promise<number> {
  const database = mortal(env.DB, death);
  await keepDeadlines(quietEnv(database.db), now, 0).catch(() => undefined);
  return database.calls();
}

const LIVES: Death = { atCall: null, when: "before" };

async function deaths(): Promise<Death[]> {
  const { end } = await overdueFlow();
  const calls = await look(LIVES, later(2));
  await end();
  expect(calls).toBeGreaterThan(3);
  return Array.from({ length: calls }, (_, i) => i + 1).flatMap((atCall) => [
    { atCall, when: "before" as const },
    { atCall, when: "after" as const },
  ]);
}

it("fails, cancels what has not ended, and runs its error task once, whichever call is cut off", async () => {
  const all = await deaths();
  for (const death of all) {
    const { id, end } = await overdueFlow();
    await look(death, later(2));
    await look(LIVES, later(2) + 5_000);
    expect({ death, ...statesOf(await flowOf(id)) }).toMatchObject({
      death,
      "header.0": "running",
      "header.1": "cancelled",
      body: "cancelled",
    });
    // Nothing is left to the clock but to see that it ends.
    expect(await readNextDeadline(env.DB)).toBeNull();
    await end();
    const { failed } = (await inputAt(id, "onError")) as FlowFailure;
    expect(failed.map(({ key, error }) => [key, error.type])).toEqual([
      ["header.0", "cancelled"],
      ["header.1", "cancelled"],
      ["body", "cancelled"],
    ]);
    await look(LIVES, later(4));
    await play(id, "onError", succeeded(null));
    const flow = await flowOf(id);
    expect({ death, ...flow }).toMatchObject({
      death,
      state: "failed",
      error: { type: "deadline_exceeded" },
      counts: { cancelled: 3, succeeded: 1 },
    });
    expect(flow.nodes).toHaveLength(4);
  }
  expect(await readNextDeadline(env.DB)).toBeNull();
  console.log(`${all.length} deaths of the clock at the deadline of a flow: all end the same`);
});

it("is not looked at once it has ended, and not before its deadline", async () => {
  const id = await newFlow({ chain: [noop], deadline: "1h" });
  expect(await readNextDeadline(env.DB)).toBe(Date.parse((await flowOf(id)).deadline!));
  await look(LIVES, Date.now());
  await play(id, "0", succeeded(1));
  expect(await readNextDeadline(env.DB)).toBeNull();
  await look(LIVES, later(2));
  expect(await flowOf(id)).toMatchObject({ state: "succeeded", error: null });
});
