/** Undoing through a `kill -9`: it goes on where it was, and nothing is undone twice. */
import { afterAll, beforeAll, expect, it } from "vitest";
import { apiOf, poll, type Api } from "../http/api.ts";
import { startReceiver, type Receiver } from "../http/receiver.ts";
import { startServer, type Server } from "../http/server.ts";

/** Before each undoing: long enough for a kill to come between two of them. */
const UNDO_MS = 1_500;

let server: Server;
let api: Api;
let receiver: Receiver;

beforeAll(async () => {
  [server, receiver] = await Promise.all([startServer(), startReceiver()]);
  api = apiOf(server);
});

afterAll(() => Promise.all([server?.stop(), receiver?.stop()]));

it("goes on where it was when the service is killed in the middle", async () => {
  const { id } = await api.submit("test.undo", { steps: 3, url: `${receiver.origin}/`, undoMs: UNDO_MS, failAfter: 3 });
  const undone = () =>
    receiver.at("/").flatMap(({ body }) => {
      const { undo, attempt } = JSON.parse(body) as { undo?: string; attempt: number };
      return undo === undefined ? [] : [{ undo, attempt }];
    });
  await poll(
    () => "nothing was undone",
    () => undone().length > 0 || null,
  );
  // What was told a moment ago is remembered by now, and the next one is not told yet.
  await new Promise((done) => setTimeout(done, UNDO_MS / 3));
  await server.kill9();
  const before = undone();
  await server.restart();
  const task = await api.waitForEnd(id);

  expect(undone().map(({ undo }) => undo)).toEqual(["s3", "s2", "s1"]);
  expect(undone().map(({ attempt }) => attempt)).toEqual([2, 2, 2].fill(3, before.length));
  expect(before.length).toBeLessThan(3);
  expect(receiver.at("/")).toHaveLength(6);
  expect(task).toMatchObject({ state: "failed", error: { message: "failed after s3, as asked" } });
  expect(task.error?.data).toBeUndefined();
  expect(task.attempts?.map((attempt) => attempt.outcome)).toEqual(["failed", "crashed", "undone"]);
});
