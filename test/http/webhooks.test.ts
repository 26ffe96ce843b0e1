/** What receivers of webhooks see: signed by the standard, at least once, and the same message every time. */
import { Webhook, WebhookVerificationError } from "standardwebhooks";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { TaskResource } from "../../src/contract/task.ts";
import type { DeliveryResource, TaskDelivery, WebhookResource } from "../../src/contract/webhook.ts";
import { apiOf, LIVE, poll, type Api } from "./api.ts";
import { startReceiver, verify, type Received, type Receiver } from "./receiver.ts";
import { shareServer, type SharedServer } from "./shared-server.ts";

type Endpoint = WebhookResource & { secret: string };

let server: SharedServer;
let api: Api;
let receiver: Receiver;
let paths = 0;

beforeAll(async () => {
  [server, receiver] = await Promise.all([shareServer(), startReceiver()]);
  api = apiOf(server);
});

afterAll(() => Promise.all([server?.stop(), receiver?.stop()]));

/** Long enough for a delivery that must not come. */
const quiet = () => new Promise((done) => setTimeout(done, 1_500));

const newPath = () => `/hook/${++paths}`;

/** Soon again, as a receiver may ask for it. */
const BUSY = { status: 503, headers: { "retry-after": "1" } };

/** A registered endpoint of its own path. Every test removes its own, so that it hears of no other's tasks. */
async function withEndpoint<T>(
  body: object,
  use: (endpoint: Endpoint, path: string) => Promise<T>,
  path = newPath(),
): Promise<T> {
  const made = await api.post<Endpoint>("/v1/webhooks", { url: receiver.origin + path, ...body });
  expect(made.status).toBe(201);
  try {
    return await use(made.body, path);
  } finally {
    await api.call("DELETE", `/v1/webhooks/${made.body.id}`);
  }
}

async function deliveriesOf(id: string): Promise<DeliveryResource[]> {
  const { status, body } = await api.get<{ items: DeliveryResource[] }>(`/v1/webhooks/${id}/deliveries`);
  expect(status).toBe(200);
  return body.items;
}

async function settled(webhookId: string, id: string): Promise<DeliveryResource> {
  return poll(
    () => `${id} has not settled`,
    async () =>
      (await deliveriesOf(webhookId)).find(
        (each) => each.id === id && ["succeeded", "failed", "retrying"].includes(each.state),
      ) ?? null,
  );
}

const read = (id: string) => api.get<WebhookResource>(`/v1/webhooks/${id}`).then((answer) => answer.body);
/** A task that cannot start in time, because another one has its place. */
async function unheard(): Promise<TaskResource> {
  const concurrency = { key: "unheard", limit: 1 };
  const holder = await api.submit("test.sleep", { ms: 600_000 }, { concurrency, timeout: "10m" });
  await api.waitUntil(holder.id, ({ state }) => state === "running");
  const task = await noop({ concurrency, expiresIn: "1s" });
  await api.waitUntil(task.id, ({ state }) => state === "expired");
  await api.post(`/v1/tasks/${holder.id}/cancel`);
  // Its end must not reach the endpoints of the tests that follow.
  await api.waitForEnd(holder.id);
  return task;
}

const noop = (options?: object) => api.submit("test.noop", null, options);

describe("a registered endpoint", () => {
  it("is told how tasks end, signed", async () => {
    await withEndpoint({}, async ({ id, secret }, path) => {
      const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
      const succeeded = await api.post<TaskResource>(
        "/v1/tasks",
        { task: "test.add", input: { x: 1, y: 2 } },
        { traceparent },
      );
      const failed = await api.submit("test.fail", { message: "no", retryable: false });
      const cancelled = await noop({ delay: "1h" });
      await api.post(`/v1/tasks/${cancelled.id}/cancel`);
      const requests = await receiver.next(path, 3);

      const byTask = new Map(requests.map((request) => [verify(secret, request).data.id, request]));
      const typeOf = (taskId: string) => byTask.get(taskId)?.payload.type;
      expect(typeOf(succeeded.body.id)).toBe("task.succeeded");
      expect(typeOf(failed.id)).toBe("task.failed");
      expect(typeOf(cancelled.id)).toBe("task.cancelled");
      expect(new Set(requests.map((request) => request.id)).size).toBe(3);

      const first = byTask.get(succeeded.body.id)!;
      expect(first.method).toBe("POST");
      expect(first.headers).toMatchObject({ "content-type": "application/json", traceparent });
      const task = await api.read(succeeded.body.id);
      expect(first.payload).toEqual({
        type: "task.succeeded",
        timestamp: task.finishedAt,
        data: { ...task, attempts: undefined },
      });

      await settled(id, first.id);
      expect((await deliveriesOf(id)).find((each) => each.id === first.id)).toEqual({
        id: first.id,
        type: "task.succeeded",
        taskId: task.id,
        url: receiver.origin + path,
        state: "succeeded",
        attempts: [{ at: expect.any(String), status: 204, error: null }],
        nextAttemptAt: null,
        createdAt: task.finishedAt,
      });
      const ofTask = (await api.get<{ items: TaskDelivery[] }>(`/v1/tasks/${task.id}/deliveries`)).body;
      expect(ofTask.items).toEqual([
        { ...(await deliveriesOf(id)).find((each) => each.id === first.id), webhookId: id, request: first.payload },
      ]);
      await api.post(`/v1/tasks/${failed.id}/retry`);
      await receiver.next(path, 1);
      const both = (
        await api.get<{ items: TaskDelivery[]; nextCursor: string }>(`/v1/tasks/${failed.id}/deliveries?limit=1`)
      ).body;
      const older = (
        await api.get<{ items: TaskDelivery[] }>(`/v1/tasks/${failed.id}/deliveries?cursor=${both.nextCursor}`)
      ).body;
      const told = (run: typeof older) => run.items.map(({ taskId, type }) => [taskId, type]);
      expect([told(both), told(older)]).toEqual([[[failed.id, "task.failed"]], [[failed.id, "task.failed"]]]);
      expect(both.items[0].id > older.items[0].id).toBe(true);
    });
  });

  it("is told of an expired task", async () => {
    await withEndpoint({ events: ["task.expired"] }, async ({ secret }, path) => {
      const { id } = await unheard();
      const [request] = await receiver.next(path);
      expect(verify(secret, request)).toMatchObject({ type: "task.expired", data: { id, error: { type: "expired" } } });
    });
  });

  it("hears only what it listens to, and thinly if it wants", async () => {
    await withEndpoint({ events: ["task.failed"], payload: "thin" }, async ({ id }, path) => {
      await api.waitForEnd((await noop()).id);
      const failed = await api.submit("test.fail", { message: "no", retryable: false });
      const [request] = await receiver.next(path);
      expect(request.payload).toMatchObject({ type: "task.failed", data: { id: failed.id, error: { message: "no" } } });
      expect(request.payload.data).not.toHaveProperty("input");
      expect(request.payload.data).not.toHaveProperty("result");
      expect(await deliveriesOf(id)).toHaveLength(1);
    });
  });

  it("gets a large result whole, and of one that cannot be stored that it was left out", async () => {
    await withEndpoint({}, async (_, path) => {
      const whole = await api.submit("test.big", { bytes: 200_000 });
      const tooLarge = await api.submit("test.big", { bytes: 1_048_570 });
      const requests = await receiver.next(path, 2);
      const dataOf = (id: string) => requests.find(({ payload }) => payload.data.id === id)!.payload.data;
      expect(dataOf(whole.id).result).toHaveLength(200_000);
      expect(dataOf(tooLarge.id)).toMatchObject({ id: tooLarge.id, state: "succeeded" });
      expect(dataOf(tooLarge.id)).toMatchObject({ input: { bytes: 1_048_570 }, result: null, omitted: ["result"] });
      expect((await api.get<TaskResource>(dataOf(tooLarge.id).links.self)).body.result).toHaveLength(1_048_570);
      expect(dataOf(whole.id)).not.toHaveProperty("omitted");
    });
  });

  it("gets what was true at the end, even where a new run has begun since", async () => {
    await withEndpoint({ events: ["task.failed", "task.succeeded"] }, async (_, path) => {
      const { id } = await api.submit("test.failTimes", { times: 1 }, { maxAttempts: 1 });
      await api.waitForEnd(id);
      await api.post(`/v1/tasks/${id}/retry`);
      const [failed, succeeded] = await receiver.next(path, 2);
      expect(failed.payload).toMatchObject({ type: "task.failed", data: { id, state: "failed", attempt: 1 } });
      expect(succeeded.payload).toMatchObject({
        type: "task.succeeded",
        data: { id, state: "succeeded", attempt: 2 },
      });
      expect(failed.id).not.toBe(succeeded.id);
    });
  });

  it("is told of a task that is removed at once", async () => {
    await withEndpoint({}, async (_, path) => {
      const { id } = await noop({ retention: "1s" });
      expect((await receiver.next(path))[0].payload.data.id).toBe(id);
    });
  });
});

describe("signatures", () => {
  it("do not fit another secret, another time, or a payload that was changed", async () => {
    await withEndpoint({}, async ({ secret }, path) => {
      await noop();
      const [{ headers, body, id }] = await receiver.next(path);
      expect(verify(secret, { headers, body }).type).toBe("task.succeeded");

      const changed = body.replace("succeeded", "failed");
      expect(() => verify(secret, { headers, body: changed })).toThrow(WebhookVerificationError);
      const anotherId = { ...headers, "webhook-id": "msg_other" };
      expect(() => verify(secret, { headers: anotherId, body })).toThrow(WebhookVerificationError);
      const another = `whsec_${Buffer.alloc(32, 1).toString("base64")}`;
      expect(() => verify(another, { headers, body })).toThrow(WebhookVerificationError);

      // Recorded ten minutes ago, and sent again as it was.
      const then = new Date(Date.now() - 600_000);
      const replayed = {
        "webhook-id": id,
        "webhook-timestamp": String(Math.floor(then.getTime() / 1_000)),
        "webhook-signature": new Webhook(secret).sign(id, then, body),
      };
      expect(() => verify(secret, { headers: replayed, body })).toThrow("too old");
    });
  });

  it("come from the old secret too for a day after a rotation", async () => {
    await withEndpoint({}, async ({ id, secret }, path) => {
      const rotated = await api.post<Endpoint>(`/v1/webhooks/${id}/rotate`);
      expect(rotated).toMatchObject({ status: 200, body: { id, secret: expect.stringMatching(/^whsec_/) } });
      expect(rotated.body.secret).not.toBe(secret);
      await noop();
      const [request] = await receiver.next(path);
      expect(request.headers["webhook-signature"]?.split(" ")).toHaveLength(2);
      expect(verify(secret, request)).toEqual(verify(rotated.body.secret, request));
      expect(JSON.stringify(await read(id))).not.toContain("whsec_");
    });
  });

  it("hold for a message that waited for its retry while the secret was rotated", async () => {
    await withEndpoint({}, async ({ id, secret }, path) => {
      const { promise: rotated, resolve: letGo } = Promise.withResolvers<void>();
      receiver.reply(path, (nth) => (nth === 1 ? rotated.then(() => BUSY) : 204));
      await noop();
      await receiver.next(path);
      const { secret: fresh } = (await api.post<Endpoint>(`/v1/webhooks/${id}/rotate`)).body;
      letGo();
      const [first, second] = await receiver.next(path, 2);
      expect(() => verify(fresh, first)).toThrow(WebhookVerificationError);
      expect(verify(fresh, second)).toEqual(verify(secret, second));
    });
  });
});

describe("a receiver that does not take it", () => {
  it("gets it on the fourth try, the same message every time", async () => {
    await withEndpoint({}, async ({ id, secret }, path) => {
      receiver.reply(path, (nth) => (nth <= 3 ? { ...BUSY, status: [503, 429, 500][nth - 1] } : 200));
      await noop();
      const requests = await receiver.next(path, 4);
      expect(new Set(requests.map((request) => request.id)).size).toBe(1);
      expect(new Set(requests.map((request) => request.body)).size).toBe(1);
      for (const request of requests) verify(secret, request);
      const gaps = requests.slice(1).map((request, i) => request.at - requests[i].at);
      for (const gap of gaps) expect(gap).toBeGreaterThan(900);

      const delivery = await settled(id, requests[0].id);
      expect(delivery).toMatchObject({ state: "succeeded" });
      expect(delivery.attempts.map(({ status, error }) => [status, error])).toEqual([
        [503, "answered 503"],
        [429, "answered 429"],
        [500, "answered 500"],
        [200, null],
      ]);
      await expect.poll(async () => (await read(id)).failingSince).toBeNull();
    });
  });

  it("is tried again some seconds after its first failure where it does not say when", async () => {
    await withEndpoint({}, async ({ id }, path) => {
      receiver.reply(path, (nth) => (nth === 1 ? 404 : 204));
      await noop();
      const [first] = await receiver.next(path);
      expect(await settled(id, first.id)).toMatchObject({ state: "retrying", nextAttemptAt: expect.any(String) });
      expect((await read(id)).failingSince).not.toBeNull();
      const [, second] = await receiver.next(path, 2);
      expect(second.at - first.at).toBeGreaterThan(4_000);
    });
  });

  it("is not followed anywhere", async () => {
    await withEndpoint({}, async ({ id }, path) => {
      const elsewhere = newPath();
      receiver.reply(path, () => ({ status: 307, headers: { location: receiver.origin + elsewhere } }));
      await noop();
      const [request] = await receiver.next(path);
      expect(await settled(id, request.id)).toMatchObject({
        state: "retrying",
        attempts: [{ status: 307, error: "answered 307" }],
      });
      expect(receiver.at(elsewhere)).toEqual([]);
    });
  });

  it("ends its endpoint by answering 410", async () => {
    await withEndpoint({}, async ({ id }, path) => {
      receiver.reply(path, () => 410);
      await noop();
      const [request] = await receiver.next(path);
      expect(await settled(id, request.id)).toMatchObject({ state: "failed", attempts: [{ status: 410 }] });
      expect(await read(id)).toMatchObject({ paused: true, pausedReason: "the receiver answered 410 Gone" });
      await api.waitForEnd((await noop()).id);
      await quiet();
      expect(receiver.at(path)).toHaveLength(1);
      const replayed = await api.post(`/v1/webhooks/${id}/deliveries/${request.id}/replay`);
      expect(replayed).toMatchObject({ status: 409, body: { type: "/problems/webhook-conflict" } });
    });
  });

  it("that cannot be reached is told so in the list", async () => {
    const body = { url: "http://127.0.0.1:1/nobody" };
    await withEndpoint(body, async ({ id }) => {
      await noop();
      const delivery = await poll(
        () => "no attempt was made",
        async () => (await deliveriesOf(id)).find((each) => each.attempts.length > 0) ?? null,
      );
      expect(delivery.attempts).toMatchObject([{ status: null, error: expect.stringContaining("no answer") }]);
    });
  });
});

describe("a receiver that answers no request", () => {
  it("delays no task, and no other receiver", async () => {
    await withEndpoint({}, async (_, path) => {
      receiver.reply(path, () => null);
      // More than run side by side in a lane.
      const tags = { hung: "yes" };
      await api.submitAll(Array.from({ length: 400 }, () => ({ task: "test.noop", options: { tags } })));
      await api.waitUntilNoneIs(LIVE, "tag.hung=yes");
      await receiver.next(path, 50);
      const other = newPath();
      const { id } = await noop({ webhook: { url: `http://localhost:${new URL(receiver.origin).port}${other}` } });
      await api.waitForEnd(id);
      await receiver.next(other);
      // It did not stand behind all of the others.
      expect(receiver.at(path).length).toBeLessThan(400);
    });
  });
});

describe("replaying", () => {
  it("sends one delivery again, whatever became of it, with all of its attempts", async () => {
    await withEndpoint({}, async ({ id, secret }, path) => {
      receiver.reply(path, (nth) => (nth === 1 ? 202 : 200));
      await noop();
      const [first] = await receiver.next(path);
      await settled(id, first.id);
      const replayed = await api.post<DeliveryResource>(`/v1/webhooks/${id}/deliveries/${first.id}/replay`);
      expect(replayed).toMatchObject({ status: 202, body: { id: first.id } });
      const [, second] = await receiver.next(path, 2);
      expect([second.id, second.body]).toEqual([first.id, first.body]);
      verify(secret, second);
      const delivery = await settled(id, first.id);
      expect(delivery.attempts.map(({ status }) => status)).toEqual([202, 200]);
    });
  });

  it("does not wait for the next attempt", async () => {
    await withEndpoint({}, async ({ id }, path) => {
      receiver.reply(path, (nth) => (nth === 1 ? { status: 503, headers: { "retry-after": "3600" } } : 204));
      await noop();
      const [first] = await receiver.next(path);
      await settled(id, first.id);
      await api.post(`/v1/webhooks/${id}/deliveries/${first.id}/replay`);
      const [, second] = await receiver.next(path, 2);
      expect(second.id).toBe(first.id);
    });
  });

  it("sends everything of a time again", async () => {
    await withEndpoint({}, async ({ id }, path) => {
      await api.waitForEnd((await noop()).id);
      await receiver.next(path);
      const since = new Date(Date.now() + 1).toISOString();
      await new Promise((done) => setTimeout(done, 5));
      const tasks = await api.submitAll([1, 2, 3].map((value) => ({ task: "test.identity", input: { value } })));
      const all = await receiver.next(path, 4);
      for (const each of all) await settled(id, each.id);
      const replayed = await api.post(`/v1/webhooks/${id}/replay`, { since });
      expect(replayed).toMatchObject({ status: 202, body: { matched: 3, changed: 3 } });
      const again = (await receiver.next(path, 7)).slice(4);
      const idsOf = (requests: Received[]) => requests.map((request) => request.id).toSorted();
      expect(idsOf(again)).toEqual(idsOf(all.slice(1)));
      expect(again.map(({ payload }) => payload.data.id).toSorted()).toEqual(tasks.map((task) => task.id).toSorted());

      const until = new Date(Date.parse(since) - 2).toISOString();
      const before = await api.post(`/v1/webhooks/${id}/replay`, { since: "2020-01-01T00:00:00Z", until });
      expect(before).toMatchObject({ status: 202, body: { matched: 1 } });
    });
  });
});

describe("pausing and removing", () => {
  it("keeps a paused endpoint from hearing anything until it is resumed", async () => {
    await withEndpoint({}, async ({ id }, path) => {
      expect((await api.call("PATCH", `/v1/webhooks/${id}`, { body: { paused: true } })).body).toMatchObject({
        paused: true,
        pausedReason: null,
      });
      await api.waitForEnd((await noop()).id);
      await quiet();
      expect(receiver.at(path)).toEqual([]);
      await api.call("PATCH", `/v1/webhooks/${id}`, { body: { paused: false } });
      const task = await noop();
      expect((await receiver.next(path))[0].payload.data.id).toBe(task.id);
    });
  });

  it("tests a paused endpoint too", async () => {
    await withEndpoint({}, async ({ id, secret }, path) => {
      await api.call("PATCH", `/v1/webhooks/${id}`, { body: { paused: true } });
      const test = await api.post<DeliveryResource>(`/v1/webhooks/${id}/test`);
      expect(test).toMatchObject({ status: 202, body: { type: "webhook.test", taskId: null } });
      const [request] = await receiver.next(path);
      expect(request.id).toBe(test.body.id);
      expect(verify(secret, request)).toMatchObject({ type: "webhook.test", data: { webhookId: id } });
      expect(await settled(id, request.id)).toMatchObject({ state: "succeeded", type: "webhook.test" });
    });
  });

  it("ends what was still to be delivered when an endpoint is removed", async () => {
    await withEndpoint({}, async ({ id }, path) => {
      receiver.reply(path, () => ({ status: 503, headers: { "retry-after": "2" } }));
      await noop();
      const [request] = await receiver.next(path);
      await settled(id, request.id);
      expect((await api.call("DELETE", `/v1/webhooks/${id}`)).status).toBe(204);
      const before = receiver.at(path).length;
      await new Promise((done) => setTimeout(done, 3_500));
      expect(receiver.at(path)).toHaveLength(before);
      expect((await api.get(`/v1/webhooks/${id}/deliveries`)).status).toBe(404);
    });
  });

  it("sends what waits for its retry to the new address", async () => {
    await withEndpoint({}, async ({ id }, path) => {
      receiver.reply(path, () => BUSY);
      await noop();
      const [request] = await receiver.next(path);
      const moved = newPath();
      await api.call("PATCH", `/v1/webhooks/${id}`, { body: { url: receiver.origin + moved } });
      expect((await receiver.next(moved))[0].id).toBe(request.id);
    });
  });
});

describe("a submission's own webhook", () => {
  it("is signed with the secret that it brought", async () => {
    const path = newPath();
    const secret = `whsec_${Buffer.from(crypto.getRandomValues(new Uint8Array(24))).toString("base64")}`;
    const { id } = await noop({ webhook: { url: receiver.origin + path, secret } });
    const [request] = await receiver.next(path);
    expect(verify(secret, request)).toMatchObject({ type: "task.succeeded", data: { id } });
    expect(request.body).not.toContain("whsec_");
    expect(JSON.stringify(await api.read(id))).not.toContain("whsec_");
  });

  it("is signed with the tenant's default secret where it brought none", async () => {
    const path = newPath();
    const { id } = await noop({ webhook: { url: receiver.origin + path } });
    const [request] = await receiver.next(path);
    const { body } = await api.get<{ id: string; secret: string }>("/v1/webhooks/default");
    expect(body.id).toBe("default");
    expect(verify(body.secret, request).data.id).toBe(id);
    expect((await api.get<{ secret: string }>("/v1/webhooks/default")).body.secret).toBe(body.secret);

    const delivery = await settled("default", request.id);
    expect(delivery).toMatchObject({ taskId: id, state: "succeeded", url: receiver.origin + path });
    const listed = await api.get<{ items: { id: string }[] }>("/v1/webhooks");
    expect(listed.body.items.map((each) => each.id)).not.toContain("default");
  });

  it("hears only what it asked for, also when the task is cancelled", async () => {
    const path = newPath();
    const webhook = { url: receiver.origin + path, events: ["task.cancelled" as const] };
    await api.waitForEnd((await noop({ webhook })).id);
    const { id } = await api.submit("test.sleep", { ms: 60_000 }, { webhook });
    await api.waitUntil(id, (task) => task.state === "running");
    await api.post(`/v1/tasks/${id}/cancel`, { reason: "enough" });
    const [request] = await receiver.next(path);
    expect(request.payload).toMatchObject({ type: "task.cancelled", data: { id, error: { type: "cancelled" } } });
    expect(receiver.at(path)).toHaveLength(1);
  });

  it("does not disable anything by answering 410", async () => {
    const path = newPath();
    receiver.reply(path, () => 410);
    const { id } = await noop({ webhook: { url: receiver.origin + path } });
    const [request] = await receiver.next(path);
    expect(await settled("default", request.id)).toMatchObject({ taskId: id, state: "failed" });
    const other = newPath();
    await noop({ webhook: { url: receiver.origin + other } });
    await receiver.next(other);
  });
});

describe("a flow", () => {
  it("tells of members that never ran, too", async () => {
    await withEndpoint({ events: ["task.failed"] }, async (_, path) => {
      await api.post("/v1/flows", {
        chain: [{ task: "test.fail", input: { message: "no", retryable: false } }, { task: "test.noop" }],
      });
      const requests = await receiver.next(path, 2);
      const types = requests.map(({ payload }) => String(payload.data.error?.type)).toSorted();
      expect(types).toEqual(["NonRetryableError", "dependency_failed"]);
    });
  });
});

describe("after kill -9", () => {
  it("delivers again what was on its way, as the same message, and whatever of a task's end it was killed in", async () => {
    // The first request is never answered: the service dies while it waits.
    const waiting = newPath();
    receiver.reply(waiting, (nth) => (nth === 1 ? null : 204));
    const { id } = await noop({ webhook: { url: receiver.origin + waiting } });
    const [first] = await receiver.next(waiting);
    // Killed as soon as the ends are seen: some are owed, some stored, some on their way, some delivered.
    const path = newPath();
    const submissions = Array.from({ length: 200 }, () => ({
      task: "test.noop",
      options: { webhook: { url: receiver.origin + path } },
    }));
    const tasks = await api.submitAll(submissions);
    await poll(
      () => "nothing has ended",
      async () => ((await api.read(tasks[0].id)).finishedAt === null ? null : true),
    );
    await server.kill9();
    await server.restart();
    const [, second] = await receiver.next(waiting, 2);
    expect([second.id, second.payload.data.id]).toEqual([first.id, id]);
    const missing = () => {
      const told = new Set(receiver.at(path).map(({ payload }) => payload.data.id));
      return tasks.filter((task) => !told.has(task.id)).length;
    };
    await poll(
      () => `${missing()} are not delivered`,
      () => (missing() === 0 ? true : null),
    );
    const messages = new Map(receiver.at(path).map(({ id: message, payload }) => [message, payload.data.id]));
    expect(messages.size).toBe(tasks.length);
  });
});
