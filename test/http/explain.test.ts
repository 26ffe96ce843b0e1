/** `GET /v1/tasks/{id}/explain`: why a task is where it is, case by case. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Explanation } from "../../src/contract/explanation.ts";
import type { FlowResource } from "../../src/contract/flow.ts";
import type { Stats } from "../../src/contract/stats.ts";
import { apiOf, poll, type Api } from "./api.ts";
import { shareServer, type SharedServer } from "./shared-server.ts";

let server: SharedServer;
let api: Api;
let keys = 0;

beforeAll(async () => {
  server = await shareServer();
  api = apiOf(server);
  // What estimates are made from.
  await Promise.all(
    Array.from({ length: 3 }, async () => api.waitForEnd((await api.submit("test.stubborn", { ms: RUN_MS })).id)),
  );
  await poll(
    () => "the runs are never counted",
    async () => {
      const { body } = await api.get<Stats>("/v1/stats");
      return body.tasks.some((each) => each.task === "test.stubborn" && each.lastHour.runMs.p50 !== null) ? true : null;
    },
  );
});

afterAll(() => server?.stop());

/** How long runs of `test.stubborn` took lately. */
const RUN_MS = 5_000;

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
    async () => {
      const explanation = await explain(id);
      return explanation.reasons.some((reason) => reason.code === code) ? explanation : null;
    },
  );

const INSTANT = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/) as string;

const UNKNOWN = { estimatedStartAt: null, estimatedEndAt: null, estimatedFrom: null };
const startFrom = (estimatedFrom: string) => ({ ...UNKNOWN, estimatedStartAt: INSTANT, estimatedFrom });
const endFrom = (estimatedFrom: string) => ({ ...UNKNOWN, estimatedEndAt: INSTANT, estimatedFrom });

/** A case: brings a task there, and says what is to be read. */
interface Case {
  code: string;
  /** Of what, where its code has several cases. */
  of?: string;
  bring: () => Promise<{ id: string; reasons: object[] }>;
  state: string;
  summary: RegExp;
  /** Where there is one. */
  estimate?: object;
}

/** Takes the two slots of a key, and submits two more under it. */
async function lackSlots(task: "test.sleep" | "test.stubborn") {
  const concurrency = { key: newKey(), limit: 2 };
  const submit = async () => (await api.submit(task, { ms: 20_000 }, { concurrency })).id;
  const heldBy = [await submit(), await submit()];
  for (const id of heldBy) await explained(id, "running");
  await submit();
  const reason = { code: "concurrency", key: concurrency.key, limit: 2, heldBy, position: 2, capped: false };
  return { id: await submit(), reasons: [reason] };
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
    code: "running",
    of: "such as there were lately",
    state: "running",
    summary: /^It is running, as attempt 1, on a lease until \S+\.$/,
    estimate: endFrom("run_times"),
    bring: async () => {
      const { id } = await api.submit("test.stubborn", { ms: RUN_MS });
      return { id, reasons: [{ code: "running", attempt: 1, leaseUntil: INSTANT }] };
    },
  },
  {
    code: "running",
    of: "what tells how far it is",
    state: "running",
    summary: /^It is running, as attempt 1, on a lease until \S+\.$/,
    estimate: endFrom("progress"),
    bring: async () => {
      const { id } = await api.submit("test.progress", { steps: 50, ms: 400 });
      await api.waitUntil(id, (task) => (task.progress?.done ?? 0) > 0);
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
    estimate: startFrom("timer"),
    bring: async () => {
      const { id, runAt } = await api.submit("test.noop", null, { delay: "1h" });
      return { id, reasons: [{ code: "scheduled", runAt }] };
    },
  },
  {
    code: "retrying",
    state: "retrying",
    summary: /^It failed 1 of 4 times and is tried again at \S+\.$/,
    estimate: startFrom("timer"),
    bring: async () => {
      const retry = { backoff: "fixed", base: "1h", jitter: "none" } as const;
      const { id } = await api.submit("test.fail", { message: "no" }, { maxAttempts: 4, retry });
      return { id, reasons: [{ code: "retrying", runAt: INSTANT, failures: 1, maxAttempts: 4 }] };
    },
  },
  {
    code: "concurrency",
    state: "queued",
    summary: /^The key \S+ has all of its 2 slots taken, by task_\S+ and task_\S+, and it is number 2 in line\.$/,
    bring: () => lackSlots("test.sleep"),
  },
  {
    code: "concurrency",
    of: "such as there were lately",
    state: "queued",
    summary: /^The key \S+ has all of its 2 slots taken, by task_\S+ and task_\S+, and it is number 2 in line\.$/,
    estimate: startFrom("run_times"),
    bring: () => lackSlots("test.stubborn"),
  },
  {
    code: "rate_limit",
    state: "queued",
    summary: /^The rate limit of its task lets it start at \S+, as number \d+ in line\.$/,
    estimate: startFrom("rate"),
    bring: async () => {
      const tasks = await api.submitAll(Array.from({ length: 30 }, () => ({ task: "test.rated" })));
      const position = expect.any(Number) as number;
      return {
        id: tasks.at(-1)!.id,
        reasons: [{ code: "rate_limit", key: "", until: INSTANT, position, capped: false }],
      };
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
    estimate: startFrom("timer"),
    bring: async () => {
      const { id } = await api.submit("test.nap", { ms: 3_600_000 });
      return { id, reasons: [{ code: "sleeping", until: INSTANT }] };
    },
  },
];

describe("an explanation", () => {
  it.each(cases.map((each) => ({ ...each, of: each.of ?? "a task" })))(
    "says $code of $of",
    async ({ code, state, summary, estimate = UNKNOWN, bring }) => {
      const { id, reasons } = await bring();
      const askedAt = Date.now();
      const explanation = await explained(id, code);
      expect(explanation).toEqual({ state, summary: expect.stringMatching(summary) as string, reasons, ...estimate });
      const { estimatedStartAt, estimatedEndAt } = explanation;
      const estimated = [estimatedStartAt, estimatedEndAt].filter((at) => at !== null);
      expect(estimated.filter((at) => Date.parse(at) < askedAt)).toEqual([]);
    },
  );

  it("tells from the rate alone when a turn comes: not sooner, and the next one an interval after it", async () => {
    const tasks = await api.submitAll(Array.from({ length: 20 }, () => ({ task: "test.rated" })));
    await explained(tasks[19].id, "rate_limit");
    const told = await Promise.all(tasks.slice(-2).map((task) => explain(task.id)));
    const places = told.map(({ reasons }) => reasons[0]["position"] as number);
    expect(places[1] - places[0]).toBeLessThanOrEqual(1);
    const ended = await Promise.all(tasks.map((task) => api.waitForEnd(task.id)));
    // Another of the tasks may take a turn, but no turn comes sooner.
    const starts = ended.map(({ startedAt }) => Date.parse(startedAt!)).toSorted((a, b) => a - b);
    for (const [i, start] of starts.slice(-2).entries()) {
      expect(start).toBeGreaterThanOrEqual(Date.parse(told[i].estimatedStartAt!));
    }
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
    const front = expect.arrayContaining(
      ["header.0", "header.2"].map((key) => ({
        id: idOf(key),
        key,
        task: "test.sleep",
        state: expect.any(String) as string,
      })),
    ) as object[];
    expect(named).toEqual([{ code: "waiting_tasks", taskIds, more: false, front }]);
    expect(explanation.reasons[0]["front"]).toHaveLength(2);
    expect(explanation).toMatchObject({ state: "waiting", ...UNKNOWN });
    expect(explanation.summary).toMatch(/^It waits for 2 tasks: task_\w+ and task_\w+\.$/);
  });

  it("says for what its flow waits in the end, however far in front that is", async () => {
    const { body: flow } = await api.post<FlowResource>("/v1/flows", {
      chain: [{ task: "test.sleep", input: { ms: 20_000 } }, { task: "test.identity" }, { task: "test.identity" }],
    });
    const [first, second, third] = flow.nodes.map((node) => node.task.id);
    await explained(first, "running");
    const explanation = await explain(third);
    const front = [{ id: first, key: "0", task: "test.sleep", state: "running" }];
    expect(explanation.reasons).toEqual([{ code: "waiting_tasks", taskIds: [second], more: false, front }]);
    expect(explanation.summary).toBe(`It waits for the task ${second}, and before that for ${first}.`);
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
    const { body } = await apiOf(server.root).post<{ key: string }>("/v1/keys", {
      name: "x",
      scopes: ["read"],
      tenant: "x",
    });
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
  afterAll(() => apiOf(server.root).post("/v1/lanes/bulk/resume"));

  it("is named, together with whatever else holds the task back", async () => {
    const concurrency = { key: newKey(), limit: 1 };
    const holder = await api.submit("test.sleep", { ms: 20_000 }, { concurrency });
    await explained(holder.id, "running");
    const { status } = await apiOf(server.root).post("/v1/lanes/bulk/pause", { reason: "maintenance" });
    expect(status).toBe(200);
    const plain = await api.submit("test.noop", null, { lane: "bulk" });
    const limited = await api.submit("test.noop", null, { lane: "bulk", concurrency });
    const first = await explain(plain.id);
    // Tasks of other tests may stand before it, more than are looked at.
    const { position, capped } = first.reasons[0] as Explanation["reasons"][0] & { position: number; capped: boolean };
    const paused = { code: "lane_paused", lane: "bulk", reason: "maintenance", until: null, position, capped };
    expect(first).toMatchObject({ reasons: [paused], ...UNKNOWN });
    expect(first.summary).toBe(
      `The lane bulk is paused, and it is number ${position}${capped ? " or later" : ""} in line there.`,
    );
    const { reasons } = await explain(limited.id);
    expect(reasons).toMatchObject([
      { ...paused, position: reasons[0]["position"] },
      { code: "concurrency", key: concurrency.key, limit: 1, heldBy: [holder.id], position: 1, capped: false },
    ]);
    expect(reasons[0]["position"]).toBeGreaterThanOrEqual(position);
  });

  it("tells until when it is, and so when the task may start", async () => {
    const until = new Date(Date.now() + 3_600_000).toISOString();
    await apiOf(server.root).post("/v1/lanes/bulk/pause", { until });
    const { id } = await api.submit("test.noop", null, { lane: "bulk" });
    expect(await explain(id)).toMatchObject({ estimatedStartAt: until, estimatedFrom: "timer" });
  });

  it("holds nothing back once it is resumed: a task that waits for nothing is queued, runs and ends", async () => {
    await apiOf(server.root).post("/v1/lanes/bulk/pause", {});
    const { id } = await api.submit("test.sleep", { ms: 500 }, { lane: "bulk" });
    await explained(id, "lane_paused");
    await apiOf(server.root).post("/v1/lanes/bulk/resume");
    await explained(id, "running");
    expect((await explained(id, "ended")).state).toBe("succeeded");
  });
});
