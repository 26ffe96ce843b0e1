/** Undoing through a `kill -9`: it goes on where it was, and only what was cut off is undone once more. */
import { afterAll, beforeAll, expect, it } from "vitest";
import { apiOf, type Api } from "../http/api.ts";
import { startReceiver, type Receiver } from "../http/receiver.ts";
import { shareServer, type SharedServer } from "../http/shared-server.ts";

let server: SharedServer;
let api: Api;
let receiver: Receiver;

beforeAll(async () => {
  [server, receiver] = await Promise.all([shareServer(), startReceiver()]);
  api = apiOf(server);
});

afterAll(() => Promise.all([server?.stop(), receiver?.stop()]));

it("goes on where it was when the service is killed in the middle", async () => {
  // After three steps and the undoing of the last one, no answer comes to the next undoing.
  receiver.reply("/", (nth) => (nth === 5 ? null : 204));
  const { id } = await api.submit("test.undo", { steps: 3, url: `${receiver.origin}/`, failAfter: 3 });
  const undone = () =>
    receiver.at("/").flatMap(({ body }) => {
      const { undo, attempt } = JSON.parse(body) as { undo?: string; attempt: number };
      return undo === undefined ? [] : [{ undo, attempt }];
    });
  await receiver.next("/", 5);
  await server.kill9();
  await server.restart();
  const task = await api.waitForEnd(id);

  expect(undone().map(({ undo, attempt }) => `${undo} in ${attempt}`)).toEqual([
    "s3 in 2",
    "s2 in 2",
    "s2 in 3",
    "s1 in 3",
  ]);
  expect(task).toMatchObject({ state: "failed", error: { message: "failed after s3, as asked" } });
  expect(task.error?.data).toBeUndefined();
  expect(task.attempts?.map((attempt) => attempt.outcome)).toEqual(["failed", "crashed", "undone"]);
});
