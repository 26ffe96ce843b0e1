/** Batches: each item is a task of its own, and the handler is called once for many. `test.batch` takes ten, or what came within a second. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Explanation } from "../../src/contract/explanation.ts";
import type { FlowResource } from "../../src/contract/flow.ts";
import type { OptionsInput } from "../../src/contract/submission.ts";
import type { TaskResource } from "../../src/contract/task.ts";
import { apiOf, poll, type Api, type Submission } from "./api.ts";
import { startReceiver, type Receiver } from "./receiver.ts";
import { shareServer, type SharedServer } from "./shared-server.ts";

const SIZE = 10;
const WAIT_MS = 1_000;

/** What `test.batch` tells of each call. */
type Call = { ids: string[]; attempts: number[]; values: number[] };

let server: SharedServer;
let receiver: Receiver;
let tenants = 0;

beforeAll(async () => {
  [server, receiver] = await Promise.all([shareServer(), startReceiver()]);
});

afterAll(() => Promise.all([server?.stop(), receiver?.stop()]));

/** No other test's tasks gather with those of a tenant of its own. */
class Tenant {
  readonly path = `/calls-${++tenants}`;
  readonly url = receiver.origin + this.path;

  readonly api: Api;

  private constructor(api: Api) {
    this.api = api;
  }

  static async create(): Promise<Tenant> {
    const body = { name: "batch", scopes: ["admin"], tenant: `batch-${tenants + 1}` };
    const made = await apiOf(server.root).post<{ key: string }>("/v1/keys", body);
    return new Tenant(apiOf({ url: server.url, key: made.body.key }));
  }

  /** The handler's calls so far. */
  get calls(): Call[] {
    return receiver.at(this.path).map((request) => JSON.parse(request.body) as Call);
  }

  item(value: number, more: object = {}, options: OptionsInput = {}): Submission {
    return { task: "test.batch", input: { value, url: this.url, ...more }, options };
  }

  items(count: number, more: object = {}): Promise<TaskResource[]> {
    return this.api.submitAll(Array.from({ length: count }, (_, value) => this.item(value, more)));
  }

  ended(tasks: { id: string }[]): Promise<TaskResource[]> {
    return Promise.all(tasks.map((task) => this.api.waitForEnd(task.id)));
  }

  /** Holds each call of the handler until the function that this answers is called. */
  hold(): () => void {
    const { promise, resolve } = Promise.withResolvers<void>();
    receiver.reply(this.path, () => promise.then(() => 204));
    return resolve;
  }

  /** Waits until the handler is called that often. */
  async called(count: number): Promise<Call[]> {
    await receiver.next(this.path, count);
    return this.calls;
  }
}

const ms = (instant: string | null) => Date.parse(instant ?? "");

/** When it started, after it was submitted. */
const delayOf = (task: TaskResource) => ms(task.startedAt) - ms(task.createdAt);

const sizes = (calls: Call[]) => calls.map((call) => call.ids.length);

describe("gathering", () => {
  it("makes of 25 items at once calls of 10 and 10, and of 5 after the wait; each has its own result", async () => {
    const tenant = await Tenant.create();
    const tasks = await tenant.ended(await tenant.items(25, { report: true }));
    expect(sizes(tenant.calls).toSorted((a, b) => b - a)).toEqual([10, 10, 5]);
    expect(tasks.map((task) => [task.state, task.result, task.attempt])).toEqual(
      tasks.map((_, value) => ["succeeded", value, 1]),
    );
    expect(tenant.calls.flatMap((call) => call.ids).toSorted()).toEqual(tasks.map((task) => task.id).toSorted());
    expect(Math.min(...tasks.slice(20).map(delayOf))).toBeGreaterThanOrEqual(WAIT_MS);
    expect(tasks.map((task) => task.progress)).toEqual(tasks.map(() => expect.objectContaining({ done: 1, total: 1 })));
  });

  it("makes 30 calls of 300 items in one request", async () => {
    const tenant = await Tenant.create();
    await tenant.items(300);
    await tenant.api.waitUntilNoneIs(["queued", "running"]);
    expect(sizes(tenant.calls)).toEqual(Array.from({ length: 30 }, () => SIZE));
  });

  it("lets one that is alone start after the wait", async () => {
    const tenant = await Tenant.create();
    const [task] = await tenant.ended(await tenant.items(1));
    expect(sizes(tenant.calls)).toEqual([1]);
    expect(task).toMatchObject({ state: "succeeded", result: 0 });
    expect(delayOf(task)).toBeGreaterThanOrEqual(WAIT_MS);
  });

  it("never lets two tenants, or two lanes, share a call", async () => {
    const [one, other] = [await Tenant.create(), await Tenant.create()];
    const lanes = (tenant: Tenant) =>
      Array.from({ length: 12 }, (_, n) => tenant.item(n, {}, { lane: n % 2 === 0 ? "default" : "bulk" }));
    const posts = lanes(one).flatMap((item, n) => [
      one.api.submit(item.task, item.input, item.options),
      other.api.submit(item.task, { ...(item.input as object), url: other.url }, lanes(other)[n].options),
    ]);
    const tasks = await Promise.all(posts);
    await one.ended(tasks.filter((_, n) => n % 2 === 0));
    await other.ended(tasks.filter((_, n) => n % 2 === 1));
    const lane = new Map(tasks.map((task) => [task.id, task.lane]));
    for (const [tenant, own] of [
      [one, 0],
      [other, 1],
    ] as const) {
      const ids = tasks.filter((_, n) => n % 2 === own).map((task) => task.id);
      expect(tenant.calls.flatMap((call) => call.ids).toSorted()).toEqual(ids.toSorted());
      for (const call of tenant.calls) expect(new Set(call.ids.map((id) => lane.get(id))).size).toBe(1);
    }
  });

  it("is explained", async () => {
    const tenant = await Tenant.create();
    // One that was asked about too late has gone on, and says nothing.
    const { task, body } = await poll(
      () => "none is seen while it gathers",
      async () => {
        const [task] = await tenant.items(3);
        const { body } = await tenant.api.get<Explanation>(`/v1/tasks/${task.id}/explain`);
        return body.reasons[0]?.code === "batching" && body.reasons[0]["gathered"] === 3 ? { task, body } : null;
      },
    );
    const until = new Date(ms(task.createdAt) + WAIT_MS).toISOString();
    expect(body).toEqual({
      state: "queued",
      summary: `It gathers with others of its task until ${until}: 3 of 10 are there.`,
      reasons: [{ code: "batching", size: SIZE, gathered: 3, until }],
      estimatedStartAt: until,
      estimatedEndAt: null,
      estimatedFrom: "timer",
    });
  });

  it("refuses an expiry before the end of the wait", async () => {
    const tenant = await Tenant.create();
    const post = (expiresIn: string) =>
      tenant.api.post("/v1/tasks", tenant.item(1, {}, { expiresIn: expiresIn as "1s" }));
    expect(await post("1s")).toMatchObject({ status: 422, body: { errors: [{ pointer: "/options/expiresIn" }] } });
    expect((await post("1m")).status).toBe(202);
  });
});

describe("a call's results", () => {
  it("are each item's own: an error fails one alone, and it is retried in a later call", async () => {
    const tenant = await Tenant.create();
    const submitted = await tenant.api.submitAll([
      ...Array.from({ length: 7 }, (_, value) => tenant.item(value)),
      tenant.item(7, { fail: "error" }),
      tenant.item(8, { fail: "final" }),
      tenant.item(9, { fail: "output" }),
    ]);
    const tasks = await tenant.ended(submitted);
    expect(tasks.map((task) => [task.state, task.attempt, task.error?.type ?? null])).toEqual([
      ...Array.from({ length: 7 }, () => ["succeeded", 1, null]),
      ["succeeded", 2, null],
      ["failed", 1, "NonRetryableError"],
      ["failed", 1, "invalid_output"],
    ]);
    expect(tasks[7].attempts?.map(({ outcome, error }) => [outcome, error?.message])).toEqual([
      ["failed", "7 fails as asked"],
      ["succeeded", undefined],
    ]);
    expect(tenant.calls.map(({ ids, attempts }) => [ids.length, Math.max(...attempts)])).toEqual([
      [10, 1],
      [1, 2],
    ]);
    expect(tenant.calls[1].ids).toEqual([tasks[7].id]);
  });

  it("are the error of all where the handler throws; they gather again", async () => {
    const tenant = await Tenant.create();
    const tasks = await tenant.ended(await tenant.items(SIZE, { fail: "throw" }));
    expect(tasks.map((task) => [task.state, task.attempt])).toEqual(tasks.map(() => ["succeeded", 2]));
    expect(sizes(tenant.calls)).toEqual([SIZE, SIZE]);
  });

  it("must be as many as there were inputs", async () => {
    const tenant = await Tenant.create();
    const tasks = await tenant.ended(await tenant.items(SIZE, { fail: "length" }));
    const error = { type: "invalid_output", message: "the handler returned 0 results for 10 inputs" };
    expect(tasks.map((task) => [task.state, task.attempt, task.error])).toEqual(
      tasks.map(() => ["failed", 1, expect.objectContaining(error)]),
    );
  });

  it("can be had by another try of one that failed", async () => {
    const tenant = await Tenant.create();
    const [failed] = await tenant.ended(await tenant.api.submitAll([tenant.item(1, { fail: "final" })]));
    expect((await tenant.api.post(`/v1/tasks/${failed.id}/retry`, { input: { value: 2 } })).status).toBe(202);
    expect(await tenant.api.waitForEnd(failed.id)).toMatchObject({ state: "succeeded", result: 2, attempt: 2 });
  });
});

describe("one of a batch", () => {
  it("that is cancelled while it gathers is missing in the call", async () => {
    const tenant = await Tenant.create();
    const [gone, ...rest] = await poll(
      () => "none is cancelled while it gathers",
      async () => {
        const items = await tenant.items(4);
        const { status } = await tenant.api.post(`/v1/tasks/${items[0].id}/cancel`);
        await tenant.ended(items);
        return status === 200 ? items : null;
      },
    );
    const called = tenant.calls.map((call) => call.ids).filter((ids) => ids.includes(rest[0].id));
    expect(called).toEqual([rest.map((task) => task.id)]);
    expect(tenant.calls.flatMap((call) => call.ids)).not.toContain(gone.id);
    expect((await tenant.api.read(gone.id)).state).toBe("cancelled");
  });

  it("that is cancelled while it runs ends so, and the others go on", async () => {
    const tenant = await Tenant.create();
    const letGo = tenant.hold();
    const tasks = await tenant.items(SIZE);
    await tenant.called(1);
    expect((await tenant.api.post(`/v1/tasks/${tasks[4].id}/cancel`)).status).toBe(202);
    letGo();
    const ended = await tenant.ended(tasks);
    expect(ended.map((task) => task.state)).toEqual(tasks.map((_, n) => (n === 4 ? "cancelled" : "succeeded")));
    expect(sizes(tenant.calls)).toEqual([SIZE]);
  });

  it("has its own time: it is up for one, and not for the other", async () => {
    const tenant = await Tenant.create();
    const letGo = tenant.hold();
    const [short, long] = await tenant.api.submitAll([
      tenant.item(1, {}, { timeout: "1s", maxAttempts: 1 }),
      tenant.item(2),
    ]);
    expect(await tenant.api.waitForEnd(short.id)).toMatchObject({ state: "failed", error: { type: "timeout" } });
    expect((await tenant.api.read(long.id)).state).toBe("running");
    letGo();
    expect(await tenant.api.waitForEnd(long.id)).toMatchObject({ state: "succeeded", attempt: 1 });
  });

  it("ends the call with the others when all are cancelled", async () => {
    const tenant = await Tenant.create();
    const tasks = await tenant.items(2, { ms: 60_000 });
    await tenant.called(1);
    await Promise.all(tasks.map((task) => tenant.api.post(`/v1/tasks/${task.id}/cancel`)));
    const ended = await tenant.ended(tasks);
    expect(ended.map((task) => task.state)).toEqual(["cancelled", "cancelled"]);
    // The signal was heard: nothing of it came after the end.
    expect(ended.map((task) => task.attempts?.[0]?.late ?? null)).toEqual([null, null]);
  });
});

describe("items come by every way there is:", () => {
  it("a flow", async () => {
    const tenant = await Tenant.create();
    const inputs = [1, 2, 3].map((value) => tenant.item(value).input);
    const { body } = await tenant.api.post<FlowResource>("/v1/flows", {
      chain: [{ task: "test.noop" }, { map: { task: "test.batch", inputs } }],
    });
    expect(await tenant.api.waitForFlow(body.id)).toMatchObject({ state: "succeeded", result: [1, 2, 3] });
    expect(sizes(tenant.calls)).toEqual([3]);
  });

  it("a parent", async () => {
    const tenant = await Tenant.create();
    const input = { task: "test.batch", input: tenant.item(5).input, n: 12 };
    const parent = await tenant.api.submit("test.spawn", input);
    expect((await tenant.api.waitForEnd(parent.id)).result).toEqual(Array.from({ length: 12 }, () => 5));
    expect(sizes(tenant.calls).toSorted((a, b) => b - a)).toEqual([10, 2]);
  });

  it("a schedule", async () => {
    const tenant = await Tenant.create();
    const { task, input } = tenant.item(7);
    expect((await tenant.api.call("PUT", "/v1/schedules/tick", { body: { every: "1h", task, input } })).status).toBe(
      201,
    );
    await tenant.api.post("/v1/schedules/tick/run");
    await tenant.called(1);
    await tenant.api.waitUntilNoneIs(["queued", "running"]);
    expect((await tenant.api.listAll("task=test.batch")).map((each) => each.result)).toEqual([7]);
  });

  it("a window: submissions that share a task are one item", async () => {
    const tenant = await Tenant.create();
    const debounce = { key: "k", wait: "300ms" } as const;
    const tasks = [
      ...(await tenant.api.submitAll([1, 2, 3].map((value) => tenant.item(value, {}, { debounce })))),
      ...(await tenant.api.submitAll([tenant.item(4)])),
    ];
    expect((await tenant.ended(tasks)).map((task) => task.result)).toEqual([3, 3, 3, 4]);
    expect(new Set(tenant.calls.flatMap((call) => call.values))).toEqual(new Set([3, 4]));
  });

  it("a lane that was paused", async () => {
    const tenant = await Tenant.create();
    const root = apiOf(server.root);
    await root.post("/v1/lanes/high/pause");
    const items = Array.from({ length: 25 }, (_, value) => tenant.item(value, {}, { lane: "high" }));
    const tasks = await tenant.api.submitAll(items);
    await new Promise((done) => setTimeout(done, WAIT_MS + 500));
    expect(tenant.calls).toEqual([]);
    await root.post("/v1/lanes/high/resume");
    await tenant.ended(tasks);
    expect(sizes(tenant.calls).toSorted((a, b) => b - a)).toEqual([10, 10, 5]);
  });

  it("a delay, and a key that is repeated", async () => {
    const tenant = await Tenant.create();
    const body = tenant.item(1, {}, { delay: "300ms" });
    const post = () => tenant.api.post<TaskResource>("/v1/tasks", body, { "idempotency-key": tenant.path });
    const [first, again] = [await post(), await post()];
    expect(again.body.id).toBe(first.body.id);
    const [task] = await tenant.ended([first.body]);
    expect(task).toMatchObject({ state: "succeeded", result: 1 });
    expect(delayOf(task)).toBeGreaterThanOrEqual(WAIT_MS + 300);
    expect(sizes(tenant.calls)).toEqual([1]);
  });
});
