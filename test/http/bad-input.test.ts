/** Every way of getting a request wrong: each has its answer, and leaves neither a task nor a word in the log. */
import { once } from "node:events";
import { connect } from "node:net";
import { gzipSync } from "node:zlib";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { ProblemResource } from "../../src/contract/problem.ts";
import { apiOf, type Api, type BatchItem, type Call } from "./api.ts";
import { startServer, type Server } from "./server.ts";

const MIB = 1_048_576;
/** An id of the right form that was never issued. */
const NOBODY = "task_01jzzzzzzzzzzzzzzzzzzzzzzz";

let server: Server;
let api: Api;

beforeAll(async () => {
  server = await startServer();
  api = apiOf(server);
});

afterAll(() => server?.stop());

afterEach(async () => {
  const stored = await api.listAll();
  if (stored.length > 0) throw new Error(`a refused request has stored ${stored.length} tasks`);
  if (server.stderr() !== "") throw new Error(`a refused request was logged: ${server.stderr()}`);
});

/** What a refusal says to a program; throws where it says nothing to a person, or is none. */
async function refusal(method: string, path: string, call?: Call) {
  const { status, headers, body } = await api.call<ProblemResource>(method, path, call);
  const errors = body.errors ?? [];
  if (!body.title || !body.detail || errors.some((error) => !error.detail)) {
    throw new Error(`${method} ${path} was answered ${status} without words: ${JSON.stringify(body)}`);
  }
  return {
    status: [status, body.status],
    contentType: headers.get("content-type"),
    type: body.type,
    pointers: errors.map((error) => error.pointer).toSorted(),
  };
}

/** The same as it is expected. */
function problem(status: number, name: string, pointers: string[] = []) {
  return { status: [status, status], contentType: "application/problem+json", type: `/problems/${name}`, pointers };
}

/** What is answered to a submission whose bytes no client library would send. */
async function overSocket(header: string, body: string): Promise<string> {
  const { hostname, port } = new URL(server.url);
  const socket = connect(Number(port), hostname);
  const head = ["POST /v1/tasks HTTP/1.1", `host: ${hostname}`, `authorization: Bearer ${server.key}`, header];
  socket.write(`${[...head, "content-type: application/json", "connection: close"].join("\r\n")}\r\n\r\n${body}`);
  let answer = "";
  socket.setEncoding("utf8").on("data", (text: string) => {
    answer += text;
  });
  await once(socket, "close");
  return answer;
}

const submission = (body: unknown, headers: Call["headers"] = {}) => refusal("POST", "/v1/tasks", { body, headers });

const noop = (options: unknown) => ({ task: "test.noop", options });

describe("a submission", () => {
  it("of a task that is not defined is a 404 that names the task", async () => {
    for (const task of ["no.such.task", "__proto__", "constructor", "TEST.NOOP"]) {
      expect(await submission({ task })).toEqual(problem(404, "unknown-task", ["/task"]));
    }
  });

  it.each([
    ["is missing", { task: "test.add" }, ["/input"]],
    ["is null", { task: "test.add", input: null }, ["/input"]],
    ["has a member of the wrong type", { task: "test.add", input: { x: "one", y: 2 } }, ["/input/x"]],
    ["lacks members", { task: "test.add", input: {} }, ["/input/x", "/input/y"]],
    ["has an unknown member", { task: "test.add", input: { x: 1, y: 2, z: 3 } }, ["/input/z"]],
    [
      "has an unknown member with a name to escape",
      { task: "test.add", input: { x: 1, y: 2, "a/b~c": 3 } },
      ["/input/a~1b~0c"],
    ],
    ["has a value out of range", { task: "test.sleep", input: { ms: -1 } }, ["/input/ms"]],
    ["is a list for an object", { task: "test.add", input: [1, 2] }, ["/input"]],
    [
      "is wrong deep inside",
      { task: "http.request", input: { url: "https://example.com", expect: [200, "x"] } },
      ["/input/expect/1"],
    ],
    ["of the example task has no name", { task: "process_item", input: { name: "" } }, ["/input/name"]],
  ])("whose input %s is a 422 that points at it", async (_, body, pointers) => {
    expect(await submission(body)).toEqual(problem(422, "invalid-input", pointers));
  });

  it.each([
    ["unknown member", { task: "test.noop", inputs: {} }, ["/inputs"]],
    ["member called __proto__", '{"task":"test.noop","__proto__":{}}', ["/__proto__"]],
    ["unknown option", noop({ dealy: "1s" }), ["/options/dealy"]],
    ["unknown retry option", noop({ retry: { backof: "fixed" } }), ["/options/retry/backof"]],
    ["task that is no string", { task: 7 }, ["/task"]],
    ["empty task name", { task: "" }, ["/task"]],
    ["no task", {}, ["/task"]],
    ["null for a body", "null", [""]],
    ["a list for a body", "[]", [""]],
    ["a string for a body", '"test.noop"', [""]],
    ["options that are null", noop(null), ["/options"]],
    ["negative delay", noop({ delay: -1 }), ["/options/delay"]],
    ["fraction of a millisecond", noop({ delay: 0.5 }), ["/options/delay"]],
    ["duration with a space", noop({ delay: "1 s" }), ["/options/delay"]],
    ["duration in weeks", noop({ delay: "1w" }), ["/options/delay"]],
    ["duration with no number", noop({ delay: "s" }), ["/options/delay"]],
    ["empty duration", noop({ delay: "" }), ["/options/delay"]],
    ["delay of more than ten years", noop({ delay: "3651d" }), ["/options/delay"]],
    ["start that is no date", noop({ runAt: "tomorrow" }), ["/options/runAt"]],
    ["start on 30 February", noop({ runAt: "2030-02-30T00:00:00Z" }), ["/options/runAt"]],
    ["start without a time zone", noop({ runAt: "2030-01-01T00:00:00" }), ["/options/runAt"]],
    ["start as a number", noop({ runAt: 1_900_000_000_000 }), ["/options/runAt"]],
    ["delay and a start", noop({ delay: "1s", runAt: "2030-01-01T00:00:00Z" }), ["/options/runAt"]],
    ["expiry after no time", noop({ expiresIn: 0 }), ["/options/expiresIn"]],
    ["expiry in the past", noop({ expiresAt: "2020-01-01T00:00:00Z" }), ["/options/expiresAt"]],
    ["expiry in a thousand years", noop({ expiresAt: "3030-01-01T00:00:00Z" }), ["/options/expiresAt"]],
    ["two expiries", noop({ expiresIn: "1h", expiresAt: "2030-01-01T00:00:00Z" }), ["/options/expiresAt"]],
    ["start beyond the expiry", noop({ delay: "2m", expiresIn: "1m" }), ["/options/expiresIn"]],
    [
      "start at the very expiry",
      noop({ runAt: "2030-01-01T00:00:00Z", expiresAt: "2030-01-01T00:00:00Z" }),
      ["/options/expiresAt"],
    ],
    ["soft timeout over the hard one", noop({ softTimeout: "3s", timeout: "2s" }), ["/options/softTimeout"]],
    ["soft timeout over the default hard one", noop({ softTimeout: "26s" }), ["/options/softTimeout"]],
    ["timeout over the longest", noop({ timeout: "841s" }), ["/options/timeout"]],
    ["timeout over the longest, on the lane long too", noop({ timeout: "15m", lane: "long" }), ["/options/timeout"]],
    ["timeout of nothing", noop({ timeout: 0 }), ["/options/timeout"]],
    [
      "most of a debounce below its wait",
      noop({ debounce: { key: "k", wait: "5s", maxWait: "1s" } }),
      ["/options/debounce/maxWait"],
    ],
    ["lane that does not exist", noop({ lane: "express" }), ["/options/lane"]],
    ["retention below a second", noop({ retention: "999ms" }), ["/options/retention"]],
    ["retention over a year", noop({ retention: "366d" }), ["/options/retention"]],
    ["no attempts", noop({ maxAttempts: 0 }), ["/options/maxAttempts"]],
    ["half an attempt", noop({ maxAttempts: 1.5 }), ["/options/maxAttempts"]],
    ["unknown backoff", noop({ retry: { backoff: "random" } }), ["/options/retry/backoff"]],
    ["bad base", noop({ retry: { base: "soon" } }), ["/options/retry/base"]],
    ["unknown jitter", noop({ retry: { jitter: "some" } }), ["/options/retry/jitter"]],
    [
      "17 tags",
      noop({ tags: Object.fromEntries(Array.from({ length: 17 }, (_, i) => [`t${i}`, ""])) }),
      ["/options/tags"],
    ],
    ["tag in capitals", noop({ tags: { Customer: "1" } }), ["/options/tags/Customer"]],
    [
      "tag that no object would show",
      '{ "task": "test.noop", "options": { "tags": { "__proto__": "1" } } }',
      ["/options/tags/__proto__"],
    ],
    ["tag with no name", noop({ tags: { "": "1" } }), ["/options/tags/"]],
    ["tag with a long name", noop({ tags: { ["t".repeat(41)]: "1" } }), [`/options/tags/${"t".repeat(41)}`]],
    ["tag with a long value", noop({ tags: { t: "1".repeat(201) } }), ["/options/tags/t"]],
    ["tag that is a number", noop({ tags: { t: 1 } }), ["/options/tags/t"]],
  ])("with %s is a 422 that points at it", async (_, body, pointers) => {
    expect(await submission(body)).toEqual(problem(422, "invalid-body", pointers));
  });

  it("with nothing at all is a 422", async () => {
    expect(await refusal("POST", "/v1/tasks")).toEqual(problem(422, "invalid-body", [""]));
  });

  it.each([
    ["cut off", '{"task":"test.noop"'],
    ["with a trailing comma", '{"task":"test.noop",}'],
    ["in single quotes", "{'task':'test.noop'}"],
    ["of two documents", '{"task":"test.noop"}{"task":"test.noop"}'],
    ["only a blank", " "],
    ["not UTF-8", new Uint8Array([0x22, 0xff, 0x22])],
    ["nested and never closed", "[".repeat(500_000)],
  ])("whose JSON is %s is a 400", async (_, body) => {
    expect(await submission(body)).toEqual(problem(400, "invalid-json"));
  });

  it.each([
    ["501", `{"task":"test.noop","input":${"[".repeat(500)}${"]".repeat(500)}}`],
    ["100,001", `{"task":"test.noop","input":${'{"a":'.repeat(100_000)}1${"}".repeat(100_000)}}`],
  ])("that is nested %s deep is a 422", async (_, body) => {
    expect(await submission(body)).toEqual(problem(422, "invalid-body", [""]));
  });

  it.each([
    "text/plain",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "application/jsonp",
    "",
    null,
  ])("sent as %o is a 415", async (type) => {
    // A string would get a content type of its own from fetch.
    const body = new TextEncoder().encode('{"task":"test.noop"}');
    expect(await submission(body, { "content-type": type })).toEqual(problem(415, "unsupported-media-type"));
  });
});

describe("a number that JSON's readers take for infinite", () => {
  const digits = "9".repeat(400);

  it.each([
    ["in an input", '{"task":"test.noop","input":1e400}', "/input"],
    ["deep in an input", '{"task":"test.identity","input":{"value":{"a/b":[null,-1E+400]}}}', "/input/value/a~1b/1"],
    ["written out", `{"task":"test.noop","input":[${digits}]}`, "/input/0"],
  ])("%s is a 422 that points at it", async (_, body, pointer) => {
    expect(await submission(body)).toEqual(problem(422, "invalid-input", [pointer]));
  });

  it("is its own item's fault in a batch", async () => {
    const good = '{"task":"no.such.task","input":null}';
    const { body } = await api.post<{ items: BatchItem[] }>(
      "/v1/tasks/batch",
      `{"tasks":[${good},{"task":"test.noop","input":1e999}]}`,
    );
    expect(body.items.map(({ problem: found }) => [found?.type, found?.errors?.[0]?.pointer])).toEqual([
      ["/problems/unknown-task", "/task"],
      ["/problems/invalid-input", "/input"],
    ]);
  });

  it.each([
    ["of a node", '{"chain":[{"task":"test.noop","input":{"a":1e400}}]}', "/chain/0/input/a"],
    [
      "beside a reference",
      '{"chain":[{"task":"test.noop"},{"task":"test.noop","input":[{"$from":"previous"},1e400]}]}',
      "/chain/1/input/1",
    ],
    ["in a map", '{"map":{"task":"test.noop","inputs":[1,1e400]}}', "/map/inputs/1"],
  ])("%s is a fault of its flow", async (_, body, pointer) => {
    expect(await refusal("POST", "/v1/flows", { body })).toEqual(problem(422, "invalid-body", [pointer]));
  });
});

describe("a body that cannot be read", () => {
  it.each(["gzip", "br", "gzip, identity", "x-unknown"])("in the coding %j is a 415", async (coding) => {
    const headers = { "content-encoding": coding };
    const body = new Uint8Array(gzipSync('{"task":"test.noop"}'));
    expect(await submission(body, { ...headers, "content-type": "application/json" })).toEqual(
      problem(415, "unsupported-media-type"),
    );
    const answer = await api.post("/v1/tasks", { task: "test.noop" }, headers);
    expect(answer.headers.get("accept-encoding")).toBe("identity");
  });

  it("in the coding identity is read", async () => {
    const answer = await submission({ task: "no.such.task" }, { "content-encoding": "identity" });
    expect(answer).toEqual(problem(404, "unknown-task", ["/task"]));
  });

  it.each([
    ["whose chunk has no length", "zz\r\n{}\r\n0\r\n\r\n"],
    ["whose chunk is longer than its length", "2\r\n{}{}\r\n0\r\n\r\n"],
  ])("%s is a 400", async (_, body) => {
    const answer = await overSocket("transfer-encoding: chunked", body);
    expect(answer).toMatch(/^HTTP\/1\.1 400 /);
  });
});

describe("a body over 1 MiB", () => {
  const fits = problem(404, "unknown-task", ["/task"]);
  const isTooLarge = problem(413, "payload-too-large");
  const bodyOf = (bytes: number) => {
    const [head, tail] = ['{"task":"no.such.task","input":"', '"}'];
    return head + "x".repeat(bytes - head.length - tail.length) + tail;
  };

  it("is a 413, to the byte", async () => {
    expect(await submission(bodyOf(MIB))).toEqual(fits);
    expect(await submission(bodyOf(MIB + 1))).toEqual(isTooLarge);
  });

  it("is a 413 where its length is not told", async () => {
    const stream = (text: string) => new Blob([text]).stream();
    expect(await submission(stream(bodyOf(MIB)))).toEqual(fits);
    expect(await submission(stream(bodyOf(MIB + 1)))).toEqual(isTooLarge);
  });

  it("is a 413 that reaches a client which is still sending", async () => {
    // Where the answer came before the body was read, up to half of these saw a broken connection instead.
    for (let i = 0; i < 20; i++) expect(await submission(bodyOf(8 * MIB))).toEqual(isTooLarge);
  });

  it("is a 413 of every operation that takes a body", async () => {
    const body = bodyOf(MIB + 1);
    const paths = ["batch", "cancel", "retry", "delete", `${NOBODY}/cancel`, `${NOBODY}/retry`];
    for (const path of paths) expect(await refusal("POST", `/v1/tasks/${path}`, { body })).toEqual(isTooLarge);
  });

  it("counts bytes, not characters", async () => {
    const body = `{"task":"no.such.task","input":"${"ü".repeat(MIB / 2)}"}`;
    expect(body.length).toBeLessThan(MIB);
    expect(await submission(body)).toEqual(isTooLarge);
  });
});

describe("a query", () => {
  it.each([
    ["/v1/tasks?state=failed,expired", "name the parameter once for each value: state=failed&state=expired"],
    ["/v1/flows?state=queued", "must be one of running, succeeded, failed, cancelled"],
    ["/v1/tasks?stat=failed", "unknown parameter; did you mean state?"],
  ])("of %s says what would be right", async (path, detail) => {
    expect((await api.get<{ errors: { detail: string }[] }>(path)).body.errors[0]?.detail).toBe(detail);
  });

  it("names the task that was meant", async () => {
    const { status, body } = await api.post<{ detail: string }>("/v1/tasks", {
      task: "proces_item",
      input: { name: "x" },
    });

    expect(status).toBe(404);
    expect(body.detail).toBe('No task is called "proces_item" here; did you mean process_item?');
  });

  it.each([
    ["/v1/tasks?colour=red", "colour"],
    ["/v1/tasks?limit=0", "limit"],
    ["/v1/tasks?limit=201", "limit"],
    ["/v1/tasks?limit=-1", "limit"],
    ["/v1/tasks?limit=ten", "limit"],
    ["/v1/tasks?limit=", "limit"],
    ["/v1/tasks?limit=1&limit=2", "limit"],
    ["/v1/tasks?state=done", "state"],
    ["/v1/tasks?state=failed&state=done", "state"],
    ["/v1/tasks?createdAfter=yesterday", "createdAfter"],
    ["/v1/tasks?createdBefore=2026-01-01", "createdBefore"],
    ["/v1/tasks?q=*", "q"],
    ["/v1/tasks?parentId=task_1", "parentId"],
    ["/v1/tasks?rootId=", "rootId"],
    ["/v1/tasks?waitLongerThan=5min", "waitLongerThan"],
    ["/v1/tasks?runLongerThan=0", "runLongerThan"],
    ["/v1/tasks?sort=oldest", "sort"],
    ["/v1/tasks?count=exact", "count"],
    ["/v1/tasks?tag.Customer=1", "tag.Customer"],
    ["/v1/tasks?tag.=1", "tag."],
    [`/v1/tasks/${NOBODY}?verbose=1`, "verbose"],
    [`/v1/tasks/${NOBODY}?links=signed&linksTtl=0`, "linksTtl"],
    [`/v1/tasks/${NOBODY}?links=signed&linksTtl=86401`, "linksTtl"],
    [`/v1/tasks/${NOBODY}?links=unsigned`, "links"],
    [`/v1/tasks/${NOBODY}/events?since=1`, "since"],
    [`/v1/tasks/${NOBODY}/events?after=last`, "after"],
    ["/health?verbose", "verbose"],
    ["/v1/tasks?__proto__=1", "__proto__"],
    ["/v1/tasks?__proto__=1&__proto__=2", "__proto__"],
    ["/v1/tasks?constructor=1", "constructor"],
    ["/v1/lanes?__proto__=1", "__proto__"],
    ["/v1/tasks?toString", "toString"],
  ])("of %s is a 400 that points at the parameter", async (path, name) => {
    expect(await refusal("GET", path)).toEqual(problem(400, "invalid-query", [`/query/${name}`]));
  });

  it("of a submission is a 400 that points at the parameter", async () => {
    for (const path of ["/v1/tasks", "/v1/tasks/batch", "/v1/tasks/cancel", `/v1/tasks/${NOBODY}/cancel`]) {
      const answer = await refusal("POST", `${path}?dryRun=1`, { body: {} });
      expect(answer).toEqual(problem(400, "invalid-query", ["/query/dryRun"]));
    }
  });

  it.each(["", "!!", "1", "MTp4", "%00", btoa(`2:${NOBODY}`), "a".repeat(3_000)])(
    "with the cursor %j is a 400 that points at it",
    async (cursor) => {
      const answer = await refusal("GET", `/v1/tasks?cursor=${cursor}`);
      expect(answer).toEqual(problem(400, "invalid-cursor", ["/query/cursor"]));
    },
  );

  it("for a lane that does not exist is a 404", async () => {
    const notFound = problem(404, "not-found");
    expect(await refusal("GET", "/v1/tasks?lane=express")).toEqual(notFound);
    expect(await refusal("POST", "/v1/tasks/cancel", { body: { filter: { lane: "express" } } })).toEqual(notFound);
  });
});

describe("an address", () => {
  it.each([
    ["PUT", "/v1/tasks", ["GET", "POST"]],
    ["DELETE", "/v1/tasks", ["GET", "POST"]],
    ["PUT", `/v1/tasks/${NOBODY}`, ["DELETE", "GET", "PATCH"]],
    ["POST", `/v1/tasks/${NOBODY}`, ["DELETE", "GET"]],
    ["GET", `/v1/tasks/${NOBODY}/cancel`, ["POST"]],
    ["POST", `/v1/tasks/${NOBODY}/events`, ["GET"]],
    ["DELETE", "/health", ["GET"]],
    ["POST", "/", ["GET", "HEAD"]],
    ["DELETE", "/", ["GET", "HEAD"]],
    ["PUT", "/docs", ["GET", "HEAD"]],
    ["POST", "/problems/not-found", ["GET"]],
    ["GET", "/item", ["POST"]],
    ["POST", `/check-task/${NOBODY}`, ["GET"]],
  ])("answers %s %s with 405 and what it allows", async (method, path, allowed) => {
    expect(await refusal(method, path)).toEqual(problem(405, "method-not-allowed"));
    const allow = (await api.call(method, path)).headers.get("allow")?.split(", ");
    expect(allow).toEqual(expect.arrayContaining(allowed));
    expect(allow).not.toContain(method);
  });

  it.each([
    "/nothing",
    "/v1",
    "/v1/",
    "/v1/task",
    "/v1/tasks/",
    "//v1/tasks",
    "/v2/tasks",
    "/v1/tasks/%E0%A4%A",
    "/.dev.vars",
    "/../wrangler.toml",
  ])("of %s is a 404", async (path) => {
    expect(await refusal("GET", path)).toEqual(problem(404, "not-found"));
  });

  it("of a task that was never issued is a 404, whatever is asked of it", async () => {
    for (const id of [NOBODY, "1", "task_", `${NOBODY}0`, NOBODY.toUpperCase(), "%00", "'--", "__proto__"]) {
      const answers = await Promise.all([
        refusal("GET", `/v1/tasks/${id}`),
        refusal("GET", `/v1/tasks/${id}/events`),
        refusal("POST", `/v1/tasks/${id}/cancel`),
        refusal("POST", `/v1/tasks/${id}/retry`),
        refusal("DELETE", `/v1/tasks/${id}`),
      ]);
      expect(answers).toEqual(answers.map(() => problem(404, "not-found")));
    }
  });
});

describe("a caller", () => {
  const wrong: [string, string | null][] = [
    ["no key", null],
    ["an empty header", ""],
    ["an empty key", "Bearer "],
    ["a wrong key", "Bearer another-key"],
    ["a key that goes on", "Bearer test-key2"],
    ["a key that stops short", "Bearer test-ke"],
    ["another scheme", "Basic dGVzdC1rZXk6"],
    ["the key alone", "test-key"],
    ["a key that is not ASCII", "Bearer test-kéy"],
  ];

  it.each(wrong)("with %s gets a 401 with a challenge", async (_, authorization) => {
    expect(await refusal("GET", "/v1/tasks", { headers: { authorization } })).toEqual(problem(401, "unauthorized"));
    const { headers } = await api.get("/v1/tasks", { authorization });
    expect(headers.get("www-authenticate")).toMatch(/^Bearer\b/);
  });

  it("without a key gets a 401 wherever it goes under /v1, and learns nothing else", async () => {
    const asked: [string, string, unknown][] = [
      ["POST", "/v1/tasks", { task: "test.noop" }],
      ["POST", "/v1/tasks", { task: "no.such.task" }],
      ["POST", "/v1/tasks", "{"],
      ["POST", "/v1/tasks/batch", { tasks: [{ task: "test.noop" }] }],
      ["GET", "/v1/tasks?colour=red", undefined],
      ["GET", `/v1/tasks/${NOBODY}`, undefined],
      ["GET", `/v1/tasks/${NOBODY}/events`, undefined],
      ["POST", `/v1/tasks/${NOBODY}/cancel`, undefined],
      ["POST", `/v1/tasks/${NOBODY}/retry`, undefined],
      ["DELETE", `/v1/tasks/${NOBODY}`, undefined],
      ["POST", "/v1/tasks/delete", { filter: { task: "test.noop" } }],
      ["PUT", "/v1/tasks", undefined],
      ["GET", "/v1/nothing", undefined],
    ];
    for (const [method, path, body] of asked) {
      const answer = await refusal(method, path, { body, headers: { authorization: null } });
      expect(answer).toEqual(problem(401, "unauthorized"));
    }
  });

  it("with a token that is none of ours gets a 401", async () => {
    const without = { headers: { authorization: null } };
    for (const token of ["", "x", "e30.e30.e30"]) {
      const answer = await refusal("GET", `/v1/tasks/${NOBODY}?token=${token}`, without);
      expect(answer).toEqual(problem(401, "unauthorized"));
    }
  });
});

describe("an Idempotency-Key", () => {
  it.each(["", '""', "k".repeat(256), `"${"k".repeat(256)}"`, "schlüssel", "two words", "\ttab\tinside"])(
    "of %j is a 400",
    async (key) => {
      for (const [path, body] of [
        ["/v1/tasks", { task: "test.noop" }],
        ["/v1/tasks/batch", { tasks: [{ task: "test.noop" }] }],
      ] as const) {
        const answer = await refusal("POST", path, { body, headers: { "idempotency-key": key } });
        expect(answer).toEqual(problem(400, "invalid-idempotency-key"));
      }
    },
  );

  it("of a request that was refused is not used up", async () => {
    const headers = { "idempotency-key": "refused-once" };
    const first = await submission({ task: "test.add", input: { x: 1 } }, headers);
    expect(first).toEqual(problem(422, "invalid-input", ["/input/y"]));
    const second = await submission({ task: "no.such.task" }, headers);
    expect(second).toEqual(problem(404, "unknown-task", ["/task"]));
  });
});

describe("a verb", () => {
  it("with an unknown member is a 422 that points at it", async () => {
    for (const [path, body, pointer] of [
      [`${NOBODY}/cancel`, { why: "x" }, "/why"],
      [`${NOBODY}/cancel`, { reason: 1 }, "/reason"],
      [`${NOBODY}/retry`, { inputs: {} }, "/inputs"],
      ["cancel", { filters: {}, filter: { task: "x" } }, "/filters"],
      ["cancel", { filter: { state: ["done"] } }, "/filter/state"],
      ["cancel", { filter: { state: Array.from({ length: 1_000 }, () => "failed") } }, "/filter/state"],
      ["retry", { filter: { task: "x", colour: "red" } }, "/filter/colour"],
      ["delete", { filter: { task: "x" }, dryRun: "yes" }, "/dryRun"],
    ] as const) {
      const answer = await refusal("POST", `/v1/tasks/${path}`, { body });
      expect(answer).toEqual(problem(422, "invalid-body", [pointer]));
    }
  });

  it("with broken JSON is a 400, and with another type a 415", async () => {
    for (const path of ["cancel", "retry", "delete", "batch", `${NOBODY}/cancel`, `${NOBODY}/retry`]) {
      const broken = await refusal("POST", `/v1/tasks/${path}`, { body: "{" });
      expect(broken).toEqual(problem(400, "invalid-json"));
      const text = await refusal("POST", `/v1/tasks/${path}`, {
        body: "{}",
        headers: { "content-type": "text/plain" },
      });
      expect(text).toEqual(problem(415, "unsupported-media-type"));
    }
  });

  it("in bulk is refused without a filter", async () => {
    for (const verb of ["cancel", "retry", "delete"]) {
      for (const body of [{}, { dryRun: true }, { filter: {} }, { filter: null }]) {
        const answer = await refusal("POST", `/v1/tasks/${verb}`, { body });
        expect(answer).toEqual(problem(422, "invalid-body", ["/filter"]));
      }
      const untagged = await refusal("POST", `/v1/tasks/${verb}`, { body: { filter: { tags: {} } } });
      expect(untagged).toEqual(problem(422, "invalid-body", ["/filter/tags"]));
      const hidden = await refusal("POST", `/v1/tasks/${verb}`, {
        body: '{ "filter": { "tags": { "__proto__": "" } } }',
      });
      expect(hidden).toEqual(problem(422, "invalid-body", ["/filter/tags/__proto__"]));
    }
  });
});

describe("a batch", () => {
  it.each([
    ["no list", {}, ["/tasks"]],
    ["an empty list", { tasks: [] }, ["/tasks"]],
    ["1,001 items", { tasks: Array.from({ length: 1_001 }, () => ({ task: "test.noop" })) }, ["/tasks"]],
    ["an unknown member", { tasks: [{ task: "test.noop" }], atomic: true }, ["/atomic"]],
  ])("with %s is a 422", async (_, body, pointers) => {
    expect(await refusal("POST", "/v1/tasks/batch", { body })).toEqual(problem(422, "invalid-body", pointers));
  });

  it("of bad items alone stores nothing and says of each what was wrong", async () => {
    const tasks = [{ task: "no.such.task" }, null, { task: "test.add", input: { x: 1 } }, noop({ lane: "express" }), 7];
    const { status, body } = await api.post<{ items: BatchItem[] }>("/v1/tasks/batch", { tasks });
    expect(status).toBe(207);
    expect(body.items.map((item) => [item.status, item.problem?.type, item.problem?.errors?.[0]?.pointer])).toEqual([
      [404, "/problems/unknown-task", "/task"],
      [422, "/problems/invalid-body", ""],
      [422, "/problems/invalid-input", "/input/y"],
      [422, "/problems/invalid-body", "/options/lane"],
      [422, "/problems/invalid-body", ""],
    ]);
    expect(body.items.some((item) => item.task)).toBe(false);
  });
});

describe("a batch of good and bad items", () => {
  it("keeps the good ones, and answers all in order", async () => {
    const tasks = Array.from({ length: 60 }, (_, i) => ({
      task: "test.identity",
      input: { value: i },
      ...(i % 3 === 1 ? { typo: i } : {}),
    }));
    const { status, body } = await api.post<{ items: BatchItem[] }>("/v1/tasks/batch", { tasks });
    expect(status).toBe(207);
    expect(body.items.map((item) => item.status)).toEqual(tasks.map((_, i) => (i % 3 === 1 ? 422 : 202)));
    const refused = body.items.flatMap((item) => item.problem?.errors ?? []);
    expect(refused.map((error) => error.pointer)).toEqual(Array.from({ length: 20 }, () => "/typo"));
    const ids = body.items.flatMap((item) => item.task?.id ?? []);
    const ended = await Promise.all(ids.map((id) => api.waitForEnd(id)));
    expect(ended.map((task) => task.result)).toEqual(
      tasks
        .keys()
        .filter((i) => i % 3 !== 1)
        .toArray(),
    );
    expect(await api.post("/v1/tasks/delete", { filter: { ids } })).toMatchObject({
      body: { matched: 40, changed: 40 },
    });
  });
});
