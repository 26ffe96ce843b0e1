/** Limits over HTTP: seen, changed while tasks wait and run, and a tenant's own. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { CreatedKey } from "../../src/contract/key.ts";
import type { LimitResource } from "../../src/contract/limit.ts";
import type { ProblemResource } from "../../src/contract/problem.ts";
import { SCOPES, type Scope } from "../../src/contract/scope.ts";
import { apiOf, poll, type Answer, type Api, type BatchItem } from "./api.ts";
import { startServer, type Server } from "./server.ts";

let server: Server;
let root: Api;

beforeAll(async () => {
  server = await startServer();
  root = apiOf(server);
});

afterAll(() => server?.stop());

type Page = { items: LimitResource[]; nextCursor: string | null };

const path = (id: string) => `/v1/limits/${encodeURIComponent(id)}`;

const put = (id: string, body: unknown, api = root) => api.call<LimitResource>("PUT", path(id), { body });

const get = async (id: string, api = root) => (await api.get<LimitResource>(path(id))).body;

const remove = (id: string, api = root) => api.call("DELETE", path(id));

const refused = (answer: { body: unknown }) => (answer.body as ProblemResource).errors;

async function key(tenantName: string, scopes: readonly Scope[] = SCOPES): Promise<CreatedKey> {
  return (await root.post<CreatedKey>("/v1/keys", { name: tenantName, tenant: tenantName, scopes })).body;
}

async function tenant(name: string): Promise<Api> {
  return apiOf({ url: server.url, key: (await key(name)).key });
}

const under = (key: string, limit: number, count: number, ms: number) =>
  root.submitAll(
    Array.from({ length: count }, () => ({
      task: "test.sleep",
      input: { ms },
      options: { concurrency: { key, limit }, tags: { key }, timeout: "10m" },
    })),
  );

/** Waits until so many run and wait under the limit. */
async function standsAt(id: string, used: number, waiting: number): Promise<LimitResource> {
  let seen: LimitResource | null = null;
  return poll(
    () => `${id} is not at ${used} and ${waiting}, but ${JSON.stringify(seen)}`,
    async () => {
      seen = await get(id);
      return seen.used === used && seen.waiting === waiting ? seen : null;
    },
  );
}

const running = async (key: string) => (await root.listAll(`tag.key=${key}&state=running`)).map((task) => task.id);

describe("a concurrency limit of submissions", () => {
  it("is raised and lowered at once; what runs goes on, and the change is taken back", async () => {
    const id = "concurrency::raised";
    const tasks = await under("raised", 1, 8, 600_000);
    expect(await standsAt(id, 1, 7)).toEqual({
      id,
      kind: "concurrency",
      task: null,
      key: "raised",
      limit: 1,
      per: null,
      burst: null,
      used: 1,
      tokens: null,
      waiting: 7,
      heldBy: [tasks[0].id],
      waiters: tasks.slice(1).map((task) => task.id),
      heldUntil: null,
      source: "submission",
      changedBy: null,
      changedAt: null,
      tenant: "default",
    });

    expect(await put(id, { limit: 4 })).toMatchObject({ status: 200, body: { limit: 4, source: "api" } });
    await standsAt(id, 4, 4);
    const first = await running("raised");
    expect(first.toSorted()).toEqual(tasks.slice(0, 4).map((task) => task.id));

    await put(id, { limit: 2 });
    expect((await root.post(`/v1/tasks/${first[0]}/cancel`)).status).toBe(202);
    await standsAt(id, 3, 4);
    expect((await running("raised")).every((each) => first.includes(each))).toBe(true);

    // What is asked for meanwhile holds once the change is taken back.
    await under("raised", 5, 1, 1);
    expect(await get(id)).toMatchObject({ limit: 2, source: "api" });
    expect((await remove(id)).status).toBe(204);
    expect(await standsAt(id, 5, 3)).toMatchObject({ limit: 5, source: "submission" });
    expect((await remove(id)).status).toBe(204);
    await root.post("/v1/tasks/cancel", { filter: { tags: { key: "raised" } } });
  });

  it("is raised by a later submission, which stands behind waiting tasks", async () => {
    const tasks = await under("lifted", 1, 6, 600_000);
    await standsAt("concurrency::lifted", 1, 5);
    const [last] = await under("lifted", 4, 1, 600_000);
    await standsAt("concurrency::lifted", 4, 3);
    const first = tasks
      .map((task) => task.id)
      .toSorted()
      .slice(0, 4);
    expect((await running("lifted")).toSorted()).toEqual(first);
    expect(await root.read(last.id)).toMatchObject({ state: "queued" });
    await root.post("/v1/tasks/cancel", { filter: { tags: { key: "lifted" } } });
  });

  it("may have any key, and every page of the list is met once", async () => {
    const keys = ["..", "a/b", "a:b?c#d", "%2F", "ü 😀", "x".repeat(200)];
    const own = await tenant("pager");
    for (const key of keys) {
      const id = `concurrency::${key}`;
      expect(await put(id, { limit: 3 }, own)).toMatchObject({ status: 201, body: { id, key } });
      expect(await get(id, own)).toMatchObject({ id, limit: 3 });
    }
    const seen: string[] = [];
    let next: string | null = "/v1/limits?limit=2&kind=concurrency";
    while (next !== null) {
      const { body, headers }: Answer<Page> = await own.get<Page>(next);
      seen.push(...body.items.map((item) => item.key ?? ""));
      next = /<(.*)>/.exec(headers.get("link") ?? "")?.[1] ?? null;
      expect(next === null).toBe(body.nextCursor === null);
    }
    expect(seen.toSorted()).toEqual(keys.toSorted());
    for (const key of keys) expect((await remove(`concurrency::${key}`, own)).status).toBe(204);
    expect((await own.get<Page>("/v1/limits?kind=concurrency")).body.items).toEqual([]);
  });
});

describe("a rate", () => {
  it("is raised for tasks that wait already, shows what an upstream asked for, and comes back", async () => {
    const id = "rate:test.rated";
    const code = { limit: 10, per: 1_000, burst: 1, source: "code" };
    expect(await get(id)).toMatchObject({
      ...code,
      tokens: 1,
      waiting: 0,
      heldUntil: null,
      task: "test.rated",
      key: null,
    });
    expect(await put(id, { limit: 1, per: "1h" })).toMatchObject({ status: 200, body: { limit: 1, per: 3_600_000 } });
    const tasks = await root.submitAll(Array.from({ length: 6 }, () => ({ task: "test.rated" })));
    await root.waitForEnd(tasks[0].id);
    await poll(
      () => "not five wait",
      async () => ((await get(id)).waiting === 5 ? true : null),
    );
    expect(await get(id)).toMatchObject({ tokens: 0 });
    await put(id, { limit: 50, per: "1s", burst: 2 });
    await root.waitUntilNoneIs(["queued", "running"], "task=test.rated");
    expect((await remove(id)).status).toBe(204);
    expect(await get(id)).toMatchObject(code);

    const upset = await root.submit("test.rated", { holdBackMs: 60_000 });
    const { runAt } = await root.waitUntil(upset.id, (task) => task.state === "scheduled");
    const { heldUntil, tokens } = await get(id);
    // Both are an upstream's minute from one moment of the attempt on.
    expect(Math.abs(Date.parse(heldUntil ?? "") - Date.parse(runAt))).toBeLessThan(60_000);
    expect(tokens).toBe(0);
    await root.post(`/v1/tasks/${upset.id}/cancel`);
  });
});

describe("whose a limit is", () => {
  it("tells each tenant of its own keys alone, though they are called alike", async () => {
    const [one, other] = [await tenant("one"), await tenant("other")];
    const id = "concurrency::shared name";
    expect((await put(id, { limit: 2 }, one)).status).toBe(201);
    expect((await other.get(path(id))).status).toBe(404);
    expect((await remove(id, other)).status).toBe(404);
    expect((await root.get(path(id))).status).toBe(404);
    expect((await put(id, { limit: 7 }, other)).status).toBe(201);
    expect((await get(id, one)).limit).toBe(2);
    const keysOf = async (api: Api) =>
      (await api.get<Page>("/v1/limits?kind=concurrency")).body.items.map((item) => item.limit);
    expect([await keysOf(one), await keysOf(other)]).toEqual([[2], [7]]);
  });

  it("tells every key of the tenant that may read which key has changed it, and when", async () => {
    const id = "concurrency::told";
    const [first, second] = [await key("tellers"), await key("tellers")];
    const reader = apiOf({ url: server.url, key: (await key("tellers", ["read"])).key });
    for (const [limit, { key: own }] of [first, second].entries())
      await put(id, { limit: limit + 1 }, apiOf({ url: server.url, key: own }));
    const seen = await get(id, reader);
    expect(seen).toMatchObject({ limit: 2, source: "api", changedBy: second.id });
    expect(Date.parse(seen.changedAt!)).toBeGreaterThan(Date.now() - 3_600_000);
    expect((await reader.get<Page>("/v1/limits?kind=concurrency")).body.items).toEqual([seen]);
    expect((await put("concurrency::mine", { limit: 3 })).body).toMatchObject({ changedBy: "deployment" });
    expect((await remove("concurrency::mine")).status).toBe(204);
  });

  it("shows each tenant its own limits of definitions, and lets the service's own key alone change them", async () => {
    const other = await tenant("stranger");
    await other.submit("test.keyed", { key: "a customer of theirs" }, { delay: "1h" });
    const keyed = "concurrency:test.keyed:a customer of theirs";
    const theirs = "concurrency:test.keyed@stranger:a customer of theirs";
    expect(await get(keyed, other)).toMatchObject({ limit: 2, source: "code", task: "test.keyed", tenant: "stranger" });
    expect(await get("rate:test.rated", other)).toMatchObject({ limit: 10, tenant: "stranger" });
    expect((await put(keyed, { limit: 9 }, other)).status).toBe(403);
    expect((await put("rate:test.rated", { limit: 9, per: "1s" }, other)).status).toBe(403);
    expect((await remove("rate:test.rated", other)).status).toBe(403);
    const { items } = (await other.get<Page>("/v1/limits")).body;
    expect(items.map((item) => item.id)).toEqual([keyed, "rate:test.dropped", "rate:test.rated"]);
    const { body } = await root.get<Page>("/v1/limits?task=test.keyed");
    expect(body.items.map((item) => item.id)).toEqual([theirs]);
    expect((await put(theirs, { limit: 9 })).body).toMatchObject({ limit: 9, source: "api", tenant: "stranger" });
    expect(await get(keyed, other)).toMatchObject({ limit: 9, source: "api" });
  });
});

describe("a key that a definition's own function cannot compute", () => {
  const uncountable = (key: unknown) => ({ task: "test.keyed", input: { key } });

  it.each([["throw"], [7], [null], [{}]])(
    "of %j is a 422 that points at the input, and nothing is stored",
    async (key) => {
      const before = (await root.listAll("task=test.keyed")).length;
      const refusal = {
        type: "/problems/invalid-input",
        title: "The input does not fit the task's schema",
        status: 422,
        detail: "The key of the concurrency limit of test.keyed cannot be computed for this input.",
        errors: [{ pointer: "/input", detail: "gives no key for the concurrency limit" }],
      };
      expect(await root.post("/v1/tasks", uncountable(key))).toMatchObject({ status: 422, body: refusal });
      const batch = await root.post<{ items: BatchItem[] }>("/v1/tasks/batch", {
        tasks: [uncountable(key), uncountable("fine")],
      });
      expect(batch.body.items.map((item) => item.status)).toEqual([422, 202]);
      expect(batch.body.items[0].problem).toEqual(refusal);
      const schedule = { every: "1h", ...uncountable(key) };
      expect(refused(await root.call("PUT", "/v1/schedules/keyed", { body: schedule }))).toEqual(refusal.errors);
      const flow = { chain: [uncountable("fine"), { task: "test.keyed", input: { key } }] };
      expect(refused(await root.post("/v1/flows", flow))).toEqual([
        { pointer: "/chain/1/input", detail: refusal.errors[0].detail },
      ]);
      expect((await root.listAll("task=test.keyed")).length).toBe(before + 1);
    },
  );

  it("is a 422 of a retry too, which takes its new input under the limit of that", async () => {
    const { id } = await root.submit("test.keyed", { key: "old", ms: 20_000 });
    await root.post(`/v1/tasks/${id}/cancel`);
    await root.waitForEnd(id);
    const again = (key: string) => root.post(`/v1/tasks/${id}/retry`, { input: { key, ms: 20_000 } });
    expect(refused(await again("throw"))?.map((each) => each.pointer)).toEqual(["/input"]);
    expect((await again("new")).status).toBe(202);
    await poll(
      () => "the new key is not used",
      async () => ((await get("concurrency:test.keyed:new")).used === 1 ? true : null),
    );
    expect(await get("concurrency:test.keyed:old")).toMatchObject({ used: 0, waiting: 0 });
    await root.post(`/v1/tasks/${id}/cancel`);
  });

  it("fails the parent that would spawn such a child, which says why", async () => {
    const { id } = await root.submit("test.spawn", { ...uncountable("throw"), n: 1 });
    const { state, error } = await root.waitForEnd(id);
    expect([state, error?.message]).toEqual([
      "failed",
      "a child task was refused: The key of the concurrency limit of test.keyed cannot be computed for this input.",
    ]);
  });
});

describe("what is no limit", () => {
  it.each([
    ["concurrency:test.noop", 404],
    ["concurrency:nobody", 404],
    ["rate:test.rated:key", 404],
    ["rate::key", 404],
    ["concurrency:", 404],
    ["concurrency::", 404],
    [`concurrency::${"x".repeat(201)}`, 404],
    ["lanes", 404],
  ])("is %s", async (id, status) => {
    const body = { limit: 1, ...(id.startsWith("rate") ? { per: 1 } : {}) };
    expect((await put(id, body)).status).toBe(status);
    expect((await root.get(path(id))).status).toBe(status);
  });

  it.each<[string, unknown, string[]]>([
    ["concurrency::x", {}, ["/limit"]],
    ["concurrency::x", { limit: 0 }, ["/limit"]],
    ["concurrency::x", { limit: 10_001 }, ["/limit"]],
    ["concurrency::x", { limit: 1, per: "1s", burst: 2 }, ["/per", "/burst"]],
    ["concurrency::x", { limit: 1, max: 2 }, ["/max"]],
    ["rate:test.rated", { limit: 1 }, ["/per"]],
    ["rate:test.rated", { limit: 1, per: "2d" }, ["/per"]],
    ["rate:test.rated", { limit: 1, per: "1s", burst: 0 }, ["/burst"]],
  ])("is %s of %j", async (id, body, pointers) => {
    const answer = await put(id, body);
    expect(answer.status).toBe(422);
    expect(refused(answer)?.map((each) => each.pointer)).toEqual(pointers);
  });

  it("is a page after a cursor that no list gave out, or of a kind that is none", async () => {
    for (const query of ["cursor=MTp0YXNrXzAx", "cursor=%00", "cursor=MTolRTA", "kind=circuit", "limit=0"]) {
      expect((await root.get(`/v1/limits?${query}`)).status).toBe(400);
    }
  });
});
