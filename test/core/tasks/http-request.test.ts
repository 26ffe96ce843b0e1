import fc from "fast-check";
import { afterEach, describe, expect, it, vi } from "vitest";
import { NonRetryableError, RetryAfterError } from "../../../src/core/errors.ts";
import { endingOf } from "../../../src/core/settle.ts";
import { httpRequest } from "../../../src/app/tasks/http-request.ts";
import { fakeContext } from "./fake-context.ts";

interface Sent {
  url: string;
  method: string;
  headers: Headers;
  body: unknown;
}

/** Answers the requests in turn, the last answer for ever, and keeps what was sent. */
function server(...answers: (() => Response)[]): Sent[] {
  const sent: Sent[] = [];
  vi.spyOn(globalThis, "fetch").mockImplementation((input, init) => {
    const request = init as RequestInit;
    sent.push({
      url: input instanceof Request ? input.url : input.toString(),
      method: String(request.method),
      headers: new Headers(request.headers),
      body: request.body,
    });
    const answer = answers[Math.min(sent.length, answers.length) - 1];
    return answer ? Promise.resolve(answer()) : Promise.reject(new TypeError("Network connection lost."));
  });
  return sent;
}

function redirect(status: number, location: string): () => Response {
  return () => new Response("moved", { status, headers: { location } });
}

const ok = () => new Response("thanks");

async function run(input: unknown, ctx = fakeContext()): Promise<unknown> {
  return httpRequest.run(httpRequest.input.parse(input), ctx);
}

async function failure(input: unknown, ctx = fakeContext()): Promise<unknown> {
  return run(input, ctx).then(
    () => expect.unreachable("it should have failed"),
    (error: unknown) => error,
  );
}

const URL = "https://api.example.com/orders";

describe("http.request", () => {
  afterEach(() => void vi.restoreAllMocks());

  it("gives back status, headers and body", async () => {
    server(() => new Response("thanks", { status: 201, headers: { "X-Order": "7", "content-type": "text/plain" } }));
    const result = await run({ url: URL });
    expect(result).toEqual({ status: 201, headers: { "x-order": "7", "content-type": "text/plain" }, body: "thanks" });
    expect(httpRequest.output.parse(result)).toEqual(result);
  });

  it("gives back headers that are called like members of every object", async () => {
    const names = ["constructor", "tostring", "__proto__", "hasownproperty"];
    server(() => new Response(null, { headers: names.map((name): [string, string] => [name, "a"]) }));
    const { headers } = (await run({ url: URL })) as { headers: Record<string, string> };
    expect(new Map(Object.entries(headers))).toEqual(new Map(names.map((name) => [name, "a"])));
    server(() => new Response(null, { headers: [["constructor", "a"]] }));
    expect(JSON.stringify(httpRequest.output.parse(await run({ url: URL })))).toContain('"constructor":"a"');
  });

  it("sends headers that are called like members of every object, and refuses the one that JSON would lose", async () => {
    const sent = server(ok);
    await run({ url: URL, headers: { constructor: "a", tostring: "b" } });
    expect(sent[0]!.headers.get("constructor")).toBe("a");
    const lost = httpRequest.input.safeParse(JSON.parse(`{"url":"${URL}","headers":{"__proto__":"a"}}`));
    expect(lost.error?.issues.map((issue) => issue.path)).toEqual([["headers", "__proto__"]]);
  });

  it.each<[string, string | null, number[], string]>([
    ["UTF-8 where nothing is said", null, [0xc3, 0xbc], "ü"],
    ["the charset of the header", "text/html; charset=ISO-8859-1", [0xfc], "ü"],
    ["a quoted one, in any case", 'text/plain; Charset="windows-1251"; a=b', [0xde], "Ю"],
    ["more than one byte for a character", "text/plain;charset=shift_jis", [0x82, 0xa0], "あ"],
    ["UTF-16", "text/plain; charset=utf-16le", [0xfc, 0x00], "ü"],
    ["a byte order mark before the header", "text/plain; charset=iso-8859-1", [0xef, 0xbb, 0xbf, 0xc3, 0xbc], "ü"],
    ["a byte order mark of UTF-16", "text/plain", [0xfe, 0xff, 0x00, 0xfc], "ü"],
    ["UTF-8 where the charset is unknown", "text/plain; charset=klingon", [0xc3, 0xbc], "ü"],
    ["UTF-8 where the charset is empty", 'text/plain; charset=""', [0xc3, 0xbc], "ü"],
    ["UTF-8 with a mark for each byte that is none", "text/plain; charset=x", [0x61, 0xfc], "a\ufffd"],
  ])("reads the body as %s", async (_, type, bytes, text) => {
    server(() => new Response(new Uint8Array(bytes), { headers: type === null ? {} : { "content-type": type } }));
    expect(await run({ url: URL })).toMatchObject({ body: text });
  });

  it.each([
    [{}, "GET", null, null],
    [{ method: "DELETE" }, "DELETE", null, null],
    [{ body: "a=b" }, "POST", "a=b", null],
    [{ body: "a=b", method: "PUT" }, "PUT", "a=b", null],
    [{ body: { a: [1, null] } }, "POST", '{"a":[1,null]}', "application/json"],
    [{ body: 0 }, "POST", "0", "application/json"],
    [{ body: null }, "POST", "null", "application/json"],
    [
      { body: { a: 1 }, headers: { "Content-Type": "application/cloudevents+json" } },
      "POST",
      '{"a":1}',
      "application/cloudevents+json",
    ],
  ])("sends %j as %s with %j", async (input, method, body, contentType) => {
    const [request] = await run({ url: URL, ...input }, (server(ok), fakeContext())).then(() => calls());
    expect(request?.method).toBe(method);
    expect(request?.body ?? null).toBe(body);
    expect(new Headers(request?.headers).get("content-type")).toBe(contentType);
  });

  it("says who delivers, the same key for every attempt", async () => {
    const sent = server(ok);
    const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    await run({ url: URL }, fakeContext({ id: "task_9", attempt: 2, traceparent }));
    expect(Object.fromEntries(sent[0]?.headers ?? [])).toMatchObject({
      "lovage-task-id": "task_9",
      "lovage-attempt": "2",
      "idempotency-key": "task_9",
      traceparent,
    });
    await run({ url: URL, headers: { "Idempotency-Key": "mine", "X-A": "1" } });
    expect(sent[1]?.headers.get("idempotency-key")).toBe("mine");
    expect(sent[1]?.headers.get("x-a")).toBe("1");
    expect(sent[1]?.headers.has("traceparent")).toBe(false);
  });

  it.each([
    "Host",
    "content-length",
    "Connection",
    "Transfer-Encoding",
    "keep-alive",
    "TE",
    "trailer",
    "upgrade",
    "expect",
    "proxy-connection",
    "Lovage-Task-Id",
    "",
    "a b",
    "a:b",
    "a\r\nb",
    "é",
  ])("refuses the header %j by its name", (name) => {
    const { error } = httpRequest.input.safeParse({ url: URL, headers: { [name]: "1" } });
    expect(error?.issues.map((issue) => issue.path)).toEqual([["headers", name]]);
  });

  it.each(["a\nb: c", "a\r\nb: c", "a\0b", "é", "日本"])("refuses the header value %j", (value) => {
    expect(httpRequest.input.safeParse({ url: URL, headers: { "x-a": value } }).success).toBe(false);
  });

  it("lets through only headers that the platform takes too", () => {
    const text = fc.string({
      unit: fc.constantFrom(
        "a",
        "Z",
        "9",
        "-",
        "!",
        ":",
        ";",
        " ",
        ",",
        "\t",
        "\r",
        "\n",
        "\0",
        "\x7f",
        "\x1f",
        "é",
        "日",
      ),
      maxLength: 4,
    });
    fc.assert(
      fc.property(text, text, (name, value) => {
        fc.pre(httpRequest.input.safeParse({ url: URL, headers: { [name]: value } }).success);
        expect(new Headers([[name, value]]).get(name)).toBe(value.trim());
      }),
    );
  });

  it.each([
    {},
    { url: "example.com" },
    { url: "ftp://example.com/" },
    { url: URL, method: "CONNECT" },
    { url: URL, method: "get" },
    { url: URL, method: "GET", body: "x" },
    { url: URL, expect: [] },
    { url: URL, expect: [99] },
    { url: URL, expect: 200 },
    { url: URL, headers: { a: 1 } },
    { url: URL, followRedirect: true },
  ])("does not take %o", (input) => {
    expect(httpRequest.input.safeParse(input).success).toBe(false);
  });

  it.each([400, 401, 404, 409, 410, 422, 301, 304])("gives up on %i", async (status) => {
    server(() => new Response(status === 304 ? null : "no", { status }));
    const error = await failure({ url: URL });
    expect(error).toBeInstanceOf(NonRetryableError);
    expect(error).toMatchObject({ message: `answered ${status}`, data: { status, body: status === 304 ? "" : "no" } });
  });

  it.each([408, 425, 429, 500, 502, 503, 504, 599])("comes back after %i by the task's policy", async (status) => {
    server(() => new Response("later", { status }));
    const ending = endingOf(await failure({ url: URL }));
    expect(ending).toMatchObject({ retryable: true, error: { data: { status, body: "later" } } });
    expect(ending).not.toHaveProperty("delayMs");
  });

  it.each([429, 503])("comes back after %i exactly when it is told to", async (status) => {
    server(() => new Response("later", { status, headers: { "retry-after": "7" } }));
    const error = await failure({ url: URL });
    expect(error).toBeInstanceOf(RetryAfterError);
    expect(error).toMatchObject({ delayMs: 7_000 });
    server(
      () => new Response("later", { status, headers: { "retry-after": new Date(Date.now() + 60_000).toUTCString() } }),
    );
    const { delayMs } = (await failure({ url: URL })) as RetryAfterError;
    expect(delayMs).toBeGreaterThan(57_000);
    expect(delayMs).toBeLessThanOrEqual(60_000);
  });

  it("does not come back to a 404 that asks for it", async () => {
    server(() => new Response("no", { status: 404, headers: { "retry-after": "7" } }));
    expect(await failure({ url: URL })).toBeInstanceOf(NonRetryableError);
  });

  it("takes the expected statuses for success, and no others", async () => {
    server(() => new Response("gone", { status: 404 }));
    expect(await run({ url: URL, expect: [200, 404] })).toMatchObject({ status: 404, body: "gone" });
    server(ok);
    expect(await failure({ url: URL, expect: [204] })).toMatchObject({ message: "answered 200" });
  });

  it("may be tried again where nothing answers", async () => {
    server();
    const error = await failure({ url: URL });
    expect(error).toMatchObject({ message: "no answer from api.example.com: Network connection lost." });
    expect(endingOf(error)).toMatchObject({ retryable: true });
  });

  it("ends with the signal's reason when it is told to stop", async () => {
    const controller = new AbortController();
    vi.spyOn(globalThis, "fetch").mockImplementation((_input, init) => {
      const { signal } = init as RequestInit;
      return new Promise((_resolve, reject) => {
        signal?.addEventListener("abort", () => reject(new DOMException("aborted", "AbortError")));
      });
    });
    const reason = new Error("cancelled");
    setTimeout(() => controller.abort(reason), 5);
    expect(await failure({ url: URL }, fakeContext({ signal: controller.signal }))).toBe(reason);
  });

  it("cuts a long body at 256 KiB, between two characters, and says so", async () => {
    server(() => new Response(`x${"é".repeat(200_000)}`));
    const result = (await run({ url: URL })) as { body: string; truncated?: true };
    expect(result.truncated).toBe(true);
    expect(result.body).toBe(`x${"é".repeat(131_071)}`);
    server(() => new Response("y".repeat(262_144)));
    expect(await run({ url: URL })).not.toHaveProperty("truncated");
  });

  it("keeps a result below a result's limit, whatever the bytes", async () => {
    for (const byte of [0, 0x22, 0xff]) {
      server(() => new Response(new Uint8Array(300_000).fill(byte)));
      const result = await run({ url: URL });
      expect(new TextEncoder().encode(JSON.stringify(result)).length).toBeLessThan(600_000);
      expect(result).toMatchObject({ truncated: true });
    }
  });

  it("reads no more of an endless body than it keeps", async () => {
    let pulled = 0;
    const cancelled = vi.fn();
    server(
      () =>
        new Response(
          new ReadableStream({
            pull: (stream) => {
              pulled += 65_536;
              stream.enqueue(new Uint8Array(65_536).fill(0x61));
            },
            cancel: cancelled,
          }),
        ),
    );
    expect(await run({ url: URL })).toMatchObject({ truncated: true });
    expect(pulled).toBeLessThan(600_000);
    expect(cancelled).toHaveBeenCalledOnce();
  });

  it("joins headers that come several times", async () => {
    const headers = new Headers([
      ["set-cookie", "a=1"],
      ["set-cookie", "b=2"],
    ]);
    server(() => new Response("", { headers }));
    expect(await run({ url: URL })).toMatchObject({ headers: { "set-cookie": "a=1, b=2" } });
  });

  describe("redirects", () => {
    it("are not followed unless asked", async () => {
      const sent = server(redirect(302, "/login"), ok);
      const error = await failure({ url: URL });
      expect(error).toBeInstanceOf(NonRetryableError);
      expect(error).toMatchObject({ message: "answered 302, redirecting to /login" });
      expect(sent).toHaveLength(1);
    });

    it("may be what was expected", async () => {
      server(redirect(302, "/login"));
      expect(await run({ url: URL, expect: [302] })).toMatchObject({ status: 302, headers: { location: "/login" } });
    });

    it("are followed when asked, relative ones too", async () => {
      const sent = server(redirect(308, "/v2/orders?x=1"), redirect(307, "https://eu.example.com/"), ok);
      expect(await run({ url: URL, body: "b", followRedirects: true })).toMatchObject({ status: 200 });
      expect(sent.map(({ url, method, body }) => `${method} ${url} ${String(body)}`)).toEqual([
        "POST https://api.example.com/orders b",
        "POST https://api.example.com/v2/orders?x=1 b",
        "POST https://eu.example.com/ b",
      ]);
    });

    it.each([
      [301, "POST", "GET"],
      [302, "POST", "GET"],
      [303, "POST", "GET"],
      [303, "PUT", "GET"],
      [303, "HEAD", "HEAD"],
      [302, "PUT", "PUT"],
      [307, "POST", "POST"],
    ])("turn with %i a %s into a %s", async (status, method, then) => {
      const sent = server(redirect(status, "/next"), ok);
      await run({ url: URL, method, ...(method !== "HEAD" && { body: { a: 1 } }), followRedirects: true });
      expect(sent[1]?.method).toBe(then);
      const keepsBody = then === method && method !== "HEAD";
      expect(sent[1]?.body ?? null).toBe(keepsBody ? '{"a":1}' : null);
      expect(sent[1]?.headers.has("content-type")).toBe(keepsBody);
    });

    it("do not carry secrets to another origin", async () => {
      const sent = server(redirect(307, "/same"), redirect(307, "https://other.example.com/"), ok);
      await run({ url: URL, headers: { Authorization: "Bearer x", Cookie: "s=1", "X-A": "1" }, followRedirects: true });
      expect(
        sent.map(({ headers }) => [headers.has("authorization"), headers.has("cookie"), headers.has("x-a")]),
      ).toEqual([
        [true, true, true],
        [true, true, true],
        [false, false, true],
      ]);
    });

    it.each([
      "http://169.254.169.254/latest/",
      "http://10.0.0.1/",
      "ftp://example.com/",
      "http://user@example.com/",
      "http://[",
    ])("never lead to %s", async (location) => {
      const sent = server(redirect(302, location), ok);
      const error = await failure({ url: URL, followRedirects: true });
      expect(error).toBeInstanceOf(NonRetryableError);
      expect(String(error)).toContain("target refused");
      expect(sent).toHaveLength(1);
    });

    it("end somewhere", async () => {
      const sent = server(redirect(302, "/again"));
      const error = await failure({ url: URL, followRedirects: true });
      expect(error).toBeInstanceOf(NonRetryableError);
      expect(error).toMatchObject({ message: "redirected more than 10 times" });
      expect(sent).toHaveLength(11);
    });
  });

  it("calls this machine only where that is allowed, and not because the fixtures are there", async () => {
    const sent = server(ok);
    expect(await failure({ url: "http://127.0.0.1:9/" })).toBeInstanceOf(NonRetryableError);
    expect(sent).toHaveLength(0);
    const local = fakeContext({ env: { ALLOW_LOOPBACK: "1" } as Env });
    expect(await run({ url: "http://127.0.0.1:9/" }, local)).toMatchObject({ status: 200 });
    expect(await failure({ url: "http://10.0.0.1/" }, local)).toBeInstanceOf(NonRetryableError);
  });
});

/** The requests of the current spy. */
function calls(): { method: unknown; body: unknown; headers: HeadersInit }[] {
  return vi
    .mocked(globalThis.fetch)
    .mock.calls.map(([, init]) => init as { method: unknown; body: unknown; headers: HeadersInit });
}
