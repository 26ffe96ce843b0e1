/** The tenant's quota on tasks that have not ended. */
import { createExecutionContext, waitOnExecutionContext } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { beforeAll, describe, expect, it, vi } from "vitest";
import { countUsage, wantCount } from "../../src/clock/usage.ts";
import type { FlowResource } from "../../src/contract/flow.ts";
import type { ScheduleResource } from "../../src/contract/schedule.ts";
import type { Stats } from "../../src/contract/stats.ts";
import type { TaskResource } from "../../src/contract/task.ts";
import { DEFAULT_QUOTAS, quotasOf } from "../../src/core/quotas.ts";
import { replay } from "../../src/engine/webhooks/replay.ts";
import { spawn } from "../../src/engine/spawn.ts";
import { tickDueSchedules } from "../../src/engine/schedules/tick.ts";
import { routes } from "../../src/app/routes.ts";
import { createApp } from "../../src/web/app.ts";

const app = createApp(routes);

async function call(
  max: string,
  method: string,
  path: string,
  body?: unknown,
  key = "test-key",
  more: Record<string, string> = {},
): Promise<Response> {
  const context = createExecutionContext();
  const headers = { authorization: `Bearer ${key}`, "content-type": "application/json", ...more };
  const init = body === undefined ? { method, headers } : { method, headers, body: JSON.stringify(body) };
  const answer = await app.fetch(
    new Request(`http://localhost${path}`, init),
    { ...env, MAX_LIVE_TASKS: max },
    context,
  );
  await waitOnExecutionContext(context);
  return answer;
}

async function keyOf(tenant: string): Promise<string> {
  const answer = await call("", "POST", "/v1/keys", { name: tenant, tenant, scopes: ["admin"] });
  return (await answer.json<{ key: string }>()).key;
}

/** The same with `QUOTAS`. */
async function callWith(quotas: unknown, method: string, path: string, body: unknown, key: string): Promise<Response> {
  const context = createExecutionContext();
  const headers = { authorization: `Bearer ${key}`, "content-type": "application/json" };
  const init = body === undefined ? { method, headers } : { method, headers, body: JSON.stringify(body) };
  const request = new Request(`http://lovage${path}`, init);
  const answer = await app.fetch(request, { ...env, QUOTAS: JSON.stringify(quotas) }, context);
  await waitOnExecutionContext(context);
  return answer;
}

const later = { task: "test.noop", options: { delay: "1h" } };

// What is started on this lane stays queued.
beforeAll(async () => void (await call("", "POST", "/v1/lanes/bulk/pause")));

describe("the quota on live tasks", () => {
  it("refuses what is beyond it, and lets go on when some have ended", async () => {
    const key = await keyOf("frugal");
    const submit = () => call("3", "POST", "/v1/tasks", later, key);
    const accepted = [await submit(), await submit(), await submit()];
    expect(accepted.map((answer) => answer.status)).toEqual([202, 202, 202]);
    const refused = await submit();
    expect([refused.status, refused.headers.get("retry-after")]).toEqual([429, "15"]);
    expect(await refused.json()).toMatchObject({ type: "/problems/quota-exceeded", quota: "tasks", used: 3, limit: 3 });

    const { id } = await accepted[0]!.json<TaskResource>();
    await call("3", "POST", `/v1/tasks/${id}/cancel`, undefined, key);
    await vi.waitUntil(async () => (await submit()).status === 202, { timeout: 180_000, interval: 500 });
  });

  it("counts a batch as a whole, and takes none of one that does not fit", async () => {
    const key = await keyOf("bulky");
    const batch = (n: number) =>
      call("3", "POST", "/v1/tasks/batch", { tasks: Array.from({ length: n }, () => later) }, key);
    expect((await batch(4)).status).toBe(429);
    expect((await batch(3)).status).toBe(207);
    expect((await batch(1)).status).toBe(429);
    const listed = await call("3", "GET", "/v1/tasks", undefined, key);
    expect((await listed.json<{ items: unknown[] }>()).items).toHaveLength(3);
  });

  it("is each tenant's own, and there is none unless one is configured", async () => {
    const [one, other] = [await keyOf("one"), await keyOf("other")];
    expect((await call("1", "POST", "/v1/tasks", later, one)).status).toBe(202);
    expect((await call("1", "POST", "/v1/tasks", later, one)).status).toBe(429);
    expect((await call("1", "POST", "/v1/tasks", later, other)).status).toBe(202);
    expect((await call("", "POST", "/v1/tasks", later, one)).status).toBe(202);
  });

  it.each([
    ["task", "/v1/tasks", later],
    ["batch", "/v1/tasks/batch", { tasks: [later] }],
    ["flow", "/v1/flows", { chain: [later] }],
  ])("does not refuse the repetition of a %s that was let in", async (what, path, body) => {
    const key = await keyOf(`repeated-${what}`);
    const submit = (name: string) => call("1", "POST", path, body, key, { "idempotency-key": name });
    const [first, again, other] = [await submit("one"), await submit("one"), await submit("two")];
    expect([again.status, again.headers.get("idempotency-replayed")]).toEqual([first.status, "true"]);
    expect(other.status).toBe(429);
  });

  it("counts no repetition, no submission that another task stands for", async () => {
    const key = await keyOf("repetitive");
    const throttled = { ...later, options: { ...later.options, throttle: { key: "x", per: "1h" } } };
    for (let i = 0; i < 5; i++) {
      expect((await call("3", "POST", "/v1/tasks", later, key, { "idempotency-key": "same" })).status).toBe(202);
      expect((await call("3", "POST", "/v1/tasks", throttled, key)).status).toBeLessThan(300);
    }
    expect((await call("3", "POST", "/v1/tasks", later, key)).status).toBe(202);
    expect((await call("3", "POST", "/v1/tasks", later, key)).status).toBe(429);
  });
});

describe("quotas", () => {
  it("of schedules and keys are named where they are reached, and hold for one tenant", async () => {
    const key = await keyOf("keeper");
    const quotas = { tenants: { keeper: { schedules: 1, keys: 2 } } };
    const schedule = { every: "1h", task: "test.noop" };
    const put = (id: string, body: unknown = schedule, own = key) =>
      callWith(quotas, "PUT", `/v1/schedules/${id}`, body, own);
    expect((await put("one")).status).toBe(201);
    const refused = await put("two");
    expect(refused.status).toBe(429);
    expect(refused.headers.get("retry-after")).toBe("60");
    expect(await refused.json()).toMatchObject({ detail: expect.stringContaining("`schedules`") });
    // One that is there may change.
    expect((await put("one", { ...schedule, every: "2h" })).status).toBe(200);
    const make = (own: string) => callWith(quotas, "POST", "/v1/keys", { name: "more", scopes: ["read"] }, own);
    expect([(await make(key)).status, (await make(key)).status]).toEqual([201, 429]);
    expect((await make(await keyOf("not-keeper"))).status).toBe(201);
  });

  it("of tasks hold for runs by hand, retries, children and ticks", async () => {
    const key = await keyOf("all-ways");
    const quotas = { tenants: { "all-ways": { tasks: 1 } } };
    const post = (path: string, body: unknown) => callWith(quotas, "POST", path, body, key);
    await callWith(quotas, "PUT", "/v1/schedules/hourly", { every: "1h", task: "test.noop" }, key);
    const cancelled = await (await post("/v1/tasks", later)).json<TaskResource>();
    await post(`/v1/tasks/${cancelled.id}/cancel`, {});
    await vi.waitUntil(async () => (await post("/v1/tasks", later)).status === 202, { timeout: 60_000, interval: 500 });
    expect((await post("/v1/schedules/hourly/run", {})).status).toBe(429);
    expect((await post(`/v1/tasks/${cancelled.id}/retry`, {})).status).toBe(429);
    expect((await post("/v1/tasks/retry", { filter: { ids: [cancelled.id] } })).status).toBe(429);

    const bound = { ...env, QUOTAS: JSON.stringify(quotas) };
    const parent = { id: cancelled.id, run: 1, tenant: "all-ways", attempt: 1, createdAt: Date.now() } as never;
    await expect(spawn(bound, parent, "k", "test.noop", [null], {})).rejects.toMatchObject({
      name: "QuotaExceededError",
    });
    const count = async () => (await countTasks()).length;
    const countTasks = async () =>
      (await (await callWith(quotas, "GET", "/v1/tasks", undefined, key)).json<{ items: unknown[] }>()).items;
    const before = await count();
    await tickDueSchedules(bound, Date.now() + 3_700_000);
    expect(await count()).toBe(before);
    const read = await callWith(quotas, "GET", "/v1/schedules/hourly", undefined, key);
    const { lastRuns } = await read.json<ScheduleResource>();
    expect(lastRuns).toEqual([
      { tick: expect.any(String), taskId: null, missed: expect.stringContaining("`tasks` of this tenant is 1") },
    ]);
  });

  it("of bytes and signals hold for inputs, batches, flows, schedules' inputs and signals", async () => {
    const key = await keyOf("hoarder");
    const quotas = { tenants: { hoarder: { bytes: 1_000, signals: 1 } } };
    const text = "x".repeat(600);
    const heavy = { ...later, input: text };
    const post = async (path: string, body: unknown) => {
      const answer = await callWith(quotas, "POST", path, body, key);
      const { quota, used, limit, id = "" } = await answer.json<Record<string, unknown> & { id?: string }>();
      return { status: answer.status, quota, used, limit, id };
    };
    const refused = { status: 429, quota: "bytes", used: 602, limit: 1_000 };
    expect((await post("/v1/tasks", heavy)).status).toBe(202);
    expect(await post("/v1/tasks", heavy)).toMatchObject(refused);
    expect(await post("/v1/tasks/batch", { tasks: [heavy] })).toMatchObject(refused);
    expect(await post("/v1/flows", { chain: [later, { ...later, input: text }] })).toMatchObject(refused);
    expect(await post("/v1/flows", { group: [later], onError: heavy })).toMatchObject(refused);
    await callWith(quotas, "PUT", "/v1/schedules/heavy", { every: "1h", task: "test.noop", input: text }, key);
    expect(await post("/v1/schedules/heavy/run", {})).toMatchObject(refused);
    const { id } = await post("/v1/tasks", later);
    expect(await post(`/v1/tasks/${id}/signals/go`, text)).toMatchObject(refused);
    expect((await post(`/v1/tasks/${id}/signals/go`, 1)).status).toBe(202);
    expect(await post(`/v1/tasks/${id}/signals/go`, 1)).toMatchObject({
      status: 429,
      quota: "signals",
      used: 1,
      limit: 1,
    });
    const stats = await (await callWith(quotas, "GET", "/v1/stats", undefined, key)).json<Stats>();
    expect(stats.quotas).toMatchObject({
      tasks: { used: 2, limit: 100_000 },
      bytes: { used: 603, limit: 1_000 },
      signals: { used: 1, limit: 1 },
      schedules: { used: 1 },
      keys: { used: 1 },
    });
  });

  it("count nothing of what was let in and not made", async () => {
    const key = await keyOf("in-vain");
    const quotas = { tenants: { "in-vain": { tasks: 2, signals: 2 } } };
    const request = (method: string, path: string, body?: unknown) => callWith(quotas, method, path, body, key);
    const bound = { ...env, QUOTAS: JSON.stringify(quotas) };
    await request("PUT", "/v1/schedules/minutely", { every: "1m", task: "test.noop", options: { lane: "bulk" } });
    const live = await (await request("POST", "/v1/schedules/minutely/run", {})).json<TaskResource>();
    const background = { waitUntil: () => undefined };
    const outcomes = [];
    for (let i = 1; i <= 3; i++) {
      outcomes.push((await request("POST", `/v1/tasks/${live.id}/retry`, {})).status);
      await tickDueSchedules(bound, Date.now() + i * 70_000);
      outcomes.push(await replay(bound, background, "in-vain", ["msg_a"], Date.now()));
    }
    expect(outcomes).toEqual([409, 0, 409, 0, 409, 0]);
    expect((await request("POST", "/v1/tasks", later)).status).toBe(202);
    expect((await request("POST", "/v1/tasks", later)).status).toBe(429);

    await request("POST", `/v1/tasks/${live.id}/cancel`, {});
    for (let i = 0; i < 3; i++) {
      expect((await request("POST", `/v1/tasks/${live.id}/signals/go`, 1)).status).toBe(409);
    }
    const other = await (await request("GET", "/v1/tasks?state=scheduled")).json<{ items: TaskResource[] }>();
    expect((await request("POST", `/v1/tasks/${other.items[0]!.id}/signals/go`, 1)).status).toBe(202);
  });

  it("end a bulk retry with what was done before, and hold for all members of a flow that runs again", async () => {
    const key = await keyOf("again");
    const later = { task: "test.noop", options: { delay: "1h", lane: "bulk" } };
    const within = (tasks: number) => ({ tenants: { again: { tasks } } });
    const post = (tasks: number, path: string, body: unknown = {}) => callWith(within(tasks), "POST", path, body, key);
    const { items } = await (
      await post(9, "/v1/tasks/batch", { tasks: [later, later, later] })
    ).json<{
      items: { task: TaskResource }[];
    }>();
    const ids = items.map(({ task }) => task.id);
    expect(await (await post(9, "/v1/tasks/cancel", { filter: { ids } })).json()).toEqual({ matched: 3, changed: 3 });
    const retried = await post(2, "/v1/tasks/retry", { filter: { ids } });
    expect(retried.status).toBe(429);
    expect(await retried.json()).toMatchObject({ quota: "tasks", limit: 2, matched: 3, changed: 2 });

    const flow = await (await post(9, "/v1/flows", { group: [later, later, later] })).json<FlowResource>();
    await post(9, `/v1/flows/${flow.id}/cancel`);
    expect((await post(4, `/v1/flows/${flow.id}/retry`)).status).toBe(429);
    expect((await post(5, `/v1/flows/${flow.id}/retry`)).status).toBe(202);
  });

  it.each([
    [undefined, {}],
    ["nonsense", {}],
    ['{"tasks": 5, "keys": "many", "tenants": {"t": {"keys": 2, "bytes": 9.5}}}', { tasks: 5, keys: 2, bytes: 9 }],
    ['{"tenants": {"other": {"keys": 2}}}', {}],
  ])("read from %j are %j, and the rest as usual", (text, quotas) => {
    expect(quotasOf(text, "t", DEFAULT_QUOTAS)).toEqual({ ...DEFAULT_QUOTAS, ...quotas });
  });
});

describe("the clock's count", () => {
  const all = `SELECT tenant, SUM(tasks) AS tasks, SUM(bytes) AS bytes, SUM(signals) AS signals FROM (
    SELECT tenant, state IN ('scheduled', 'queued', 'running', 'retrying', 'waiting') AS tasks, signals,
      COALESCE(octet_length(input), 0) + COALESCE(octet_length(result), 0) + COALESCE(octet_length(error), 0)
        + COALESCE(octet_length(history), 0) + COALESCE(octet_length(options), 0) AS bytes FROM tasks
    UNION ALL SELECT tenant, 0, 0, octet_length(body) FROM payloads JOIN tasks ON id = task_id
    UNION ALL SELECT tenant, 0, 0, octet_length(body) FROM signals JOIN tasks ON id = task_id
    UNION ALL SELECT tenant, 0, 0, octet_length(ids) + COALESCE(octet_length(sources), 0) + octet_length(result)
      + COALESCE(octet_length(on_error), 0) FROM flows)
    GROUP BY tenant ORDER BY tenant`;
  const kept = "SELECT tenant, tasks, bytes, signals FROM usage WHERE tenant <> '' ORDER BY tenant";
  const rowsOf = async (sql: string) => (await env.DB.prepare(sql).all()).results;

  function newKv(): SyncKvStorage {
    const values = new Map<string, unknown>();
    return {
      get: (key: string) => structuredClone(values.get(key)),
      put: (key: string, value: unknown) => void values.set(key, structuredClone(value)),
      delete: (key: string) => values.delete(key),
    } as unknown as SyncKvStorage;
  }

  it("puts right what isolates have lost, in as many steps as it takes", async () => {
    const key = await keyOf("counted");
    const post = (path: string, body: unknown) => call("", "POST", path, body, key);
    const { id } = await (await post("/v1/tasks", { ...later, input: "y".repeat(400_000) })).json<TaskResource>();
    await post(`/v1/tasks/${id}/signals/go`, { to: "it" });
    await post("/v1/flows", { chain: [later, { task: "test.noop" }] });
    await post("/v1/tasks/batch", { tasks: Array.from({ length: 1_000 }, () => later) });
    await post("/v1/tasks/batch", { tasks: Array.from({ length: 1_000 }, () => later) });
    await env.DB.prepare(
      "INSERT INTO usage (tenant, tasks) VALUES ('gone', 5), ('counted', 9) ON CONFLICT DO NOTHING",
    ).run();

    const kv = newKv();
    let now = Date.now();
    expect(await countUsage({ ...env }, kv, now, () => true)).toBeNull();
    expect(await countUsage({ ...env }, kv, now + 59_000, () => true)).toBeNull();
    expect(wantCount(kv, now + 59_000)).toBe(true);
    now += 59_000;
    // One stretch of each walk a tick.
    const steps = [now];
    for (let next: number | null = now; next !== null;) {
      let trips = 0;
      next = await countUsage({ ...env }, kv, now, () => trips++ < 2);
      if (next !== null) steps.push((now = next));
    }
    expect(steps.length).toBeGreaterThan(2);
    expect(steps.every((at, i) => i === 0 || at === steps[i - 1]! + 2_000)).toBe(true);
    const counted = await rowsOf(kept);
    expect(counted).toEqual(await rowsOf(all));
    expect(counted).toContainEqual(expect.objectContaining({ tenant: "counted", tasks: 2_003, signals: 1 }));
    const { quotasCountedAt } = await (await call("", "GET", "/v1/stats", undefined, key)).json<Stats>();
    expect(quotasCountedAt).toBe(new Date(now).toISOString());
  });
});
