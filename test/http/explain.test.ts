/** `GET /v1/tasks/{id}/explain`: why a task is where it is, case by case. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Explanation } from "../../src/contract/explanation.ts";
import type { FlowResource } from "../../src/contract/flow.ts";
import { apiOf, poll, type Api } from "./api.ts";
import { startServer, type Server } from "./server.ts";

let server: Server;
let api: Api;
let keys = 0;

beforeAll(async () => {
  server = await startServer();
  api = apiOf(server);
});

afterAll(() => server?.stop());

const newKey = () => `key-${++keys}`;

async function explain(id: string): Promise<Explanation> {
  const { status, body } = await api.get<Explanation>(`/v1/tasks/${id}/explain`);
  if (status !== 200) throw new Error(`${id} could not be explained: ${status} ${JSON.stringify(body)}`);
  return body;
}

/** The explanation once it names this code. */
const explained = (id: string, code: string) =>
  poll(
    () => `${id} is never explained by ${code}`,
    15_000,
    async () => {
      const explanation = await explain(id);
      return explanation.reasons.some((reason) => reason.code === code) ? explanation : null;
    },
  );

const INSTANT = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/) as string;

/** A case: brings a task there, and says what is to be read. */
interface Case {
  code: string;
  bring: () => Promise<{ id: string; reasons: object[] }>;
  state: string;
  summary: RegExp;
}

const cases: Case[] = [
  {
    code: "running",
    state: "running",
    summary: /^It is running, as attempt 1, on a lease until \S+\.$/,
    bring: async () => {
      const { id } = await api.submit("test.sleep", { ms: 20_000 });
      return { id, reasons: [{ code: "running", attempt: 1, leaseUntil: INSTANT }] };
    },
  },
  {
    code: "ended",
    state: "failed",
    summary: /^It has ended: failed at \S+\.$/,
    bring: async () => {
      const { id } = await api.submit("test.fail", { message: "no", retryable: false });
      return { id, reasons: [{ code: "ended", state: "failed", at: INSTANT }] };
    },
  },
  {
    code: "scheduled",
    state: "scheduled",
    summary: /^It is scheduled to start at \S+\.$/,
    bring: async () => {
      const { id, runAt } = await api.submit("test.noop", null, { delay: "1h" });
      return { id, reasons: [{ code: "scheduled", runAt }] };
    },
  },
  {
    code: "retrying",
    state: "retrying",
    summary: /^It failed 1 of 4 times and is tried again at \S+\.$/,
    bring: async () => {
      const retry = { backoff: "fixed", base: "1h", jitter: "none" } as const;
      const { id } = await api.submit("test.fail", { message: "no" }, { maxAttempts: 4, retry });
      return { id, reasons: [{ code: "retrying", runAt: INSTANT, failures: 1, maxAttempts: 4 }] };
    },
  },
  {
    code: "concurrency",
    state: "queued",
    summary: /^The key \S+ has all of its 2 places taken, and 1 wait before it\.$/,
    bring: async () => {
      const concurrency = { key: newKey(), limit: 2 };
      const holders = [
        await api.submit("test.sleep", { ms: 20_000 }, { concurrency }),
        await api.submit("test.sleep", { ms: 20_000 }, { concurrency }),
      ].map((task) => task.id);
      for (const id of holders) await explained(id, "running");
      await api.submit("test.noop", null, { concurrency });
      const { id } = await api.submit("test.noop", null, { concurrency });
      const reason = { code: "concurrency", key: concurrency.key, limit: 2, heldBy: holders, ahead: 1 };
      return { id, reasons: [reason] };
    },
  },
  {
    code: "rate_limit",
    state: "queued",
    summary: /^The rate limit of its task lets it start at \S+\.$/,
    bring: async () => {
      const tasks = await api.submitAll(Array.from({ length: 60 }, () => ({ task: "test.rated" })));
      return { id: tasks.at(-1)!.id, reasons: [{ code: "rate_limit", key: "", until: INSTANT }] };
    },
  },
  {
    code: "waiting_signal",
    state: "waiting",
    summary: /^It waits for the signal approved until \S+\.$/,
    bring: async () => {
      const { id } = await api.submit("test.signal", { name: "approved", timeout: "1h" });
      return { id, reasons: [{ code: "waiting_signal", name: "approved", until: INSTANT }] };
    },
  },
  {
    code: "sleeping",
    state: "waiting",
    summary: /^It sleeps until \S+\.$/,
    bring: async () => {
      const { id } = await api.submit("test.nap", { ms: 3_600_000 });
      return { id, reasons: [{ code: "sleeping", until: INSTANT }] };
    },
  },
];

describe("an explanation", () => {
  it.each(cases)("says $code", async ({ code, state, summary, bring }) => {
    const { id, reasons } = await bring();
    const explanation = await explained(id, code);
    expect(explanation).toEqual({ state, summary: expect.stringMatching(summary) as string, reasons });
  });

  it("says which members of its flow a task waits for", async () => {
    const header = [
      { task: "test.sleep", input: { ms: 20_000 } },
      { task: "test.noop" },
      { task: "test.sleep", input: { ms: 20_000 } },
    ];
    const { status, body: flow } = await api.post<FlowResource>("/v1/flows", {
      chord: { header, body: { task: "test.identity" } },
    });
    expect(status).toBe(202);
    const idOf = (key: string) => flow.nodes.find((node) => node.key === key)!.task.id;
    await api.waitForEnd(idOf("header.1"));
    const taskIds = [idOf("header.0"), idOf("header.2")].toSorted();
    const explanation = await explain(idOf("body"));
    const named = explanation.reasons.map((reason) => ({
      ...reason,
      taskIds: (reason["taskIds"] as string[]).toSorted(),
    }));
    expect(named).toEqual([{ code: "waiting_tasks", taskIds, more: false }]);
    expect(explanation).toMatchObject({ state: "waiting", summary: "It waits for 2 tasks." });
  });

  it("says which children a task waits for", async () => {
    const { id } = await api.submit("test.spawn", { task: "test.sleep", input: { ms: 20_000 }, n: 2 });
    const explanation = await explained(id, "waiting_tasks");
    const children = (await api.listAll("task=test.sleep")).filter((task) => task.parentId === id);
    const waitedFor = explanation.reasons.flatMap((reason) => reason["taskIds"] as string[]);
    expect(waitedFor.toSorted()).toEqual(children.map((task) => task.id).toSorted());
    expect(waitedFor).toHaveLength(2);
  });

  it("names a cancel that the running attempt has yet to obey", async () => {
    const { id } = await api.submit("test.stubborn", { ms: 20_000 });
    await explained(id, "running");
    await api.post(`/v1/tasks/${id}/cancel`);
    const { reasons } = await explain(id);
    expect(reasons).toEqual([{ code: "running", attempt: 1, leaseUntil: INSTANT, cancelRequestedAt: INSTANT }]);
  });

  it("is a 404 for a task that there is not, or that is another tenant's", async () => {
    expect((await api.get(`/v1/tasks/task_01jzzzzzzzfzzvzzzzzzzzzzzz/explain`)).status).toBe(404);
    const { body } = await api.post<{ key: string }>("/v1/keys", { name: "x", scopes: ["read"], tenant: "x" });
    const { id } = await api.submit("test.noop");
    const other = apiOf({ url: server.url, key: body.key });
    expect((await other.get(`/v1/tasks/${id}/explain`)).status).toBe(404);
  });
});

describe("a circuit", () => {
  it("is named while it holds a task back, which runs once another one has tried", async () => {
    const failing = await api.submitAll(
      Array.from({ length: 3 }, () => ({ task: "test.circuit", input: { fail: true } })),
    );
    for (const task of failing) await api.waitForEnd(task.id);
    const held = await api.submitAll(Array.from({ length: 10 }, () => ({ task: "test.circuit", input: {} })));
    const explanation = await explain(held[9].id);
    expect(explanation.reasons).toEqual([{ code: "circuit_open", task: "test.circuit", until: INSTANT, probe: null }]);
    expect(explanation.summary).toMatch(/^Test\.circuit fails too often and is held back until \S+\.$/);
    const until = Date.parse(explanation.reasons[0]["until"] as string);
    const ended = await Promise.all(held.map((task) => api.waitForEnd(task.id)));
    expect(ended.map((task) => task.state)).toEqual(Array.from({ length: 10 }, () => "succeeded"));
    const starts = ended.map((task) => Date.parse(task.startedAt!)).toSorted((a, b) => a - b);
    expect(starts[0]).toBeGreaterThanOrEqual(until);
    console.log(
      `ten held back: the first ${starts[0]! - until} ms after the cooldown, the last ${starts[9]! - until} ms`,
    );
  });
});

describe("a paused lane", () => {
  afterAll(() => api.post("/v1/lanes/bulk/resume"));

  it("is named, together with whatever else holds the task back", async () => {
    const concurrency = { key: newKey(), limit: 1 };
    const holder = await api.submit("test.sleep", { ms: 20_000 }, { concurrency });
    await explained(holder.id, "running");
    const { status } = await api.post("/v1/lanes/bulk/pause", { reason: "maintenance" });
    expect(status).toBe(200);
    const plain = await api.submit("test.noop", null, { lane: "bulk" });
    const limited = await api.submit("test.noop", null, { lane: "bulk", concurrency });
    const paused = { code: "lane_paused", lane: "bulk", reason: "maintenance", until: null };
    expect((await explain(plain.id)).reasons).toEqual([paused]);
    expect((await explain(limited.id)).reasons).toEqual([
      paused,
      { code: "concurrency", key: concurrency.key, limit: 1, heldBy: [holder.id], ahead: 0 },
    ]);
  });

  it("holds nothing back once it is resumed: a task that waits for nothing is queued, runs and ends", async () => {
    await api.post("/v1/lanes/bulk/pause", {});
    const { id } = await api.submit("test.sleep", { ms: 500 }, { lane: "bulk" });
    await explained(id, "lane_paused");
    await api.post("/v1/lanes/bulk/resume");
    await explained(id, "running");
    expect((await explained(id, "ended")).state).toBe("succeeded");
  });
});
