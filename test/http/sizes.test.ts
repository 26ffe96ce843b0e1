/** Inputs and results up to 1 MiB are stored as they are, whatever the queue and the database would take. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { shareServer, type SharedServer } from "./shared-server.ts";
import { runs } from "../setup/runs.ts";
import { apiOf, type Api, type BatchItem } from "./api.ts";
import { madeBodies, plainBodies, SIMPLE } from "./heavy-bodies.ts";
import { prepareGround, sendHeavy } from "./send-heavy.ts";

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

  it("is given in lists of tasks, too", async () => {
    const tags = { plot: "list" };
    await api.submitAll(
      Array.from({ length: 12 }, () => ({ task: "test.big", input: { bytes: MIB }, options: { tags } })),
    );
    await api.waitUntilNoneIs(["queued", "running"], "tag.plot=list");
    const listed = await api.listAll("tag.plot=list");
    expect(listed.map((task) => String(task.result).length)).toEqual(Array.from({ length: 12 }, () => MIB));
  });
});

describe("a body that is made to be heavy", () => {
  /** Of the time that a plain body of the same length takes: what is quadratic takes thousands of it. */
  const TIMES = 60;

  it("is answered in the time of its size, with few faults, while others are served", async () => {
    const ground = await prepareGround(server);
    const simple = [];
    for (let i = 0; i < 3; i++) simple.push((await sendHeavy(server, SIMPLE)).ms);
    const plain = Math.max(50, simple.toSorted((a, b) => a - b)[1]);
    // `TEST_RUNS=full` sends all of them; `node bench/bodies.ts` prints the milliseconds.
    const all = [...madeBodies(ground), ...plainBodies(ground).slice(0, runs(0, 1_000))];
    const bodies = all.filter(
      (_, i) => i % runs(3, 1) === 0 || /two groups|reverse|each of a chain|that are none/.test(all[i].name),
    );
    const wrong = [];
    for (const body of bodies) {
      const sent = await sendHeavy(server, body);
      const isSlow = sent.ms > TIMES * plain || sent.healthMs > TIMES * plain;
      const isLong = sent.status === 422 && sent.length > 60_000;
      if (sent.status >= 500 || sent.faults > 100 || isSlow || isLong) wrong.push(sent);
    }
    expect(wrong).toEqual([]);
  });

  it("lists at most a hundred faults, and says that there are more", async () => {
    const many = Object.fromEntries(Array.from({ length: 5_000 }, (_, i) => [`m${i}`, 0]));
    type Refusal = { errors: unknown[]; detail: string };
    for (const [path, body] of [
      ["/v1/tasks", { task: "test.noop", ...many }],
      ["/v1/tasks", { task: "test.add", input: many }],
      ["/v1/flows", { group: Array.from({ length: 500 }, () => 1) }],
      ["/v1/flows", { group: Array.from({ length: 500 }, () => ({ task: "no.such.task" })) }],
      ["/v1/tasks/cancel", { filter: { ids: Array.from({ length: 500 }, () => 0) } }],
      ["/v1/webhooks", many],
    ] as const) {
      const { status, body: refused } = await api.post<Refusal>(path, body);
      expect([status, refused.errors.length]).toEqual([422, 100]);
      expect(refused.detail).toMatch(/more faults/);
    }
    const items = Array.from({ length: 30 }, () => ({ task: "test.noop", a: 1, b: 2, c: 3, d: 4, e: 5 }));
    const { body } = await api.post<{ items: BatchItem[] }>("/v1/tasks/batch", {
      tasks: [...items, { task: "test.noop" }],
    });
    const listed = body.items.flatMap(({ problem }) => problem?.errors ?? []);
    expect([
      listed.length,
      body.items.filter(({ status }) => status === 422).length,
      body.items.at(-1)?.status,
    ]).toEqual([100, 30, 202]);
    expect(body.items[29]?.problem?.detail).toMatch(/more faults/);
  });

  it("is not echoed at length", async () => {
    const long = "~".repeat(300_000);
    const lane = await api.call("POST", "/v1/tasks/cancel", { body: { filter: { lane: long } } });
    const member = await api.call<{ errors: { pointer: string }[] }>("POST", "/v1/tasks", {
      body: { task: "test.noop", options: { [long]: 1 } },
    });
    expect([lane.status, member.status]).toEqual([404, 422]);
    expect(member.body.errors).toMatchObject([{ pointer: "/options" }]);
    for (const { body } of [lane, member]) expect(JSON.stringify(body).length).toBeLessThan(3_000);
  });
});

describe("a filter by tags", () => {
  const tags = (count: number) => Array.from({ length: count }, (_, i) => `tag.t${i}=x`).join("&");

  it("takes as many as a task can have, and refuses more", async () => {
    expect((await api.get(`/v1/tasks?${tags(16)}&state=failed&task=a&lane=bulk&limit=200`)).status).toBe(200);
    for (const count of [17, 50, 120]) expect((await api.get(`/v1/tasks?${tags(count)}`)).status).toBe(400);
    const filter = { tags: Object.fromEntries(Array.from({ length: 16 }, (_, i) => [`t${i}`, "x"])) };
    for (const verb of ["cancel", "retry", "delete"]) {
      for (const dryRun of [true, false]) {
        expect((await api.post(`/v1/tasks/${verb}`, { filter, dryRun })).status).toBe(200);
      }
      const more = { tags: { ...filter.tags, more: "x" } };
      expect((await api.post(`/v1/tasks/${verb}`, { filter: more })).status).toBe(422);
    }
  });
});

describe("what JSON's readers would lose", () => {
  it.each([
    ["POST", "/v1/tasks", '{"task":"test.noop","input":{"id":12345678901234567890}}', "/input/id"],
    ["POST", "/v1/flows", '{"chain":[{"task":"test.noop","input":9007199254740993}]}', "/chain/0/input"],
    ["PUT", "/v1/schedules/large", '{"every":"1h","task":"test.noop","input":[9007199254740993]}', "/input/0"],
    ["POST", "/v1/tasks/cancel", '{"filter":{"task":"a"},"dryRun":true,"filter":{}}', "/filter"],
    ["POST", "/v1/tasks", '{"task":"test.noop","input":{"a":{"__proto__":1}}}', "/input/a/__proto__"],
    ["POST", "/v1/keys", '{"name":"x","scopes":["read"],"expiresAt":1e400}', "/expiresAt"],
  ])("is a 422 with its pointer: %s %s %s", async (method, path, body, pointer) => {
    const { status, body: refused } = await api.call<{ errors: unknown[] }>(method, path, { body });
    expect([status, refused.errors]).toMatchObject([422, [{ pointer }]]);
  });

  it("is refused in a signal and in a new input, and is the fault of its own item in a batch", async () => {
    const { id } = await api.submit("test.signal", { name: "go" });
    expect((await api.post(`/v1/tasks/${id}/signals/go`, "[9007199254740993]")).status).toBe(422);
    await api.post(`/v1/tasks/${id}/cancel`);
    await api.waitForEnd(id);
    expect(
      (await api.post(`/v1/tasks/${id}/retry`, '{"input":{"name":"a","timeout":9007199254740993}}')).body,
    ).toMatchObject({
      errors: [{ pointer: "/input/timeout" }],
    });
    const batch =
      '{"tasks":[{"task":"test.noop"},{"task":"test.noop","input":{"n":9007199254740993}},{"task":"test.noop","task":"a"}]}';
    const { body } = await api.post<{ items: BatchItem[] }>("/v1/tasks/batch", batch);
    expect(body.items.map(({ status, problem }) => [status, problem?.errors?.[0]?.pointer])).toEqual([
      [202, undefined],
      [422, "/input/n"],
      [422, "/task"],
    ]);
  });
});
