/** What the service gets done, and that nobody waits for somebody else's long task. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { apiOf, type Api } from "./api.ts";
import { startServer, type Server } from "./server.ts";

let server: Server;
let api: Api;

beforeAll(async () => {
  server = await startServer();
  api = apiOf(server);
});

afterAll(() => server?.stop());

/** Of tests with a bound of time: a machine that does other things, too, may fail them once. */
const NOISY = { retry: 2 };

const ms = (instant: string | null) => Date.parse(instant ?? "");

describe("the service", () => {
  it("runs 5,000 tasks that came in batches, each once", async () => {
    const tags = { plot: "crowd" };
    const submitted = await api.submitAll(
      Array.from({ length: 5_000 }, () => ({ task: "test.noop", options: { tags } })),
    );
    await api.waitUntilNoneIs(["queued", "running", "retrying"], "tag.plot=crowd");
    const ended = await api.listAll("tag.plot=crowd");
    expect(new Set(ended.map((task) => task.id))).toEqual(new Set(submitted.map((task) => task.id)));
    expect(ended.filter((task) => task.state === "succeeded" && task.attempt === 1)).toHaveLength(5_000);
  });

  it("runs 40 tasks of a second side by side", NOISY, async () => {
    const answers = await Promise.all(Array.from({ length: 40 }, () => api.submit("test.sleep", { ms: 1_000 })));
    const ended = await Promise.all(answers.map((task) => api.waitForEnd(task.id)));
    expect(ended.map((task) => task.result)).toEqual(answers.map(() => "slept"));
    const first = Math.min(...ended.map((task) => ms(task.createdAt)));
    const last = Math.max(...ended.map((task) => ms(task.finishedAt)));
    expect(last - first).toBeLessThan(3_000);
  });

  it.each(["default", "high", "bulk", "long"] as const)(
    "lets a task of the lane %s overtake one that runs long",
    NOISY,
    async (lane) => {
      const long = await api.submit("test.sleep", { ms: 20_000 }, { lane });
      await api.waitUntil(long.id, (task) => task.state === "running");
      const { id } = await api.submit("test.noop", null, { lane });
      const short = await api.waitForEnd(id);
      expect(ms(short.finishedAt) - ms(short.createdAt)).toBeLessThan(1_000);
      expect((await api.read(long.id)).state).toBe("running");
      await api.post(`/v1/tasks/${long.id}/cancel`);
    },
  );
});
