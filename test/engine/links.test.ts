/** Signed links: what signs them tells nothing of the deployment's key, and they end with the key that has made them. */
import { createExecutionContext, waitOnExecutionContext } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { Hono } from "hono";
import { sign } from "hono/jwt";
import { describe, expect, it, vi } from "vitest";
import type { CreatedKey } from "../../src/contract/key.ts";
import type { TaskResource } from "../../src/contract/task.ts";
import { SYSTEM } from "../../src/engine/keys/links.ts";
import { DEPLOYMENT } from "../../src/results/keys.ts";
import { routes } from "../../src/app/routes.ts";
import { createApp } from "../../src/web/app.ts";
import type { App } from "../../src/web/app-context.ts";
import { answerLive } from "../../src/web/live.ts";
import { NOBODY } from "../../src/web/principal.ts";
import { AccessEndedError, whileValid } from "../../src/web/while-valid.ts";
import { databaseOver, executeOn } from "./database-over.ts";

const app = createApp(routes);

type Init = { method?: string; body?: unknown; key?: string | null; origin?: string; at?: Env };

async function call(
  path: string,
  { method, body, key = "test-key", origin = "http://localhost", at = env }: Init = {},
) {
  const context = createExecutionContext();
  const headers = { "content-type": "application/json", ...(key === null ? {} : { authorization: `Bearer ${key}` }) };
  const init = { method: method ?? (body === undefined ? "GET" : "POST"), headers };
  const request = new Request(origin + path, body === undefined ? init : { ...init, body: JSON.stringify(body) });
  const answer = await app.fetch(request, at, context);
  await waitOnExecutionContext(context);
  return answer;
}

const later = { task: "test.noop", options: { delay: "1h" } };

async function submitLinked(init: Init = {}, query = ""): Promise<TaskResource> {
  const answer = await call(`/v1/tasks?links=signed${query}`, { ...init, body: later });
  expect(answer.status).toBe(202);
  return answer.json<TaskResource>();
}

/** The status of the link without a key. */
const open = async (link: string, at: Env = env) => (await call(link, { key: null, at })).status;

async function makeKey(wanted: object, init: Init = {}): Promise<CreatedKey> {
  const answer = await call("/v1/keys", { ...init, body: { name: "k", scopes: ["admin"], ...wanted } });
  expect(answer.status).toBe(201);
  return answer.json<CreatedKey>();
}

const tokenOf = (link: string) => new URL(link, "http://localhost").searchParams.get("token")!;

const decoded = (part: string) => JSON.parse(atob(part.replaceAll("-", "+").replaceAll("_", "/"))) as object;

describe("the key that signs links", () => {
  it("is made once, however many ask at first", async () => {
    const clock = () => env.CLOCK.getByName(`fresh-${crypto.randomUUID()}`);
    const [one, other] = [clock(), clock()];
    const asked = await Promise.all(Array.from({ length: 20 }, () => one.linkKeys()));
    const secrets = new Set(asked.map(([key]) => key!.secret));
    expect([secrets.size, asked.every((keys) => keys.length === 1)]).toEqual([1, true]);
    expect([...secrets][0]).toMatch(/^[\w-]{43}$/);
    expect((await other.linkKeys())[0]!.secret).not.toBe([...secrets][0]);
  });

  it("has nothing to do with API_KEY, which cannot be guessed from a token", async () => {
    const { id, links } = await submitLinked();
    const token = tokenOf(links.self);
    const [header, payload, signature] = token.split(".") as [string, string, string];
    expect(decoded(header)).toEqual({ alg: "HS256", typ: "JWT", kid: expect.stringMatching(/^[\w-]{8}$/) as string });
    const guesses = ["test-key", "lovage-links:test-key", `deployment:test-key`];
    for (const guess of guesses) {
      const raw = new TextEncoder();
      const hmac = { name: "HMAC", hash: "SHA-256" };
      const key = await crypto.subtle.importKey("raw", raw.encode(guess), hmac, false, ["sign"]);
      const made = new Uint8Array(await crypto.subtle.sign("HMAC", key, raw.encode(`${header}.${payload}`)));
      expect(made.toBase64({ alphabet: "base64url", omitPadding: true })).not.toBe(signature);
    }
    // What a release before would have taken, and the same with the key's id put in.
    const exp = Math.ceil(Date.now() / 1000) + 60;
    const { kid } = decoded(header) as { kid: string };
    const k = new TextEncoder().encode("lovage-links:test-key").toBase64({ alphabet: "base64url", omitPadding: true });
    const forged = [
      await sign({ sub: id, ten: "default", use: "read", exp }, "lovage-links:test-key", "HS256"),
      await sign(decoded(payload) as Record<string, unknown>, { kty: "oct", k, alg: "HS256", kid }, "HS256"),
      `${btoa('{"alg":"none","typ":"JWT"}').replace(/=+$/, "")}.${payload}.`,
    ];
    for (const each of forged) expect(await open(`/v1/tasks/${id}?token=${each}`)).toBe(401);
    expect(await open(links.self)).toBe(200);
  });

  it("is what LINK_KEY says, the first of several, all of which hold", async () => {
    const [one, two] = ["1".repeat(32), "2".repeat(40)];
    const at = (LINK_KEY: string): Env => ({ ...env, LINK_KEY });
    const old = (await submitLinked({ at: at(one) })).links.self;
    const fresh = (await submitLinked({ at: at(`${two}, ${one}`) })).links.self;
    const statuses = async (LINK_KEY: string) => [await open(old, at(LINK_KEY)), await open(fresh, at(LINK_KEY))];
    expect(await statuses(`${two},${one}`)).toEqual([200, 200]);
    expect(await statuses(two)).toEqual([401, 200]);
    expect(await statuses("")).toEqual([401, 401]);
    const short = await call("/v1/tasks?links=signed", { body: later, at: at("short") });
    expect([short.status, (await short.json<{ type: string }>()).type]).toEqual([503, "/problems/misconfigured"]);
    expect((await call("/v1/link-keys/rotate", { body: {}, at: at(one) })).status).toBe(409);
  });

  it("is replaced by the service's own key alone: with an overlap what was signed holds, without one it ends", async () => {
    const admin = await makeKey({});
    expect((await call("/v1/link-keys/rotate", { body: {}, key: admin.key })).status).toBe(403);
    const { links } = await submitLinked();
    const rotate = async (body: object) => {
      const answer = await call("/v1/link-keys/rotate", { body });
      expect(answer.status).toBe(200);
      return (await answer.json<{ items: { id: string; holdsUntil: string | null }[] }>()).items;
    };
    const before = await (await call("/v1/link-keys")).json<{ items: { id: string }[] }>();
    const after = await rotate({ overlap: "1d" });
    expect(after.map((key) => key.holdsUntil !== null)).toEqual([true, false]);
    expect(after[0]!.id).toBe(before.items[0]!.id);
    expect(await open(links.self)).toBe(200);
    const [only, ...others] = await rotate({ overlap: 0 });
    expect([others, only!.holdsUntil]).toEqual([[], null]);
    expect(await open(links.self)).toBe(401);
    expect(await open((await submitLinked()).links.self)).toBe(200);
    expect(JSON.stringify(after)).not.toContain("secret");
  });
});

describe("a link", () => {
  it("ends with the key that has made it, and with that key's maker, and costs one read of a key at most", async () => {
    const maker = await makeKey({});
    const own = await makeKey({ scopes: ["submit", "read"] }, { key: maker.key });
    const { links } = await submitLinked({ key: own.key });
    const read: string[] = [];
    const at: Env = {
      ...env,
      DB: databaseOver(async (asked) => {
        read.push(...asked.map(({ sql }) => sql).filter((sql) => /\bFROM keys\b/.test(sql)));
        return executeOn(env.DB)(asked);
      }),
    };
    for (let i = 0; i < 10; i++) expect(await open(links.self, at)).toBe(200);
    expect(read.length).toBeLessThanOrEqual(1);
    expect((await call(`/v1/keys/${maker.id}`, { method: "DELETE" })).status).toBe(204);
    expect(await open(links.self)).toBe(401);
    expect((await call(links.cancel, { method: "POST", key: null })).status).toBe(401);
  });

  it("and a stream that follows by it or by the key is cut off when that has ended", async () => {
    const { id } = await makeKey({});
    // A feed on which nothing happens.
    async function* quiet() {
      for (;;) yield await Promise.resolve(null);
    }
    const start = Date.now();
    vi.useFakeTimers({ toFake: ["Date"], now: start });
    try {
      const follow = (expiresAt: number | null, keyId = id) =>
        whileValid(env, { ...NOBODY, keyId, expiresAt }, quiet());
      const feeds = [follow(null), follow(start + 15_000), follow(start + 15_000, SYSTEM), follow(null, DEPLOYMENT)];
      const next = async (feed: AsyncGenerator<unknown>, i: number) => {
        if (cut.has(i)) return false;
        try {
          return !(await feed.next()).done;
        } catch (error) {
          if (error instanceof AccessEndedError) cut.add(i);
          return false;
        }
      };
      const areOpen = async () => Promise.all(feeds.map(next));
      const cut = new Set<number>();
      expect(await areOpen()).toEqual([true, true, true, true]);
      vi.setSystemTime(start + 11_000);
      expect(await areOpen()).toEqual([true, true, true, true]);
      vi.setSystemTime(start + 22_000);
      expect(await areOpen()).toEqual([true, false, false, true]);
      await call(`/v1/keys/${id}`, { method: "DELETE" });
      vi.setSystemTime(start + 33_000);
      expect(await areOpen()).toEqual([false, false, false, true]);
      expect([...cut]).toEqual([1, 2, 0]);
    } finally {
      vi.useRealTimers();
    }
  });

  it("and is told by a close code that it was cut, and did not see the end", async () => {
    const quiet: App = new Hono();
    const feed = {
      id: "x",
      list: async () => [],
      // oxlint-disable-next-line require-yield -- the key ends before the first event
      async *follow() {
        throw new AccessEndedError("the key has ended");
      },
    };
    quiet.get("/", (c) => answerLive(c, feed, 0));
    const context = createExecutionContext();
    const { webSocket } = await quiet.fetch(
      new Request("http://x/", { headers: { upgrade: "websocket" } }),
      env,
      context,
    );
    const closed = new Promise<CloseEvent>((resolve) => webSocket!.addEventListener("close", resolve));
    webSocket!.accept();
    expect(await closed).toMatchObject({ code: 4401, reason: "the key has ended" });
    const sse = await quiet.fetch(new Request("http://x/", { headers: { accept: "text/event-stream" } }), env, context);
    expect(await sse.text()).toBe("retry: 1000\n\n: the key has ended\n\n");
  });

  it("is counted with the requests of a limited key that has made it, as those of the keys that it makes are", async () => {
    const counted: string[] = [];
    const limit = async ({ key }: { key: string }) => {
      counted.push(key);
      return { success: true };
    };
    const at = { ...env, KEY_LIMIT: { limit } };
    const maker = await makeKey({ rateLimited: true });
    const child = await makeKey({ rateLimited: false }, { key: maker.key, at });
    expect([child.rateLimited, child.createdBy]).toEqual([true, maker.id]);
    const grandchild = await makeKey({ scopes: ["submit"] }, { key: child.key, at });
    const { links } = await submitLinked({ key: grandchild.key, at });
    expect(await open(links.self, at)).toBe(200);
    expect(counted).toEqual(Array.from({ length: 4 }, () => maker.id));
    await submitLinked({ at });
    expect(counted).toHaveLength(4);
  });

  it("lives no longer than a key that expires", async () => {
    const expiresAt = new Date(Date.now() + 60_000).toISOString();
    const { key } = await makeKey({ expiresAt, scopes: ["submit"] });
    const { links } = await submitLinked({ key }, "&linksTtl=86400");
    const { exp } = decoded(tokenOf(links.self).split(".")[1]!) as { exp: number };
    expect(exp).toBeLessThanOrEqual(Math.ceil(Date.parse(expiresAt) / 1000));
  });

  it("of the service's own key ends when that is replaced; those of no key stay", async () => {
    const { links } = await submitLinked();
    const item = await (
      await call("/item", { body: { name: "x" }, key: null })
    ).json<{ links: TaskResource["links"] }>();
    const at: Env = { ...env, API_KEY: "another-key" };
    expect([await open(links.self), await open(links.self, at), await open(item.links.self, at)]).toEqual([
      200, 401, 200,
    ]);
  });
});

describe("an API_KEY of fewer than 32 characters", () => {
  const elsewhere = "https://tasks.example.com";

  it("is refused everywhere but on this machine, and every other key goes on working", async () => {
    const { key } = await makeKey({ scopes: ["read"] });
    const wrong = `lovage_${"0".repeat(59)}`;
    const statuses = async (origin: string, at: Env = env) =>
      Promise.all(
        ["test-key", wrong, key].map(async (each) => (await call("/v1/tasks", { key: each, origin, at })).status),
      );
    for (const origin of ["http://localhost:8787", "http://127.0.0.1:8787", "http://[::1]:8787"]) {
      expect([origin, await statuses(origin)]).toEqual([origin, [200, 401, 200]]);
    }
    // It does not tell which key it is.
    for (const origin of [
      elsewhere,
      "http://localhost.example.com",
      "http://127.0.0.1.example.com",
      "http://10.0.0.1",
    ]) {
      expect([origin, await statuses(origin)]).toEqual([origin, [503, 503, 200]]);
    }
    const refused = await call("/v1/tasks", { origin: elsewhere });
    expect(await refused.json()).toMatchObject({
      type: "/problems/misconfigured",
      detail: expect.stringContaining("API_KEY") as string,
    });
  });

  it("and one of 32 is taken", async () => {
    const API_KEY = "0123456789abcdef0123456789abcdef";
    expect((await call("/v1/tasks", { key: API_KEY, origin: elsewhere, at: { ...env, API_KEY } })).status).toBe(200);
  });
});
