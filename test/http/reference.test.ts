/**
 * The FastAPI + Celery example that this project answers to: what its page does, step by step, against this service.
 * https://github.com/Wason1797/FastAPI-Celery-example
 */
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { apiOf, type Api } from "./api.ts";
import { rawRequest } from "./raw-request.ts";
import { startServer, type Server } from "./server.ts";

const ORIGIN = "http://ui.example:8080";

/** What the page sends with every request, the polls too. */
const PAGE = { authorization: null, origin: ORIGIN, "content-type": "application/json; charset=utf-8" };

/** How often it asks. */
const EVERY_MS = 2_000;

type Item = { id: string; url: string };

type Check = {
  task_id: string;
  status: string;
  result: { result: string } | null;
  progress: { done: number; total: number } | null;
  error: unknown;
};

let server: Server;
let api: Api;

beforeAll(async () => {
  const args = ["--allow-host", "tunnel.example"];
  server = await startServer({ allowOrigins: [ORIGIN, "https://another.example"], args });
  api = apiOf(server);
});

afterAll(() => server?.stop());

const post = (name: unknown, path = "/item") => api.post<Item>(path, { name }, PAGE);
const check = (id: string) => api.get<Check>(`/check-task/${id}`, PAGE);

/** As the page follows a task: asks every two seconds, until it has succeeded or failed. */
async function follow(id: string): Promise<Check[]> {
  const checks: Check[] = [];
  while (!["SUCCESS", "FAILURE"].includes(checks.at(-1)?.status ?? "")) {
    if (checks.length > 60) throw new Error(`still ${checks.at(-1)?.status} after two minutes`);
    await pause(EVERY_MS);
    checks.push((await check(id)).body);
  }
  return checks;
}

describe("the reference's page", () => {
  it("follows its items to the end, in Celery's words", async () => {
    const names = ["sage", "thyme <b>&amp;</b>"];
    const items = await Promise.all(names.map((name) => post(name)));
    const followed = await Promise.all(items.map((item) => follow(item.body.id)));
    for (const [i, checks] of followed.entries()) {
      const id = items[i]?.body.id;
      const dones = checks.flatMap((each) => each.progress?.done ?? []);
      expect(checks.at(-1)).toEqual({
        task_id: id,
        status: "SUCCESS",
        result: { result: `Processed item ${names[i]}` },
        progress: null,
        error: null,
      });
      for (const each of checks.slice(0, -1)) {
        expect(["PENDING", "STARTED", "PROGRESS"]).toContain(each.status);
        expect(each).toMatchObject({ task_id: id, result: null, error: null });
        expect([each.status === "PROGRESS", each.progress?.total]).toEqual(
          each.progress ? [true, 30] : [false, undefined],
        );
      }
      // Thirty steps of a second, seen every two.
      expect(new Set(dones).size).toBeGreaterThanOrEqual(3);
      expect(dones).toEqual(dones.toSorted((a, b) => a - b));
    }
  });

  it("gets an item's id and where to ask for it, with and without the slash", async () => {
    for (const path of ["/item", "/item/"]) {
      const { status, body } = await post("mint", path);
      expect([status, body.url]).toEqual([200, `/check-task/${body.id}`]);
      expect((await api.get<Check>(body.url, PAGE)).body).toMatchObject({
        task_id: body.id,
        result: null,
        error: null,
      });
    }
  });

  it("is told that an item was revoked when it was cancelled", async () => {
    const { body } = await api.post<Item & { links: { cancel: string } }>("/item", { name: "weeds" }, PAGE);
    expect((await api.post(body.links.cancel, undefined, { authorization: null })).status).toBeLessThan(300);
    await expect.poll(async () => (await check(body.id)).body.status).toBe("REVOKED");
    expect((await check(body.id)).body).toMatchObject({ task_id: body.id, result: null, progress: null });
  });

  it("gets a 404 for an id that was never issued, and for one that is not the demo's", async () => {
    const { id } = await api.submit("process_item", { name: "private", steps: 1, pause: 0 });
    for (const unknown of ["task_01jzzzzzzzzzzzzzzzzzzzzzzz", "1", "%00", id]) {
      expect(await api.get(`/check-task/${unknown}`, { authorization: null })).toMatchObject({ status: 404 });
    }
  });

  it("sees none of the tenant's other tasks", async () => {
    const { body } = await api.post<{ key: string }>("/v1/keys", { name: "demo", scopes: ["submit"], tenant: "demo" });
    const authorization = `Bearer ${body.key}`;
    const task = { task: "test.identity", input: { value: "secret" } };
    const other = await api.post<{ id: string }>("/v1/tasks", task, { authorization });
    expect(other.status).toBe(202);
    expect(await api.get(`/check-task/${other.body.id}`, { authorization: null })).toMatchObject({ status: 404 });
  });

  it("gets a 413 for what is far too large for an item", async () => {
    expect(await post("x".repeat(20_000))).toMatchObject({
      status: 413,
      body: { type: "/problems/payload-too-large" },
    });
    const body = new Blob([JSON.stringify({ name: "x".repeat(20_000) })]).stream();
    expect((await api.call("POST", "/item/", { body, headers: PAGE })).status).toBe(413);
  });

  it("gets a 4xx for what is no item", async () => {
    for (const name of [undefined, null, "", 7, ["x"], "x".repeat(201)]) {
      expect(await post(name)).toMatchObject({
        status: 422,
        body: { type: "/problems/invalid-body", errors: [{ pointer: "/name" }] },
      });
    }
    for (const body of ["{", "name=x", ""]) {
      const { status } = await api.call("POST", "/item", { body, headers: PAGE });
      expect([400, 422]).toContain(status);
    }
  });
});

describe("a browser", () => {
  const asks = (origin: string, path: string, method: string) =>
    api.call("OPTIONS", path, {
      headers: {
        authorization: null,
        origin,
        "access-control-request-method": method,
        "access-control-request-headers": "authorization,content-type,idempotency-key,prefer",
      },
    });

  it.each([ORIGIN, "https://another.example"])("may call from %s, which the configuration names", async (origin) => {
    for (const [path, method] of [
      ["/item", "POST"],
      ["/check-task/1", "GET"],
      ["/v1/tasks", "POST"],
      ["/v1/tasks/1", "DELETE"],
    ] as const) {
      const { status, headers } = await asks(origin, path, method);
      expect([status, headers.get("access-control-allow-origin")]).toEqual([204, origin]);
      expect(headers.get("access-control-allow-methods")).toContain(method);
      expect(headers.get("access-control-allow-headers")?.toLowerCase().split(/, ?/)).toEqual(
        expect.arrayContaining(["authorization", "content-type", "idempotency-key", "prefer"]),
      );
    }
  });

  it("may read the answers there, refusals too, and their headers", async () => {
    const answers = [
      await post("basil"),
      await check("task_01jzzzzzzzzzzzzzzzzzzzzzzz"),
      await api.get("/v1/tasks", { origin: ORIGIN, authorization: null }),
      await api.post("/v1/tasks", { task: "test.noop" }, { origin: ORIGIN }),
    ];
    expect(answers.map((answer) => answer.status)).toEqual([200, 404, 401, 202]);
    for (const { headers } of answers) {
      expect(headers.get("access-control-allow-origin")).toBe(ORIGIN);
      expect(headers.get("vary")?.toLowerCase()).toContain("origin");
    }
    const exposed = answers[3]?.headers.get("access-control-expose-headers")?.toLowerCase();
    for (const name of ["location", "retry-after", "etag", "link"]) expect(exposed).toContain(name);
  });

  it("may not from anywhere else", async () => {
    for (const origin of ["http://evil.example", "http://ui.example", `${ORIGIN}.evil.example`, "null"]) {
      expect((await asks(origin, "/item", "POST")).headers.get("access-control-allow-origin")).toBeNull();
      const { headers } = await api.get("/v1/tasks", { origin });
      expect(headers.get("access-control-allow-origin")).toBeNull();
    }
  });
});

describe("the public door", () => {
  it.each([
    "text/plain",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "text/plain;application/json",
    "",
  ])("takes no body of the type %j, which any page may send", async (type) => {
    const headers = { ...(type === "" ? {} : { "content-type": type }), origin: "https://evil.example" };
    const answer = await rawRequest(server.url, "/item", { method: "POST", headers }, '{"name":"x"}');
    expect([answer.status, answer.headers["content-type"]]).toEqual([415, "application/problem+json"]);
  });
});

describe("a service on one's own machine", () => {
  const ask = (host: string, path = "/health") => rawRequest(server.url, path, { headers: { host } });

  it("answers only to loopback's names, so that no page reaches it by one of its own", async () => {
    const { port } = new URL(server.url);
    for (const host of ["127.0.0.1", "localhost", "LOCALHOST", "a.localhost", "127.0.0.2", "[::1]"]) {
      expect([host, (await ask(`${host}:${port}`)).status]).toEqual([host, 200]);
    }
    for (const host of ["evil.example", "localhost.evil.example", "127.0.0.1.nip.io", "192.168.0.7", "[::2]"]) {
      for (const path of ["/health", "/", "/docs", "/check-task/x", "/v1/tasks"]) {
        const answer = await ask(`${host}:${port}`, path);
        expect([host, path, answer.status]).toEqual([host, path, 421]);
        expect(JSON.parse(answer.body)).toMatchObject({ type: "/problems/misdirected" });
      }
    }
  });

  it("answers to the names that it is given", async () => {
    expect((await ask("tunnel.example")).status).toBe(200);
  });
});

describe("a service that does not say PUBLIC_DEMO", () => {
  let closed: Server;

  beforeAll(async () => {
    closed = await startServer({ fixtures: false, keyBy: "file" });
  });

  afterAll(() => closed?.stop());

  it("has pages that name their files relatively, so that they load below a mount path too", async () => {
    const { get } = apiOf(closed);
    for (const page of ["/docs", "/dashboard"]) {
      const { body } = await get<string>(page, { authorization: null });
      const files = [...body.matchAll(/(?<=(?:src|href)=")[^"]*assets[^"]*/g)].map(([file]) => file);
      expect(files.map((file) => file.replace(/.*\./, "")).toSorted()).toEqual(expect.arrayContaining(["css", "js"]));
      for (const file of files) {
        expect(file).toMatch(/^\.\/assets\//);
        expect((await get(file.slice(1), { authorization: null })).status).toBe(200);
      }
    }
  });

  it("keeps the public door shut, and knows no fixture", async () => {
    const { get, post } = apiOf(closed);
    for (const path of ["/item", "/item/"]) {
      expect(await post(path, { name: "x" }, PAGE)).toMatchObject({
        status: 404,
        body: { type: "/problems/not-found" },
      });
    }
    expect(await get("/check-task/task_01jzzzzzzzzzzzzzzzzzzzzzzz", PAGE)).toMatchObject({ status: 404 });
    expect(await get("/", { authorization: null })).toMatchObject({
      status: 404,
      body: { detail: expect.stringContaining("PUBLIC_DEMO") },
    });
    // By no spelling of the file that the page is made of, or of its address.
    const spellings = [
      "/index",
      "/index/",
      "/index.html",
      "/index.htm",
      "/INDEX.HTML",
      "/Index",
      "/%69ndex.html",
      "/index%2Ehtml",
    ];
    const paths = [
      "//",
      "///",
      "//index.html",
      "/./index.html",
      "/docs/../index.html",
      "/%2F",
      "/%2e/",
      "/index.html?a=b",
      "/index.html/",
    ];
    for (const path of [...spellings, ...paths, "/assets/../index", "/assets//index.html", "/\\index.html"]) {
      for (const method of ["GET", "HEAD"]) {
        const { status } = await rawRequest(closed.url, path, { method });
        expect([method, path, status]).toEqual([method, path, 404]);
      }
    }
    expect((await get("/docs", { authorization: null })).status).toBe(200);
    expect((await get("/docs/", { authorization: null })).status).toBe(200);
    expect((await get("/problem.css", { authorization: null })).status).toBe(200);
    expect((await get("/health", { authorization: null })).status).toBe(200);
    expect(await post("/v1/tasks", { task: "test.noop" })).toMatchObject({
      status: 404,
      body: { type: "/problems/unknown-task" },
    });
    expect((await post("/v1/tasks", { task: "process_item", input: { name: "x", steps: 1, pause: 0 } })).status).toBe(
      202,
    );
    expect((await get("/v1/tasks", { origin: ORIGIN })).headers.get("access-control-allow-origin")).toBeNull();
  });
});
