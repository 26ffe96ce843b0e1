/** kill -9 in the middle of batches: every item ends once, and none is in two calls at once. */
import { afterEach, beforeEach, expect, it } from "vitest";
import { apiOf, LIVE } from "../http/api.ts";
import { startReceiver, type Receiver } from "../http/receiver.ts";
import { shareServer, type SharedServer } from "../http/shared-server.ts";
import { breachesOf, cutOffs } from "./breaches.ts";
import type { Hook } from "./hook-receiver.ts";

/** Six whole batches and a rest. */
const ITEMS = 64;
const SIZE = 10;

/** A call lives this long, so that a kill finds it at work. */
const CALL_MS = 1_500;

type Call = { ids: string[]; attempts: number[]; values: number[] };

let server: SharedServer;
let receiver: Receiver;

beforeEach(async () => {
  [server, receiver] = await Promise.all([shareServer(), startReceiver()]);
});

afterEach(async () => {
  await Promise.all([server?.stop(), receiver?.stop()]);
});

/** What each item did, as if it had told so alone. */
function hooksOf(path: string): Hook[] {
  return receiver.at(path).flatMap(({ body, at }) => {
    const { ids, attempts, values } = JSON.parse(body) as Call;
    return ids.map((id, i) => ({ id, attempt: attempts[i], body: values[i], at }));
  });
}

it("gathers again what was cut off, and loses nothing", async () => {
  const api = apiOf(server);
  const item = (value: number) => ({
    task: "test.batch",
    input: { value, url: `${receiver.origin}/calls`, ms: CALL_MS },
    options: { tags: { n: String(value) } },
  });
  const submitted = await api.submitAll(Array.from({ length: ITEMS }, (_, value) => item(value)));
  const kills: number[] = [];
  const restarts: number[] = [];
  for (const calls of [3, 8]) {
    await receiver.next("/calls", calls);
    await server.kill9();
    kills.push(Date.now());
    await server.restart();
    restarts.push(Date.now());
  }
  await api.waitUntilNoneIs(LIVE);
  const tasks = await Promise.all(submitted.map(({ id }) => api.read(id)));
  const hooks = hooksOf("/calls");
  const sizes = receiver.at("/calls").map(({ body }) => (JSON.parse(body) as Call).ids.length);
  console.log(`${ITEMS} items, two kills:`, { calls: sizes.join(), cutOff: cutOffs(tasks) });
  expect(tasks.map((task) => [task.state, task.result])).toEqual(tasks.map((_, value) => ["succeeded", value]));
  expect(Math.max(...sizes)).toBe(SIZE);
  expect(cutOffs(tasks)).toBeGreaterThan(0);
  expect(breachesOf(tasks, { hooks, kills, mayFail: () => false })).toEqual([]);
  // Between two calls of one item the first of them was killed. On a busy machine it may be heard after the kill.
  for (const [id, calls] of Map.groupBy(hooks, (hook) => hook.id)) {
    const alive = calls.filter(
      ({ at }, i) => i > 0 && !kills.some((kill, n) => calls[i - 1].at <= restarts[n] && kill <= at),
    );
    expect([id, alive]).toEqual([id, []]);
  }
});
