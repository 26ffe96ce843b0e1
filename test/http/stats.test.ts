/** Figures, metrics and health, as an operator reads them. */
// Another project's reading of the format.
import parse, { type Family } from "parse-prometheus-text-format";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { ErrorGroupResource } from "../../src/contract/error-group.ts";
import type { Stats } from "../../src/contract/stats.ts";
import type { HealthReport } from "../../src/contract/health-report.ts";
import type { Series } from "../../src/contract/series.ts";
import type { BulkResult } from "../../src/contract/task.ts";
import { apiOf, poll, type Api, type Submission } from "./api.ts";
import { startServer, type Server } from "./server.ts";

// Its own: what has not ended is counted among the tasks of all tenants, up to a bound.
let server: Server;
let api: Api;

beforeAll(async () => {
  server = await startServer();
  api = apiOf(server);
});

afterAll(() => server?.stop());

const stats = async (as: Api = api) => (await as.get<Stats>("/v1/stats")).body;

async function keyFor(name: string, scopes: string[]): Promise<Api> {
  const { body } = await api.post<{ key: string }>("/v1/keys", { name, tenant: `stats-${name}`, scopes });
  return apiOf({ url: server.url, key: body.key });
}

async function runAll(as: Api, submissions: Submission[]): Promise<void> {
  const tasks = await as.submitAll(submissions);
  await Promise.all(tasks.map((task) => as.waitForEnd(task.id)));
}

/** A mixture whose figures are known. */
const MIXTURE: Submission[] = [
  ...Array.from({ length: 20 }, () => ({ task: "test.sleep", input: { ms: 200 }, options: { lane: "bulk" as const } })),
  ...Array.from({ length: 5 }, () => ({ task: "test.noop" })),
  { task: "test.fail", input: { message: "no", retryable: false } },
  { task: "test.failTimes", input: { times: 1 }, options: { retry: { backoff: "fixed", base: 1, jitter: "none" } } },
];

describe("the figures", () => {
  it("tell a tenant what ended, by task and lane, with how long it waited and ran", async () => {
    const owner = await keyFor("figures", ["submit", "read", "cancel"]);
    await runAll(owner, MIXTURE);
    const scheduled = await owner.submit("test.noop", null, { delay: "1h" });
    const cancelled = await owner.submit("test.noop", null, { delay: "1h" });
    await owner.post(`/v1/tasks/${cancelled.id}/cancel`);
    const figures = await poll(
      () => "not everything is counted",
      async () => {
        const now = await stats(owner);
        return now.states.succeeded === 26 && now.states.failed === 1 && now.states.cancelled === 1 ? now : null;
      },
    );
    expect(figures.states).toMatchObject({ scheduled: 1, queued: 0, running: 0, retrying: 0 });
    expect(figures.lastHour.ended).toEqual({ succeeded: 26, failed: 1, cancelled: 1, expired: 0 });
    expect(figures.lastHour.perMinute).toBeGreaterThan(0);

    const series = await owner.get<Series>("/v1/stats/series?by=lane&metric=ended&span=24h");
    expect(series.body.items).toHaveLength(1_440);
    const inAll = series.body.items.map(({ ended }) => Object.values(ended!).reduce((sum, count) => sum + count, 0));
    expect(inAll.reduce((sum, count) => sum + count, 0)).toBe(28);
    expect(series.body.names.toSorted((a, b) => a.localeCompare(b))).toEqual(["bulk", "default"]);
    expect((await owner.get("/v1/stats/series?span=2h")).status).toBe(400);

    const sleeping = figures.tasks.find((each) => each.task === "test.sleep");
    expect(sleeping?.lastDay.ended.succeeded).toBe(20);
    expect(sleeping?.lastHour.runMs.p50).toBeGreaterThan(180);
    const bulk = figures.lanes.find((each) => each.lane === "bulk");
    expect(bulk?.states.succeeded).toBe(20);
    expect(figures.lanes.map((each) => each.lane)).toEqual(["high", "default", "bulk", "long"]);
    expect(figures.lastHour.waitMs.p95).toBeGreaterThanOrEqual(figures.lastHour.waitMs.p50!);
    await owner.post(`/v1/tasks/${scheduled.id}/cancel`);
  });

  it("count tasks that wait for a signal, for their children, or for others of their flow", async () => {
    const owner = await keyFor("waiting", ["submit", "read", "cancel"]);
    const heard = await owner.submit("test.signal", { name: "go" });
    const timed = await owner.submit("test.signal", { name: "go", timeout: "1h" });
    const parent = await owner.submit("test.spawn", { task: "test.signal", input: { name: "go" }, n: 2 });
    const later = { task: "test.noop" };
    await owner.post("/v1/flows", { chain: [{ task: "test.noop", options: { delay: "1h" } }, later, later] });
    const counted = (what: Stats) => [what.states, ...what.tasks.map(({ task, states }) => ({ task, ...states }))];
    const figures = await poll(
      () => "not everything waits",
      async () => {
        const now = await stats(owner);
        return now.states.running + now.states.queued === 0 ? now : null;
      },
    );
    expect(counted(figures)).toMatchObject([
      { waiting: 7, scheduled: 1 },
      { task: "test.noop", waiting: 2, scheduled: 1 },
      { task: "test.signal", waiting: 4 },
      { task: "test.spawn", waiting: 1 },
    ]);
    const { body: metrics } = await owner.get<string>("/metrics");
    expect(metrics).toContain('lovage_tasks{task="test.spawn",lane="default",state="waiting"} 1');

    await Promise.all([heard, timed].map(({ id }) => owner.post(`/v1/tasks/${id}/signals/go`)));
    await owner.post(`/v1/tasks/${parent.id}/cancel`);
    await poll(
      () => "tasks that went on still count as waiting",
      async () => (await stats(owner)).states.waiting === 2 || null,
    );
  });

  it("are of the caller's tenant alone", async () => {
    const stranger = await keyFor("stranger", ["read"]);
    expect((await stats(stranger)).states.succeeded).toBe(0);
    expect((await stats(stranger)).tasks).toEqual([]);
  });
});

describe("the metrics", () => {
  async function metrics(as: Api): Promise<Map<string, Family>> {
    const { status, headers, body } = await as.get<string>("/metrics");
    expect(status).toBe(200);
    expect(headers.get("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8");
    return new Map(parse(body).map((family) => [family.name, family]));
  }

  it("are read by a parser of Prometheus' text format, and add up", async () => {
    const owner = await keyFor("metrics", ["submit", "read"]);
    await runAll(owner, MIXTURE);
    const families = await poll(
      () => "not everything is counted",
      async () => {
        const found = await metrics(owner);
        const ended = found.get("lovage_tasks_ended_total")?.metrics ?? [];
        return ended.reduce((sum, { value }) => sum + Number(value), 0) === MIXTURE.length ? found : null;
      },
    );
    for (const family of families.values()) expect(family.help).not.toBe("");
    expect([...families.keys()].toSorted((a, b) => a.localeCompare(b))).toEqual([
      "lovage_attempt_run_seconds",
      "lovage_attempt_wait_seconds",
      "lovage_clock_lag_seconds",
      "lovage_counts_capped",
      "lovage_database_bytes",
      "lovage_database_max_bytes",
      "lovage_lane_backlog_messages",
      "lovage_lane_paused",
      "lovage_lane_queued",
      "lovage_lane_running",
      "lovage_quota_limit",
      "lovage_quota_used",
      "lovage_tasks_ended_total",
    ]);
    expect(families.get("lovage_attempt_run_seconds")!.type).toBe("HISTOGRAM");

    // The parser folds a histogram's labels away, so its samples are read as what they are made of.
    const { body } = await owner.get<string>("/metrics");
    const samples = new Map(parse(body.replaceAll(/^# .*$/gm, "")).map((family) => [family.name, family.metrics]));
    const ofSleep = (suffix: string) =>
      (samples.get(`lovage_attempt_run_seconds_${suffix}`) ?? []).filter(
        ({ labels }) => labels?.["task"] === "test.sleep" && labels["lane"] === "bulk",
      );
    expect(ofSleep("count").map(({ value }) => Number(value))).toEqual([20]);
    expect(Number(ofSleep("sum").at(0)?.value)).toBeGreaterThan(20 * 0.2);
    const buckets = ofSleep("bucket").map(({ labels, value }) => [labels?.["le"], Number(value)] as const);
    expect(buckets.map(([, upTo]) => upTo)).toEqual(buckets.map(([, upTo]) => upTo).toSorted((a, b) => a - b));
    expect(buckets.at(-1)).toEqual(["+Inf", 20]);
    expect(buckets.find(([le]) => le === "0.064")).toEqual(["0.064", 0]);
  });

  it("need the scope read", async () => {
    expect((await api.get("/metrics", { authorization: null })).status).toBe(401);
    expect((await (await keyFor("no", ["submit"])).get("/metrics")).status).toBe(403);
  });
});

describe("errors", () => {
  it("are listed by group, and a group's tasks are listed and retried by its id", async () => {
    const owner = await keyFor("errors", ["submit", "read", "cancel"]);
    const failing = (message: string) => ({
      task: "test.fail",
      input: { message, retryable: false },
      options: { tags: { customer: "42" } },
    });
    await runAll(owner, [1, 2, 3].map((n) => failing(`no order ${n}`)).concat(failing("nothing at all")));
    type Groups = { items: ErrorGroupResource[]; nextCursor: string | null };
    const all = await poll(
      () => "not everything is counted",
      async () => {
        const { body } = await owner.get<Groups>("/v1/errors");
        return body.items.reduce((sum, { count }) => sum + count, 0) === 4 ? body.items : null;
      },
    );
    const group = all.find(({ message }) => message === "no order #")!;
    expect(group).toMatchObject({ task: "test.fail", type: "NonRetryableError", count: 3, state: "open" });
    expect(group.tags).toEqual([{ name: "customer", value: "42", count: 3 }]);

    const first = await owner.get<Groups>("/v1/errors?limit=1");
    const second = await owner.get<Groups>(`/v1/errors?limit=1&cursor=${first.body.nextCursor}`);
    expect([...first.body.items, ...second.body.items]).toEqual(all);
    expect(second.body.nextCursor).toBeNull();

    const resolved = await owner.post<ErrorGroupResource>(`/v1/errors/${group.id}/resolve`);
    expect(resolved.body).toMatchObject({ id: group.id, state: "resolved" });
    expect((await owner.post(`/v1/errors/${group.id}/ignore`, { untilCount: 0 })).status).toBe(422);
    const blind = await keyFor("errors", ["cancel"]);
    const unseen = { message: "", tags: [], sampleIds: [], omitted: ["message", "sampleIds", "tags"] };
    expect((await blind.post(`/v1/errors/${group.id}/resolve`)).body).toMatchObject({ state: "resolved", ...unseen });
    expect((await owner.post("/v1/errors/err_0000000000000/resolve")).status).toBe(404);
    expect((await owner.get("/v1/errors?state=nothing")).status).toBe(400);

    const retried = await owner.post<BulkResult>("/v1/tasks/retry", { filter: { error: group.id } });
    expect(retried.body).toEqual({ matched: 3, changed: 3 });
    await poll(
      () => "the group is not open again",
      async () => {
        const { body } = await owner.get<Groups>("/v1/errors?state=open");
        return body.items.find(({ id, count }) => id === group.id && count === 6) ?? null;
      },
    );
  });
});

describe("the report", () => {
  it("says in a sentence and as data how the work of the caller's tenant stands", async () => {
    const reader = await keyFor("report", ["submit", "read"]);
    await reader.submit("test.signal", { name: "never" });
    const { status, body } = await reader.get<HealthReport>("/v1/health/report");
    expect(status).toBe(200);
    expect(body.summary).toMatch(/^[A-Z].*\.$/);
    expect(body.facts[0]).toMatchObject({ code: expect.stringMatching(/^(moving|idle)$/) as unknown, level: "ok" });
    expect(body.ruledOut).toEqual(expect.arrayContaining(["lane-stalled", "schedule-missed", "limit-near", "storage"]));
    expect((await (await keyFor("report", ["submit"])).get("/v1/health/report")).status).toBe(403);
  });
});

describe("the health", () => {
  it("tells the clock's lag and the queues' backlogs", async () => {
    const health = async () => api.get<Record<string, unknown>>("/health", { authorization: null });
    const { status, body } = await health();
    expect(status).toBe(200);
    expect(body).toMatchObject({ status: "ok", checks: { database: { ok: true }, clock: { ok: true } } });
    expect(body["clockLagMs"]).toBeLessThan(30_000);
    const empty = { high: 0, default: 0, bulk: 0, long: 0 };
    await expect.poll(async () => (await health()).body["backlog"]).toEqual(empty);
  });
});
