/** What the service gets done, and that no tenant waits for another's long task. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runs } from "../setup/runs.ts";
import { apiOf, type Api } from "./api.ts";
import { startReceiver } from "./receiver.ts";
import { shareServer, type SharedServer } from "./shared-server.ts";

const CROWD = runs(2_000, 5_000);

let server: SharedServer;
let api: Api;

beforeAll(async () => {
  server = await shareServer();
  api = apiOf(server);
});

afterAll(() => server?.stop());

describe("the service", () => {
  it(`runs ${CROWD} tasks that came in batches, each once`, async () => {
    const tags = { plot: "crowd" };
    const submitted = await api.submitAll(
      Array.from({ length: CROWD }, () => ({ task: "test.noop", options: { tags } })),
    );
    await api.waitUntilNoneIs(["queued", "running", "retrying"], "tag.plot=crowd");
    const ended = await api.listAll("tag.plot=crowd");
    expect(new Set(ended.map((task) => task.id))).toEqual(new Set(submitted.map((task) => task.id)));
    expect(ended.filter((task) => task.state === "succeeded" && task.attempt === 1)).toHaveLength(CROWD);
  });

  it("runs 40 tasks side by side", async () => {
    const { promise: release, resolve: letGo } = Promise.withResolvers<void>();
    const receiver = await startReceiver();
    receiver.reply("/", () => release.then(() => 204));
    const tasks = Array.from({ length: 40 }, () => ({ task: "test.hook", input: { url: `${receiver.origin}/` } }));
    const submitted = await api.submitAll(tasks);
    // None of them ends before all have begun.
    await receiver.next("/", 40);
    letGo();
    const ended = await Promise.all(submitted.map((task) => api.waitForEnd(task.id)));
    expect(ended.map((task) => [task.state, task.attempt])).toEqual(ended.map(() => ["succeeded", 1]));
    await receiver.stop();
  });

  it.each(["default", "high", "bulk", "long"] as const)(
    "lets a task of the lane %s overtake one that runs long",
    async (lane) => {
      const long = await api.submit("test.sleep", { ms: 20_000 }, { lane });
      await api.waitUntil(long.id, (task) => task.state === "running");
      const { id } = await api.submit("test.noop", null, { lane });
      expect(await api.waitForEnd(id)).toMatchObject({ state: "succeeded" });
      expect((await api.read(long.id)).state).toBe("running");
      await api.post(`/v1/tasks/${long.id}/cancel`);
    },
  );
});
