/** The tenant's quota on tasks that have not ended. */
import { createExecutionContext, waitOnExecutionContext } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, it, vi } from "vitest";
import type { TaskResource } from "../../src/contract/task.ts";
import { createApp } from "../../src/web/app.ts";

const app = createApp();

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
