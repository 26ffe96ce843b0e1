/** When a request is repeated, and when not: against a fetch that answers as told. */
import { Webhook } from "standardwebhooks";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import {
  ConnectionError,
  createClient,
  LovageProblem,
  RateLimitedError,
  TaskCancelledError,
  TaskExpiredError,
  TaskFailedError,
  verifyWebhook,
  WaitTimeoutError,
  WebhookVerificationError,
} from "../../src/client/index.ts";

type Answer = { status: number; body?: unknown; headers?: Record<string, string> } | "broken" | "silent";

type Request = { url: string; method: string; headers: Headers; body: string | null; at: number };

const BROKEN = new TypeError("fetch failed");

/** A client whose service gives these answers in turn, the last one for ever. */
function clientOf(answers: Answer[], options: { retries?: number } = {}) {
  const requests: Request[] = [];
  const fetch = async (url: string, init: RequestInit): Promise<Response> => {
    const { method = "GET", headers, body, signal } = init;
    requests.push({ url, method, headers: new Headers(headers), body: body as string | null, at: Date.now() });
    const answer = answers.at(Math.min(requests.length, answers.length) - 1)!;
    if (answer === "broken") throw BROKEN;
    if (answer === "silent") {
      return new Promise((_, reject) => signal?.addEventListener("abort", () => reject(signal.reason as Error)));
    }
    const text = answer.body === undefined ? null : JSON.stringify(answer.body);
    return new Response(text, { status: answer.status, headers: answer.headers ?? {} });
  };
  return { client: createClient({ baseUrl: "https://tasks.test/base/", apiKey: "k", fetch, ...options }), requests };
}

const TASK = { status: 202, body: { id: "task_1", task: "t", state: "queued" } };
const BUSY = { status: 503, body: { type: "/problems/unavailable", title: "", status: 503, detail: "later" } };
const LIMITED = { status: 429, body: { type: "/problems/rate-limited", title: "", status: 429, detail: "slow down" } };

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date"] });
  vi.spyOn(Math, "random").mockReturnValue(1);
});

afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

/** Lets all time pass that the call needs. */
async function ended<T>(promise: Promise<T>): Promise<T | Error> {
  const settled = promise.catch((error: unknown) => error as Error);
  await vi.runAllTimersAsync();
  return settled;
}

/** Milliseconds between the requests. */
function gaps(requests: Request[]): number[] {
  return requests.map(({ at }, i) => at - (requests[i - 1]?.at ?? at));
}

describe("a submission", () => {
  it("is repeated with the same key after broken connections, 429 and 503, ever later", async () => {
    const { client, requests } = clientOf(["broken", BUSY, LIMITED, TASK]);

    expect(await ended(client.submit("t", { a: 1 }))).toMatchObject({ id: "task_1" });
    expect(requests).toHaveLength(4);
    expect(new Set(requests.map(({ headers }) => headers.get("idempotency-key"))).size).toBe(1);
    expect(new Set(requests.map(({ body }) => body))).toEqual(new Set(['{"task":"t","input":{"a":1},"options":{}}']));
    expect(requests[0]).toMatchObject({ url: "https://tasks.test/base/v1/tasks", method: "POST" });
    expect(requests.at(0)?.headers.get("authorization")).toBe("Bearer k");
    expect(gaps(requests)).toEqual([0, 250, 500, 1_000]);
  });

  it("is given up after as many repetitions as the client allows", async () => {
    const { client, requests } = clientOf(["broken"], { retries: 2 });
    const error = await ended(client.submit("t"));

    expect(error).toBeInstanceOf(ConnectionError);
    expect((error as Error).cause).toBe(BROKEN);
    expect(requests).toHaveLength(3);
  });

  it("waits as long as the service asks, and not for much longer than a minute", async () => {
    const soon = clientOf([{ ...LIMITED, headers: { "retry-after": "7" } }, TASK]);
    await ended(soon.client.submit("t"));
    expect(gaps(soon.requests)).toEqual([0, 7_250]);

    const late = clientOf([{ ...LIMITED, headers: { "retry-after": "3600" } }, TASK]);
    const error = await ended(late.client.submit("t"));
    expect(error).toBeInstanceOf(RateLimitedError);
    expect((error as RateLimitedError).retryAfterMs).toBe(3_600_000);
    expect(late.requests).toHaveLength(1);
  });

  it("is repeated when the service says nothing", async () => {
    const { client, requests } = clientOf(["silent", TASK]);

    expect(await ended(client.submit("t"))).toMatchObject({ id: "task_1" });
    expect(gaps(requests)).toEqual([0, 30_250]);
  });

  it("is not repeated where it was refused", async () => {
    const { client, requests } = clientOf([
      { status: 422, body: { type: "/problems/invalid-input", status: 422, detail: "no" } },
    ]);

    expect(await ended(client.submit("t"))).toMatchObject({ name: "invalid-input" });
    expect(requests).toHaveLength(1);
  });
});

describe("other requests", () => {
  it("repeats nothing that might be done twice, unless the service says that it did nothing", async () => {
    for (const act of ["signal", "retry", "create"] as const) {
      const calls = {
        signal: (client: ReturnType<typeof clientOf>["client"]) => client.signal("task_1", "go", 1),
        retry: (client: ReturnType<typeof clientOf>["client"]) => client.retry("task_1"),
        create: (client: ReturnType<typeof clientOf>["client"]) => client.keys.create({ name: "n", scopes: ["read"] }),
      };
      const broken = clientOf(["broken", TASK]);
      expect(await ended<unknown>(calls[act](broken.client))).toBeInstanceOf(ConnectionError);
      expect(broken.requests).toHaveLength(1);

      const busy = clientOf([BUSY, TASK]);
      await ended<unknown>(calls[act](busy.client));
      expect(busy.requests).toHaveLength(2);
    }
  });

  it("takes a removal for done when its repetition finds nothing", async () => {
    const gone = { status: 404, body: { type: "/problems/not-found", title: "", status: 404, detail: "nothing" } };

    expect(await ended(clientOf(["broken", gone]).client.delete("task_1"))).toBeUndefined();
    expect(await ended(clientOf([gone]).client.delete("task_1"))).toBeInstanceOf(LovageProblem);
  });

  it("makes a problem of an answer that is none of the service's", async () => {
    const { client } = clientOf([{ status: 418, body: "<html>" }]);

    expect(await ended(client.get("task_1"))).toMatchObject({ name: "http-418", status: 418 });
  });

  it("has patience with a service that restarts while it waits", async () => {
    const answers: Answer[] = Array.from({ length: 20 }, () => "broken" as const);
    const done = { status: 200, body: { id: "task_1", task: "t", state: "succeeded", result: 5 } };

    expect(await ended(clientOf([...answers, done]).client.wait("task_1"))).toBe(5);
    expect(await ended(clientOf(["broken"]).client.wait("task_1"))).toBeInstanceOf(ConnectionError);
  });

  it("asks again, but not at once, where the service does not wait", async () => {
    const running = { status: 200, body: { id: "task_1", task: "t", state: "running" } };
    const done = { status: 200, body: { id: "task_1", task: "t", state: "succeeded", result: 5 } };
    const { client, requests } = clientOf([running, running, done]);

    expect(await ended(client.wait("task_1", { within: 60_000 }))).toBe(5);
    expect(requests.map(({ headers }) => headers.get("prefer"))).toEqual(["wait=25", "wait=25", "wait=25"]);
    expect(gaps(requests)).toEqual([0, 1_000, 1_000]);
  });

  it("throws for each end but the good one", async () => {
    const ends = [
      ["failed", TaskFailedError],
      ["cancelled", TaskCancelledError],
      ["expired", TaskExpiredError],
    ] as const;
    for (const [state, Ended] of ends) {
      const { client } = clientOf([{ status: 200, body: { id: "task_1", task: "t", state, error: null } }]);
      expect(await ended(client.wait("task_1"))).toBeInstanceOf(Ended);
    }
  });
});

describe("verifyWebhook", () => {
  const SECRET = `whsec_${btoa("a secret of the endpoint")}`;
  const BODY = JSON.stringify({ type: "task.failed", timestamp: "2026-11-01T12:00:00.000Z", data: { id: "task_1" } });

  function signed(body = BODY, at = new Date(), secret = SECRET) {
    return {
      "webhook-id": "msg_1",
      "webhook-timestamp": String(Math.floor(at.getTime() / 1_000)),
      "webhook-signature": `v1,AAAA v2,? ${new Webhook(secret).sign("msg_1", at, body)}`,
    };
  }

  it("gives what was signed with the secret, from a Request or from its parts", async () => {
    const request = new Request("https://shop.test/hooks", { method: "POST", headers: signed(), body: BODY });

    expect(await verifyWebhook(request, SECRET)).toEqual(JSON.parse(BODY));
    expect(await verifyWebhook({ headers: signed(), body: BODY }, SECRET)).toMatchObject({ data: { id: "task_1" } });
  });

  it.each([
    ["another secret", { headers: signed(BODY, new Date(), `whsec_${btoa("another")}`), body: BODY }],
    ["a body that was changed", { headers: signed(), body: `${BODY} ` }],
    ["a time long ago", { headers: signed(BODY, new Date(Date.now() - 301_000)), body: BODY }],
    ["no time", { headers: { ...signed(), "webhook-timestamp": "soon" }, body: BODY }],
    ["no headers", { headers: {}, body: BODY }],
  ])("refuses %s", async (_, request) => {
    await expect(verifyWebhook(request, SECRET)).rejects.toBeInstanceOf(WebhookVerificationError);
  });
});

describe("run", () => {
  it("gives what wait gives, and up after `within`, which no submission carries", async () => {
    const done = { status: 200, body: { id: "task_1", task: "t", state: "succeeded", result: 5 } };
    const { client, requests } = clientOf([TASK, done, TASK]);

    expect(await ended(client.run("t", {}, { timeout: "10s", within: 60_000 }))).toBe(5);
    expect(JSON.parse(requests[0].body!)).toEqual({ task: "t", input: {}, options: { timeout: "10s" } });
    expect(await ended(client.run("t", {}, { within: 1_000 }))).toBeInstanceOf(WaitTimeoutError);
  });
});
