/** The strict platform runs the script in several isolates, on one database, with one set of objects and queues. */

import { afterAll, beforeAll, expect, test } from "vitest";
import { startPlatform, type Platform } from "./platform.ts";

let platform: Platform;

beforeAll(async () => {
  platform = await startPlatform();
});
afterAll(() => platform.stop());

test("two for requests, two for batches and one for the objects share no module state", async () => {
  const web = new Set<string>();
  for (let i = 0; i < 6; i++) web.add(await platform.value({ op: "isolate" }));
  expect(web.size).toBe(2);

  const objects = new Set<string>();
  for (let i = 0; i < 4; i++) {
    objects.add(await platform.value({ op: "inObject", order: { op: "isolate" } }));
  }
  expect(objects.size).toBe(1);

  for (let i = 0; i < 4; i++) await platform.value({ op: "send", order: { op: "note", name: "consumer", ms: 0 } });
  const consumers = async () => {
    const sql = "SELECT DISTINCT isolate FROM notes WHERE name = 'consumer ended'";
    const { results } = await platform.value<{ results: { isolate: string }[] }>({ op: "query", sql });
    return results.map((row) => row.isolate);
  };
  await expect.poll(async () => (await consumers()).length, { timeout: 30_000 }).toBe(2);
  expect(new Set([...web, ...objects, ...(await consumers())]).size).toBe(5);
});

test("an object is the same from every isolate", async () => {
  await platform.reset();
  for (let i = 0; i < 4; i++) await platform.value({ op: "inObject", order: { op: "isolate" } });
  const { kinds } = await platform.report();
  expect(kinds["Counter.run"].events).toBe(4);
});
