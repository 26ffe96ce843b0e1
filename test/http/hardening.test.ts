/** What every answer has in common, and what the logs say. */
import { randomUUID } from "node:crypto";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { TaskResource } from "../../src/contract/task.ts";
import { apiOf, type Api } from "./api.ts";
import { startServer, type Server } from "./server.ts";

const FRIEND = "http://friend.example";
const SERVICE_KEY = randomUUID();

let server: Server;
let api: Api;

beforeAll(async () => {
  server = await startServer({ allowOrigins: [FRIEND], key: SERVICE_KEY, keyBy: "environment" });
  api = apiOf(server);
});

afterAll(() => server?.stop());

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** The answer to a WebSocket upgrade, which `fetch` cannot ask for. */
async function upgrade(path: string): Promise<{ status: number; headers: Headers }> {
  return new Promise((resolve, reject) => {
    const headers = {
      authorization: `Bearer ${server.key}`,
      connection: "Upgrade",
      upgrade: "websocket",
      "sec-websocket-version": "13",
      "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
    };
    const asked = request(server.url + path, { headers });
    asked.on("upgrade", (answer, socket) => {
      socket.destroy();
      const known = Object.entries(answer.headers).map(([name, value]): [string, string] => [name, String(value)]);
      resolve({ status: answer.statusCode ?? 0, headers: new Headers(known) });
    });
    asked.on("error", reject);
    asked.end();
  });
}

describe("every answer", () => {
  it("has the security headers and a request id, whatever kind it is of", async () => {
    const { id } = await api.submit("test.noop");
    await api.waitForEnd(id);
    const asset = /assets\/[\w.-]+\.js/.exec((await api.get<string>("/")).body)?.[0];
    const key = { authorization: `Bearer ${server.key}` };
    const json = { ...key, "content-type": "application/json" };
    const etag = (await api.get(`/v1/tasks/${id}`)).headers.get("etag")!;
    const asked: [number, string, RequestInit?][] = [
      [200, "/"],
      [200, "/docs"],
      [200, `/${asset}`],
      [200, "/problems/conflict", { headers: { accept: "text/html" } }],
      [200, "/openapi.json"],
      [200, "/health"],
      [200, `/v1/tasks/${id}`, { headers: key }],
      [200, `/v1/tasks/${id}/events`, { headers: { ...key, accept: "text/event-stream" } }],
      [200, "/v1/tasks", { method: "HEAD", headers: key }],
      [204, "/v1/tasks", { method: "OPTIONS" }],
      [304, `/v1/tasks/${id}`, { headers: { ...key, "if-none-match": etag } }],
      [400, "/v1/tasks", { method: "POST", headers: json, body: "{" }],
      [401, "/v1/tasks"],
      [404, "/nothing"],
      [404, "/v1/nothing", { headers: key }],
      [405, "/health", { method: "DELETE" }],
      [413, "/v1/tasks", { method: "POST", headers: json, body: "x".repeat(1_100_000) }],
      [415, "/v1/tasks", { method: "POST", headers: key, body: "x" }],
      [422, "/v1/tasks", { method: "POST", headers: json, body: "{}" }],
      [422, "/item", { method: "POST", headers: json, body: "{}" }],
    ];
    const answers = await Promise.all(
      asked.map(async ([, path, init]) => {
        const answer = await fetch(server.url + path, init);
        await answer.body?.cancel();
        return answer;
      }),
    );
    const all = [...answers, await upgrade(`/v1/tasks/${id}/events`)];
    expect(all.map((answer) => answer.status)).toEqual([...asked.map(([status]) => status), 101]);
    for (const { headers } of all) {
      expect(Object.fromEntries(headers)).toMatchObject({
        "request-id": expect.stringMatching(UUID) as string,
        "content-security-policy": expect.stringMatching(/^default-src 'self';(?!.*unsafe)/) as string,
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
        "referrer-policy": "no-referrer",
        "strict-transport-security": expect.stringMatching(/max-age=\d{7,}/) as string,
      });
    }
  });

  it("names the request as the caller did, where that does no harm", async () => {
    const idOf = async (given: string) =>
      (await api.get("/v1/tasks?limit=1", { "request-id": given })).headers.get("request-id");
    expect(await idOf("checkout-42:a.b_c")).toBe("checkout-42:a.b_c");
    for (const given of ["x".repeat(65), "two words", '"quoted"', "<script>", "a,b"])
      expect(await idOf(given)).toMatch(UUID);
  });

  it("under /v1 is kept in no cache", async () => {
    for (const path of ["/v1/tasks", "/v1/keys", "/v1/tasks/nobody", "/v1/nothing"]) {
      expect((await api.get(path)).headers.get("cache-control")).toMatch(/no-store|no-cache/);
    }
  });
});

describe("HEAD and OPTIONS", () => {
  it("answer as GET would, without the body and without a stream that never ends", async () => {
    const { id } = await api.submit("test.noop", null, { delay: "1h" });
    const headers = { accept: "text/event-stream" };
    for (const path of [`/v1/tasks/${id}`, `/v1/tasks/${id}/events`, "/v1/tasks", "/health", "/docs"]) {
      const { status, body, headers: told } = await api.call("HEAD", path, { headers });
      expect([path, status, body]).toEqual([path, 200, ""]);
      const got = await fetch(server.url + path, { headers: { ...headers, authorization: `Bearer ${server.key}` } });
      expect([path, told.get("content-type")]).toEqual([path, got.headers.get("content-type")]);
      await got.body?.cancel();
    }
  });

  it("tell the methods of an address, and let in only the origins that are named", async () => {
    const preflight = async (origin: string) =>
      api.call("OPTIONS", "/v1/tasks", {
        headers: { origin, "access-control-request-method": "POST", authorization: null },
      });
    const friend = await preflight(FRIEND);
    expect([friend.status, friend.headers.get("allow")]).toEqual([204, "GET, HEAD, POST, OPTIONS"]);
    expect(friend.headers.get("access-control-allow-origin")).toBe(FRIEND);
    expect(friend.headers.get("access-control-allow-credentials")).toBeNull();
    const stranger = await preflight("http://friend.example.evil.example");
    expect(stranger.headers.get("access-control-allow-origin")).toBeNull();
  });
});

describe("the trace of a submission", () => {
  it("is carried to the attempt and told on the task", async () => {
    const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    const submission = { task: "test.context" };
    const headers = { traceparent, prefer: "wait=30" };
    const { body } = await api.post<TaskResource>("/v1/tasks", submission, headers);
    expect(body).toMatchObject({ state: "succeeded", traceparent, result: { traceparent } });
  });

  it("is left out where it is none", async () => {
    const ids = "0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331";
    const none = [
      "00-0-0-00",
      `00-${"0".repeat(32)}-b7ad6b7169203331-01`,
      `ff-${ids}-01`,
      `00-${ids}-01-more`,
      `01-${ids}-01more`,
    ];
    for (const traceparent of none) {
      const { status, body } = await api.post<TaskResource>("/v1/tasks", { task: "test.noop" }, { traceparent });
      expect([status, body.traceparent]).toEqual([202, null]);
    }
  });

  it("of a later version is carried on in ours", async () => {
    const ids = "0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331";
    for (const [given, carried] of [
      [`01-${ids}-01-what-the-future-holds`, `00-${ids}-01`],
      [`cc-${ids}-fe`, `00-${ids}-00`],
      [`01-${ids}-03`, `00-${ids}-01`],
    ] as const) {
      const answer = await api.post<TaskResource>("/v1/tasks", { task: "test.noop" }, { traceparent: given });
      expect(answer.body.traceparent).toBe(carried);
    }
  });
});

describe("the logs", () => {
  it("are lines of JSON that name the task and the attempt, and never an input, an error's words or a key", async () => {
    const secret = "correct-horse-battery-staple";
    const failed = await api.submit("test.fail", { message: secret, retryable: false });
    const late = await api.submit(
      "test.stubborn",
      { ms: 2_000 },
      { timeout: "100ms", maxAttempts: 1, tags: { secret } },
    );
    expect((await api.waitForEnd(failed.id)).error?.message).toBe(secret);
    await api.waitForEnd(late.id);
    await api.get(`/v1/tasks/${secret}`, { authorization: `Bearer ${secret}` });
    await api.post("/v1/tasks", { task: secret, input: secret });

    await expect.poll(() => server.stderr()).toContain(late.id);
    const lines = server
      .stderr()
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as object);
    expect(lines).toContainEqual({
      event: "attempt_failed",
      taskId: failed.id,
      attempt: 1,
      task: "test.fail",
      outcome: "failed",
      error: "NonRetryableError",
      ms: expect.any(Number) as number,
    });
    expect(lines).toContainEqual(expect.objectContaining({ taskId: late.id, attempt: 1, outcome: "timeout" }));
    expect(server.stderr()).not.toContain(secret);
    expect(server.stderr()).not.toContain(server.key);
  });

  it("nor the answers' headers hold the token of a link", async () => {
    const { id } = await api.submit("test.noop", null, { delay: "1h" });
    const { links } = (await api.get<TaskResource>(`/v1/tasks/${id}?links=signed`)).body;
    const read = new URL(links.self, server.url).searchParams.get("token")!;
    const asked: [method: string, path: string][] = [
      ["GET", links.self],
      ["GET", links.events],
      ["POST", `${links.self}&limit=1`],
      ["GET", `/v1/tasks?limit=1&token=${read}`],
      ["GET", `/v1/nothing?token=${read}`],
      ["GET", `${links.self}&unknown=1`],
      ["POST", links.cancel],
    ];
    for (const [method, path] of asked) {
      const given = new URL(path, server.url).searchParams.get("token")!;
      // A list's pages are linked to, also for a caller that has a key and shows a token without need.
      for (const authorization of [null, `Bearer ${server.key}`]) {
        const { headers, body, status } = await api.call(method, path, { headers: { authorization } });
        expect(status).not.toBe(500);
        expect(JSON.stringify([...headers])).not.toContain(given);
        expect(status >= 400 && JSON.stringify(body).includes(given)).toBe(false);
      }
      expect(server.stderr()).not.toContain(given);
    }
  });

  it("and traces of the platform, which would hold whole addresses, are off", () => {
    const toml = readFileSync(join(import.meta.dirname, "../../wrangler.toml"), "utf8");
    expect(toml).toMatch(/\[observability\.traces\]\nenabled = false\n/);
    expect(toml).toMatch(/\ninvocation_logs = false\n/);
  });
});

describe("other users of this machine", () => {
  it("can read nothing of what is stored", async () => {
    await api.submit("test.noop");
    const files = readdirSync(join(server.persist, "v3"), { recursive: true, encoding: "utf8" });
    expect(files.filter((file) => file.endsWith(".sqlite")).length).toBeGreaterThan(0);
    const open = ["", ...files].filter((file) => (statSync(join(server.persist, "v3", file)).mode & 0o077) !== 0);
    expect(open).toEqual([]);
  });

  it("see the key in no list of processes, and no process but the service has it in its environment", () => {
    const processes = readdirSync("/proc").filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid);
    const read = (pid: string, file: string) => {
      try {
        return readFileSync(`/proc/${pid}/${file}`, "latin1");
      } catch {
        return ""; // Another user's, or gone.
      }
    };
    expect(processes.filter((pid) => read(pid, "cmdline").includes(server.persist))).not.toEqual([]);
    expect(processes.filter((pid) => read(pid, "cmdline").includes(SERVICE_KEY))).toEqual([]);
    const workerd = processes.filter((pid) => read(pid, "cmdline").split("\0")[0]?.includes("workerd"));
    expect(workerd).not.toEqual([]);
    expect(workerd.filter((pid) => read(pid, "environ").includes(SERVICE_KEY))).toEqual([]);
  });
});
