/** The tenant's quota on tasks that have not ended. */
import { createExecutionContext, waitOnExecutionContext } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, it, vi } from "vitest";
import type { TaskResource } from "../../src/contract/task.ts";
import { DEFAULT_QUOTAS, quotasOf } from "../../src/core/quotas.ts";
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
  const request = new Request(`http://lovage${path}`, { method, headers, body: JSON.stringify(body) });
  const answer = await app.fetch(request, { ...env, QUOTAS: JSON.stringify(quotas) }, context);
  await waitOnExecutionContext(context);
  return answer;
}

const later = { task: "test.noop", options: { delay: "1h" } };

describe("the quota on live tasks", () => {
  it("refuses what is beyond it, and lets go on when some have ended", async () => {
    const key = await keyOf("frugal");
    const submit = () => call("3", "POST", "/v1/tasks", later, key);
    const accepted = [await submit(), await submit(), await submit()];
    expect(accepted.map((answer) => answer.status)).toEqual([202, 202, 202]);
    const refused = await submit();
    expect([refused.status, refused.headers.get("retry-after")]).toEqual([429, "5"]);
    expect(await refused.json()).toMatchObject({ type: "/problems/quota-exceeded" });

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
  });

  it.each([
    [undefined, { tasks: 100_000, schedules: 1_000, keys: 1_000 }],
    ["nonsense", { tasks: 100_000, schedules: 1_000, keys: 1_000 }],
    ['{"tasks": 5, "keys": "many", "tenants": {"t": {"keys": 2}}}', { tasks: 5, schedules: 1_000, keys: 2 }],
    ['{"tenants": {"other": {"keys": 2}}}', { tasks: 100_000, schedules: 1_000, keys: 1_000 }],
  ])("read from %j are %j", (text, quotas) => {
    expect(quotasOf(text, "t", DEFAULT_QUOTAS)).toEqual(quotas);
  });
});
