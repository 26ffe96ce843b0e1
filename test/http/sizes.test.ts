/** Inputs and results up to 1 MiB are stored as they are, whatever the queue and the database would take. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { apiOf, type Api } from "./api.ts";
import { shareServer, type SharedServer } from "./shared-server.ts";

const MIB = 1_048_576;

let server: SharedServer;
let api: Api;

beforeAll(async () => {
  server = await shareServer();
  api = apiOf(server);
});

afterAll(() => server?.stop());

/** A text that makes the request's body exactly this long. */
function valueFor(bodyBytes: number, unit: string): string {
  const around = JSON.stringify({ task: "test.identity", input: { value: "" } }).length;
  const bytes = bodyBytes - around;
  const unitBytes = new TextEncoder().encode(unit).length;
  return unit.repeat(bytes / unitBytes) + "x".repeat(bytes % unitBytes);
}

describe("an input", () => {
  it.each([
    ["ASCII", "x"],
    ["two-byte letters", "ü"],
    ["four-byte signs", "😀"],
  ])("that fills the body's 1 MiB with %s comes back as it was", async (_, unit) => {
    const value = valueFor(MIB, unit);
    const { id } = await api.submit("test.identity", { value });
    const task = await api.waitForEnd(id);
    expect(task.state).toBe("succeeded");
    // A difference of a megabyte is not worth printing.
    expect([(task.input as { value: string }).value === value, task.result === value]).toEqual([true, true]);
  });

  it.each([16_000, 16_384, 17_000, 128_000, 262_144])(
    "of about %i bytes does, too, alone and in a batch",
    async (bytes) => {
      const value = "ü".repeat(bytes / 2 - 8);
      const [alone, ...batch] = [
        await api.submit("test.identity", { value }),
        ...(await api.submitAll([1, 2, 3].map(() => ({ task: "test.identity", input: { value } })))),
      ];
      for (const { id } of [alone, ...batch]) {
        const task = await api.waitForEnd(id);
        expect([task.state, task.result === value]).toEqual(["succeeded", true]);
      }
    },
  );

  it("of every size in one batch stays with its own task", async () => {
    const sizes = [0, 10, 16_400, 100, 40_000, 1, 300_000, 16_380, 20_000, 5];
    const submissions = sizes.map((size, i) => ({ task: "test.identity", input: { value: String(i).repeat(size) } }));
    const tasks = await api.submitAll(submissions);
    const ended = await Promise.all(tasks.map((task) => api.waitForEnd(task.id)));
    expect(ended.map((task) => String(task.result).length)).toEqual(sizes);
    expect(ended.map((task, i) => task.result === submissions[i]?.input.value)).toEqual(sizes.map(() => true));
  });
});

describe("a result", () => {
  it.each([0, 1, 16_382, 16_383, 900_000, MIB])("of %i bytes is kept as it is", async (bytes) => {
    const { id } = await api.submit("test.big", { bytes });
    const task = await api.waitForEnd(id);
    expect(task).toMatchObject({ state: "succeeded", error: null, attempt: 1 });
    expect(task.result === "x".repeat(bytes)).toBe(true);
  });

  it.each([MIB + 1, 2 * MIB, 5 * MIB, 32 * MIB])("of %i bytes fails its task and says why, once", async (bytes) => {
    const { id } = await api.submit("test.big", { bytes });
    const task = await api.waitForEnd(id);
    expect(task).toMatchObject({
      state: "failed",
      attempt: 1,
      result: null,
      error: { message: expect.stringContaining(String(MIB)) },
    });
  });

  it("is given to whoever lists tasks, too", async () => {
    const tags = { plot: "list" };
    await api.submitAll(
      Array.from({ length: 12 }, () => ({ task: "test.big", input: { bytes: MIB }, options: { tags } })),
    );
    await api.waitUntilNoneIs(["queued", "running"], "tag.plot=list");
    const listed = await api.listAll("tag.plot=list");
    expect(listed.map((task) => String(task.result).length)).toEqual(Array.from({ length: 12 }, () => MIB));
  });
});
