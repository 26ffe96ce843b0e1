/** Keys: made once, known by their hash, limited by scope, tenant, time and rate. */
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { CreatedKey, KeyResource } from "../../src/contract/key.ts";
import type { ProblemResource } from "../../src/contract/problem.ts";
import type { TaskResource } from "../../src/contract/task.ts";
import { apiOf, type Api } from "./api.ts";
import { shareServer, type SharedServer } from "./shared-server.ts";

let server: SharedServer;
let api: Api;

beforeAll(async () => {
  server = await shareServer();
  api = apiOf(server.root);
});

afterAll(() => server?.stop());

/** Makes a key and answers the API as its holder sees it, with the key's own description. */
async function holder(wanted: object, maker: Api = api): Promise<Api & { made: CreatedKey }> {
  const { status, body } = await maker.post<CreatedKey>("/v1/keys", { name: "test", scopes: ["admin"], ...wanted });
  if (status !== 201) throw new Error(`no key: ${status} ${JSON.stringify(body)}`);
  return { ...apiOf({ url: server.url, key: body.key }), made: body };
}

const statusOf = async (who: Api, method: string, path: string, body?: unknown) =>
  (await who.call(method, path, body === undefined ? {} : { body })).status;

describe("a new key", () => {
  it("is shown once, and described ever after", async () => {
    const expiresAt = new Date(Date.now() + 3_600_000).toISOString();
    const wanted = { name: "checkout", scopes: ["submit", "read", "submit"], expiresAt };
    const { status, headers, body } = await api.post<CreatedKey>("/v1/keys", wanted);
    expect(status).toBe(201);
    expect(headers.get("cache-control")).toBe("no-store");
    expect(body.key).toMatch(/^lovage_[0-9a-hjkmnp-tv-z]{59}$/);
    const { key, ...described } = body;
    expect(described).toEqual({
      id: expect.stringMatching(/^key_/) as string,
      name: "checkout",
      prefix: key.slice(0, 15),
      tenant: "default",
      scopes: ["submit", "read"],
      rateLimited: false,
      createdBy: "deployment",
      createdAt: expect.any(String) as string,
      expiresAt,
      revokedAt: null,
    });
    expect((await api.get(headers.get("location")!)).body).toEqual(described);
    const list = await api.get<{ items: KeyResource[] }>("/v1/keys");
    expect(list.body.items).toContainEqual(described);
    expect(JSON.stringify(list.body)).not.toContain(key);
  });

  it("lies in the database as a hash only", async () => {
    const { made } = await holder({ name: "hidden" });
    const files = globSync(join(server.persist, "v3/d1/**/*.sqlite")).filter((file) => !file.includes("metadata"));
    const rows = files.flatMap((file) => {
      const database = new DatabaseSync(file, { readOnly: true });
      try {
        return database.prepare("SELECT * FROM keys WHERE id = ?").all(made.id);
      } finally {
        database.close();
      }
    });
    expect(rows).toHaveLength(1);
    expect(rows[0]?.["hash"]).toMatch(/^[0-9a-f]{64}$/);
    expect(JSON.stringify(rows)).not.toContain(made.key);
  });

  it.each([
    ["without a name", { scopes: ["read"] }, "/name"],
    ["without scopes", { name: "x", scopes: [] }, "/scopes"],
    ["with a scope that there is not", { name: "x", scopes: ["root"] }, "/scopes/0"],
    ["of a tenant with a colon in its name", { name: "x", scopes: ["read"], tenant: "lovage:x" }, "/tenant"],
    ["that is expired already", { name: "x", scopes: ["read"], expiresAt: "2020-01-01T00:00:00Z" }, "/expiresAt"],
    ["with an unknown member", { name: "x", scopes: ["read"], expires: "never" }, "/expires"],
  ])("is not made %s", async (_, wanted, pointer) => {
    const { status, body } = await api.post<ProblemResource>("/v1/keys", wanted);
    expect([status, body.errors?.map((error) => error.pointer)]).toEqual([422, [pointer]]);
  });
});

describe("the list of keys", () => {
  it("is paged, newest first", async () => {
    const owner = await holder({ tenant: "keys-pages" });
    for (const name of ["one", "two", "three"]) await holder({ name, scopes: ["read"] }, owner);
    type Page = { items: KeyResource[]; nextCursor: string | null };
    const names: string[] = [];
    let path: string | undefined = "/v1/keys?limit=3";
    while (path !== undefined) {
      const { headers, body }: { headers: Headers; body: Page } = await owner.get<Page>(path);
      names.push(...body.items.map((key) => key.name));
      path = /<([^>]+)>/.exec(headers.get("link") ?? "")?.[1];
    }
    expect(names).toEqual(["three", "two", "one", "test"]);
  });
});

describe("scopes", () => {
  it("allow what they say, and admin allows everything", async () => {
    const submission = { task: "test.noop" };
    const submit = await holder({ scopes: ["submit"] });
    const read = await holder({ scopes: ["read"] });
    const cancel = await holder({ scopes: ["cancel"] });
    const admin = await holder({ scopes: ["admin"] });
    const { body } = await submit.post<TaskResource>("/v1/tasks", submission);
    await api.waitForEnd(body.id);

    expect(await statusOf(submit, "GET", `/v1/tasks/${body.id}`)).toBe(403);
    expect(await statusOf(read, "GET", `/v1/tasks/${body.id}`)).toBe(200);
    expect(await statusOf(read, "POST", "/v1/tasks", submission)).toBe(403);
    expect(await statusOf(read, "DELETE", `/v1/tasks/${body.id}`)).toBe(403);
    expect(await statusOf(cancel, "GET", "/v1/keys")).toBe(403);
    expect(await statusOf(admin, "GET", `/v1/tasks/${body.id}`)).toBe(200);
    expect(await statusOf(cancel, "DELETE", `/v1/tasks/${body.id}`)).toBe(204);
  });

  it("let a reader see the webhooks, and none of their secrets", async () => {
    const admin = await holder({ scopes: ["admin"] });
    const read = await holder({ scopes: ["read"] });
    const hook = { url: "http://127.0.0.1:9/", events: ["task.expired"] };
    const { body } = await admin.post<{ id: string; secret: string }>("/v1/webhooks", hook);
    for (const path of ["", `/${body.id}`, `/${body.id}/deliveries`, "/default/deliveries"]) {
      const seen = await read.get(`/v1/webhooks${path}`);
      expect([path, seen.status, JSON.stringify(seen.body).includes("whsec_")]).toEqual([path, 200, false]);
    }
    expect(await statusOf(read, "GET", "/v1/webhooks/default")).toBe(403);
    expect(await statusOf(read, "PATCH", `/v1/webhooks/${body.id}`, { paused: true })).toBe(403);
    expect(await statusOf(read, "DELETE", `/v1/webhooks/${body.id}`)).toBe(403);
  });

  it("name the one that is missing", async () => {
    const read = await holder({ scopes: ["read"] });
    const { headers, body } = await read.post<ProblemResource>("/v1/tasks", { task: "test.noop" });
    expect(body.type).toBe("/problems/forbidden");
    expect(headers.get("www-authenticate")).toBe('Bearer error="insufficient_scope", scope="submit"');
  });
});

describe("tenants", () => {
  it("are named by the service's own key alone; every other key makes keys of its own tenant", async () => {
    const acme = await holder({ tenant: "keys-acme" });
    expect(acme.made.tenant).toBe("keys-acme");
    const inherited = await holder({}, acme);
    expect(inherited.made.tenant).toBe("keys-acme");
    expect((await holder({ tenant: "keys-acme" }, acme)).made.tenant).toBe("keys-acme");
    const { status } = await acme.post("/v1/keys", { name: "x", scopes: ["read"], tenant: "default" });
    expect(status).toBe(403);
  });

  it("do not see each other's keys, and the service's own key sees them all", async () => {
    const acme = await holder({ tenant: "keys-acme" });
    const globex = await holder({ tenant: "keys-globex" });
    const path = `/v1/keys/${acme.made.id}`;
    const { body } = await globex.get<{ items: KeyResource[] }>("/v1/keys?limit=200");
    expect(new Set(body.items.map((key) => key.tenant))).toEqual(new Set(["keys-globex"]));
    expect(await statusOf(globex, "GET", path)).toBe(404);
    expect(await statusOf(globex, "DELETE", path)).toBe(404);
    expect(await statusOf(acme, "GET", "/v1/keys")).toBe(200);
    expect(await statusOf(api, "GET", path)).toBe(200);
    expect(await statusOf(api, "DELETE", path)).toBe(204);
    expect(await statusOf(acme, "GET", "/v1/keys")).toBe(401);
  });

  it("do not share idempotency keys", async () => {
    const [acme, globex] = [await holder({ tenant: "keys-acme" }), await holder({ tenant: "keys-globex" })];
    const submit = (who: Api) =>
      who.post<TaskResource>("/v1/tasks", { task: "test.noop" }, { "idempotency-key": "same" });
    const [one, other, again] = [await submit(acme), await submit(globex), await submit(acme)];
    expect(one.body.id).not.toBe(other.body.id);
    expect(again.body.id).toBe(one.body.id);
  });
});

describe("a key's end", () => {
  it("comes at once where it was revoked, and revoking again changes nothing", async () => {
    const revocable = await holder({ scopes: ["read", "admin"] });
    const { made } = revocable;
    expect(await statusOf(revocable, "GET", "/v1/tasks")).toBe(200);
    expect(await statusOf(api, "DELETE", `/v1/keys/${made.id}`)).toBe(204);
    const refused = await revocable.get<ProblemResource>("/v1/tasks");
    expect([refused.status, refused.body.type]).toEqual([401, "/problems/unauthorized"]);
    expect(refused.headers.get("www-authenticate")).toContain('error="invalid_token"');

    const revoked = (await api.get<KeyResource>(`/v1/keys/${made.id}`)).body.revokedAt;
    expect(revoked).not.toBeNull();
    expect(await statusOf(api, "DELETE", `/v1/keys/${made.id}`)).toBe(204);
    expect((await api.get<KeyResource>(`/v1/keys/${made.id}`)).body.revokedAt).toBe(revoked);
  });

  it("comes when it expires, though it was used the moment before", async () => {
    const expiring = await holder({ scopes: ["read"], expiresAt: new Date(Date.now() + 4_000).toISOString() });
    expect(await statusOf(expiring, "GET", "/v1/tasks")).toBe(200);
    await expect.poll(() => statusOf(expiring, "GET", "/v1/tasks")).toBe(401);
  });
});

describe("a key made with a limit", () => {
  it("is refused beyond it with the standard's headers, and no other key is", async () => {
    const limited = await holder({ scopes: ["read"], rateLimited: true });
    const free = await holder({ scopes: ["read"] });
    const crowd = () => Promise.all(Array.from({ length: 130 }, () => limited.get<ProblemResource>("/v1/tasks")));
    const answers = await crowd();
    // A crowd that comes as one span of ten seconds ends and the next begins fits into the two.
    while (answers.length < 650 && !answers.some((answer) => answer.status === 429)) answers.push(...(await crowd()));
    const refused = answers.filter((answer) => answer.status === 429);
    expect(refused.length).toBeGreaterThan(0);
    expect(answers.length - refused.length).toBeGreaterThan(0);
    expect(refused[0]?.body.type).toBe("/problems/rate-limited");
    expect(Object.fromEntries(refused[0]?.headers ?? [])).toMatchObject({
      "retry-after": "10",
      ratelimit: '"key";r=0;t=10',
      "ratelimit-policy": '"key";q=100;w=10',
    });
    const others = await Promise.all(Array.from({ length: 130 }, () => statusOf(free, "GET", "/v1/tasks")));
    expect(new Set(others)).toEqual(new Set([200]));
  });

  it("has the limit that wrangler.toml sets", () => {
    const toml = readFileSync(join(import.meta.dirname, "../../wrangler.toml"), "utf8");
    expect(toml).toMatch(/name = "KEY_LIMIT"\nnamespace_id = "\d+"\nsimple = \{ limit = 100, period = 10 \}/);
  });
});
