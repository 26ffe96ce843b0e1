/** A limit by key holds over lanes and over kill -9, and no key starves another. */
import { afterAll, beforeAll, expect, it } from "vitest";
import type { TaskResource } from "../../src/contract/task.ts";
import { apiOf, LIVE, poll, type Api, type Submission } from "../http/api.ts";
import { shareServer, type SharedServer } from "../http/shared-server.ts";
import { breachesOf, cutOffs } from "./breaches.ts";
import { startOverlapReceiver, type OverlapReceiver } from "./overlap-receiver.ts";

const LIMIT = 3;
const HOLD_MS = 60;

let server: SharedServer;
let api: Api;
let receiver: OverlapReceiver;

beforeAll(async () => {
  [server, receiver] = await Promise.all([shareServer(), startOverlapReceiver(HOLD_MS)]);
  api = apiOf(server);
});

afterAll(() => Promise.all([server?.stop(), receiver?.close()]));

const hook = (key: string, lane: "default" | "bulk" = "default"): Submission => ({
  task: "test.hook",
  input: { url: receiver.url, body: key },
  options: { lane, concurrency: { key, limit: LIMIT }, tags: { key } },
});

const soMany = (key: string, count: number) =>
  poll(
    () => `only ${receiver.answered(key)} of ${count} of ${key} ran`,
    () => receiver.answered(key) >= count || null,
  );

/** The most attempts that were alive at once, by the service's own record; one that was cut off lived to its kill. */
function mostAtOnce(tasks: TaskResource[], kills: number[]): number {
  const changes = tasks.flatMap((task) =>
    (task.attempts ?? []).flatMap(({ startedAt, finishedAt, outcome }) => {
      const begin = Date.parse(startedAt);
      const end = outcome === "crashed" ? Math.min(...kills.filter((kill) => kill >= begin)) : Date.parse(finishedAt);
      return [
        { at: begin, by: 1 },
        { at: end, by: -1 },
      ];
    }),
  );
  let now = 0;
  let most = 0;
  // An end and a start in the same millisecond: the place was free before it was taken.
  for (const { by } of changes.toSorted((a, b) => a.at - b.at || a.by - b.by)) most = Math.max(most, (now += by));
  return most;
}

it("never has more than three of a key at once: 200 tasks on two lanes, killed twice on the way, and all end", async () => {
  const submitted = await api.submitAll(
    Array.from({ length: 200 }, (_, n) => hook("acme", n % 2 === 0 ? "default" : "bulk")),
  );
  const kills: number[] = [];
  for (const before of [30, 80]) {
    await soMany("acme", before);
    await server.kill9();
    kills.push(Date.now());
    await server.restart();
  }
  await api.waitUntilNoneIs(LIVE);
  const tasks = await Promise.all(submitted.map(({ id }) => api.read(id)));
  const most = mostAtOnce(tasks, kills);
  console.log("200 tasks, limit 3, two kills:", {
    mostByRecord: most,
    mostByReceiver: receiver.most("acme"),
    cutOff: cutOffs(tasks),
  });
  expect(most).toBe(LIMIT);
  expect(receiver.most("acme")).toBe(LIMIT);
  expect(tasks.filter((task) => task.state === "succeeded")).toHaveLength(200);
  expect(
    breachesOf(tasks, { hooks: [], kills, mayFail: () => false }).filter((each) => !/had its effect/.test(each)),
  ).toEqual([]);
});

it("is fair between keys: with 500 and 5 waiting, the 5 are done before the 500 are half done", async () => {
  const many = await api.submitAll(Array.from({ length: 500 }, () => hook("many")));
  await soMany("many", 10);
  const few = await api.submitAll(Array.from({ length: 5 }, () => hook("few")));
  await soMany("few", 5);
  const ofMany = receiver.answered("many");
  console.log(`the 5 were done when ${ofMany} of 500 were`);
  expect(ofMany).toBeLessThan(250);
  expect(receiver.most("many")).toBe(LIMIT);
  expect(receiver.most("few")).toBeLessThanOrEqual(LIMIT);
  expect(many.length + few.length).toBe(505);
});
