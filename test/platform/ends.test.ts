/** The strict platform ends events when production does. Durations are a hundredth of production's: 300 ms after a return, 9 s of a handler. */

import { setTimeout } from "node:timers/promises";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { notes, startPlatform, type Platform } from "./platform.ts";

const SCALE = 0.01;

/** Longer than any limit. */
const FOR_EVER_MS = 120_000;

/** What goes on makes several notes in ten of these. */
const LOOK_AGAIN_MS = 50;

let platform: Platform;

beforeAll(async () => {
  platform = await startPlatform("paid", SCALE);
});
afterAll(() => platform.stop());
beforeEach(() => platform.reset());

test("ends what an event left behind, 30 s after its handler returned", async () => {
  await platform.value({ op: "later", order: { op: "note", name: "left", ms: FOR_EVER_MS } });
  await cutOff("fetch", "afterReturn");
  expect(await goesOn("left")).toBe(false);
  expect(await notes(platform, "left ended")).toBe(0);
  const { kinds, limits } = await platform.report();
  expect(kinds["fetch"].most.afterReturnMs).toBe(limits.afterReturnMs);
});

test("ends what it called by a binding as well", async () => {
  const order = { op: "note", name: "called", ms: FOR_EVER_MS };
  await platform.value({ op: "later", order: { op: "inCallee", order } });
  await cutOff("fetch", "afterReturn");
  expect(await goesOn("called")).toBe(false);
});

test("ends what a consumer left behind", async () => {
  const order = { op: "later", order: { op: "note", name: "consumed", ms: FOR_EVER_MS } };
  await platform.value({ op: "send", order });
  await cutOff("queue", "afterReturn");
  expect(await goesOn("consumed")).toBe(false);
});

test("lets a consumer's handler go on past that, and ends it after 15 minutes", async () => {
  const ms = 2 * 30_000 * SCALE;
  await platform.value({ op: "send", order: { op: "note", name: "handled", ms } });
  await expect.poll(() => notes(platform, "handled ended")).toBe(1);
  expect((await platform.report()).kinds["queue"].met).toMatchObject({ handler: 0, afterReturn: 0 });
  await platform.value({ op: "send", order: { op: "note", name: "too long", ms: FOR_EVER_MS } });
  // It is delivered once more, and ended once more.
  await cutOff("queue", "handler", 2);
  expect(await goesOn("too long")).toBe(false);
});

test("lets an object go on past that, and ends its alarm's handler after 15 minutes", async () => {
  const ms = 2 * 30_000 * SCALE;
  const order = { op: "later", order: { op: "note", name: "object", ms } };
  await platform.value({ op: "inObject", order });
  await expect.poll(() => notes(platform, "object ended")).toBe(1);
  await platform.value({ op: "setAlarm", order: { op: "note", name: "alarm", ms: FOR_EVER_MS } });
  await cutOff("Counter.alarm", "handler");
  expect(await goesOn("alarm")).toBe(false);
});

async function cutOff(kind: string, limit: "handler" | "afterReturn", times = 1): Promise<void> {
  const met = async () => (await platform.report()).kinds[kind]?.met[limit];
  await expect.poll(met).toBeGreaterThanOrEqual(times);
}

/** Whether this is noted still. One note may have been on its way. */
async function goesOn(name: string): Promise<boolean> {
  const first = await notes(platform, name);
  expect(first).toBeGreaterThan(0);
  for (let i = 0; i < 10; i++) {
    await setTimeout(LOOK_AGAIN_MS);
    if ((await notes(platform, name)) > first + 1) return true;
  }
  return false;
}
