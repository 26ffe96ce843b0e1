/**
 * For every operation of the document, dozens of requests that are generated from its own schemas, right and
 * wrong: no answer is a fault of the service, and each is one that the document declares. `FUZZ_SEED` and `FUZZ_RUNS` vary it.
 */
import { Agent, request as open, type IncomingMessage } from "node:http";
import { text as textOf } from "node:stream/consumers";
import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js";
import formats from "ajv-formats";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runs } from "../setup/runs.ts";
import { apiOf, poll } from "./api.ts";
import { operationsOf, readDocument, responseOf, type Document, type Json, type Operation } from "./document.ts";
import { fitting, nearly } from "./schema-arbitrary.ts";
import { shareServer, type SharedServer } from "./shared-server.ts";
import { MATRIX } from "./tenancy-matrix.ts";

const RUNS = Number(process.env["FUZZ_RUNS"] ?? runs(40, 300));
const SEED = Number(process.env["FUZZ_SEED"] ?? 20_261_121);
const AT_ONCE = 24;

type Generated = { path: string; headers: Record<string, string>; body: string | Uint8Array | null };

/** What the requests of one operation are made from: a tenant of its own, and ids of things that it owns. */
type Ground = { key: string; ids: Record<string, string[]> };

let server: SharedServer;
let document: Document;
let operations: Operation[];
let check: (operation: Operation, status: number, type: string) => ValidateFunction | undefined;
let readerKey: string;

const as = (key: string) => apiOf({ url: server.url, key });

beforeAll(async () => {
  server = await shareServer();
  document = await readDocument(server.url);
  operations = operationsOf(document);
  check = checker(document);
  readerKey = await makeKey("reader", ["read"]);
});

afterAll(async () => {
  connections.destroy();
  // The next test gets the server as it was.
  const { items } = (await as(server.root.key).get<{ items: { name: string }[] }>("/v1/lanes")).body;
  for (const { name } of items) await as(server.root.key).post(`/v1/lanes/${name}/resume`);
  await server?.stop();
});

async function makeKey(tenant: string, scopes: string[]): Promise<string> {
  const { body } = await as(server.root.key).post<{ key: string }>("/v1/keys", { name: "fuzz", tenant, scopes });
  return body.key;
}

/** Makes a tenant, and of what the operation's path names some that it owns. */
async function prepare(operation: Operation, tenant: string): Promise<Ground> {
  const key = MATRIX[operation.operationId]?.deployment ? server.root.key : await makeKey(tenant, ["admin"]);
  const api = as(key);
  const collection = operation.path.split("/{")[0] ?? "";
  const make = async (path: string, count: number, body: (i: number) => unknown) => {
    const answers = await Promise.all(
      Array.from({ length: count }, (_, i) => api.post<{ id?: string }>(path, body(i))),
    );
    return answers.flatMap((answer) => answer.body.id ?? []);
  };
  if (collection === "/problems") return { key, ids: { name: ["not-found", "conflict", "internal"] } };
  // Of all kinds: some are cancelled, some go on, some have ended when the requests come.
  const everyThird = (ids: string[]) => ids.filter((_, i) => i % 3 === 0);
  if (collection === "/v1/tasks") {
    const tasks = Array.from({ length: 60 }, (_, i) => noop(i));
    const { body } = await api.post<{ items: { task: { id: string } }[] }>("/v1/tasks/batch", { tasks });
    const id = body.items.map((item) => item.task.id);
    await api.post("/v1/tasks/cancel", { filter: { ids: everyThird(id) } });
    return { key, ids: { id, name: ["go"] } };
  }
  if (collection === "/v1/flows") {
    const id = await make(collection, 30, (i) => ({ chain: [noop(i), noop(0)] }));
    await Promise.all(everyThird(id).map((each) => api.post(`${collection}/${each}/cancel`)));
    return { key, ids: { id } };
  }
  if (collection === operation.path) return { key, ids: {} };
  if (collection === "/v1/errors") {
    await api.post("/v1/tasks", { task: "test.fail", input: { message: "as asked", retryable: false } });
    const seen = async () => (await listed(key, collection))["id"] ?? null;
    return { key, ids: { id: await poll(() => "no group of errors is there", seen) } };
  }
  const exampleOf = (method: string, path: string) =>
    tame(
      operations.find((each) => each.method === method && each.path === path)?.requestBody?.content["application/json"]
        ?.example,
    );
  const put = exampleOf("PUT", `${collection}/{id}`);
  if (put !== undefined) {
    const kind = collection === "/v1/limits" ? "concurrency::" : "";
    const id = ["one", "two", "three", "four"].map((name) => kind + name);
    await Promise.all(id.map((each) => api.call("PUT", `${collection}/${each}`, { body: put })));
    return { key, ids: { id } };
  }
  const post = exampleOf("POST", collection);
  if (post === undefined) return { key, ids: await listed(key, collection) };
  const id = await make(collection, 8, () => post);
  if (operation.path.includes("{deliveryId}")) {
    const made = await Promise.all(id.map((each) => make(`${collection}/${each}/test`, 3, () => ({}))));
    return { key, ids: { id, deliveryId: made.flat() } };
  }
  return { key, ids: { id } };
}

/** What is there without being made, such as lanes: the members of the list, by each of their members. */
async function listed(key: string, collection: string): Promise<Record<string, string[]>> {
  const { body } = await as(key).get<{ items?: Record<string, unknown>[] }>(collection);
  const members = (body.items ?? []).flatMap((item) =>
    Object.entries(item).filter(([, value]) => typeof value === "string"),
  );
  const byName = Object.entries(Object.groupBy(members, ([name]) => name));
  return Object.fromEntries(byName.map(([name, pairs = []]) => [name, pairs.map(([, value]) => String(value))]));
}

const noop = (i: number) => ({ task: "test.noop", options: { delay: i % 6 === 1 ? "0s" : "1h" } });

const BODIES_THAT_ARE_NONE = [
  "",
  "{",
  "nope",
  "null",
  '{"a":1,"a":2}',
  '{"__proto__":{"x":1}}',
  "[".repeat(5_000),
  `{"a":${"[".repeat(300)}${"]".repeat(300)}}`,
  '"\\ud800"',
];

function requestsOf(operation: Operation, { key, ids }: Ground): fc.Arbitrary<Generated> {
  const parameters = operation.parameters ?? [];
  const segments = parameters.filter(({ in: place }) => place === "path").map(({ name }) => segmentOf(ids[name] ?? []));
  const query = parameters.filter(({ in: place }) => place === "query");
  const headers = parameters.filter(({ in: place }) => place === "header");
  return fc
    .record({
      segments: fc.tuple(...segments),
      query: fc.tuple(...query.map((each) => sometimes(queryOf(each.name, each.schema)))),
      stray: sometimes(fc.tuple(fc.string({ minLength: 1 }), fc.string()), 12),
      headers: fc.tuple(...headers.map(({ name }) => sometimes(headerOf(name)))),
      accept: sometimes(fc.constantFrom("application/json", "text/html", "text/event-stream", "image/png", ";;")),
      authorization: fc.oneof(
        { weight: 20, arbitrary: fc.constant(`Bearer ${key}`) },
        { weight: 1, arbitrary: fc.constantFrom("", "Bearer", "Basic eDp5", "Bearer nobody", `Bearer ${readerKey}`) },
      ),
      body: operation.requestBody ? bodyOf(operation) : fc.constant({ text: null, type: null }),
    })
    .map((parts) => {
      const values = [...parts.segments];
      const path = operation.path.replaceAll(/\{\w+\}/g, () => encodeURIComponent(values.shift() ?? ""));
      const search = new URLSearchParams(parts.query.flatMap((pairs) => pairs ?? []));
      if (parts.stray) search.append(...parts.stray);
      const given: [string, string | null | undefined][] = [
        ["authorization", parts.authorization],
        ["accept", parts.accept],
        ["content-type", parts.body.type],
        ...headers.map(({ name }, i): [string, string | null | undefined] => [name, parts.headers[i]]),
      ];
      return {
        path: search.size > 0 ? `${path}?${search}` : path,
        headers: Object.fromEntries(given.filter((pair): pair is [string, string] => Boolean(pair[1]))),
        body: parts.body.text,
      };
    });
}

/** A value once in so many times, else null. */
function sometimes<T>(values: fc.Arbitrary<T>, once = 4): fc.Arbitrary<T | null> {
  return fc.oneof({ weight: once - 1, arbitrary: fc.constant(null) }, { weight: 1, arbitrary: values });
}

function segmentOf(known: string[]): fc.Arbitrary<string> {
  const odd = fc.oneof(
    fc.string({ minLength: 1, maxLength: 60, unit: "grapheme" }),
    fc.constantFrom("task_01jzzzzzzzzzzzzzzzzzzzzzzz", "null", "undefined", "%", "\u0000", "x".repeat(3_000), "a/b"),
  );
  // Dots alone are resolved by the URL itself, so they would ask for something else.
  const other = odd.filter((text) => !/^\.+$/.test(text) && text.isWellFormed());
  if (known.length === 0) return other;
  return fc.oneof({ weight: 5, arbitrary: fc.constantFrom(...known) }, { weight: 1, arbitrary: other });
}

/** Pairs of a name and a value: a list has many, and an object is exploded. */
function queryOf(name: string, schema: Json): fc.Arbitrary<[string, string][]> {
  const right = fitting(schema, document.components.schemas).map((value): [string, string][] => {
    if (Array.isArray(value)) return value.map((item) => [name, String(item)]);
    if (typeof value === "object" && value !== null) {
      return Object.entries(value).map(([member, item]) => [member, String(item)]);
    }
    return [[name, String(value)]];
  });
  const wrong = fc.string({ unit: "grapheme" }).map((text): [string, string][] => [[name, text]]);
  return fc.oneof({ weight: 4, arbitrary: right }, { weight: 1, arbitrary: wrong });
}

const HEADER_VALUES: Record<string, string[]> = {
  Prefer: ["wait=0", "respond-async", "wait=-1", "wait=x", 'wait="0"', "wait=0, respond-async", "wait=1"],
  traceparent: ["00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "00-0-0-00"],
  "If-None-Match": ["*", '"x"', 'W/"x"', ","],
  "Last-Event-ID": ["0", "3", "-1", "x", "999999999999999"],
  "Idempotency-Key": ["one", '"one"', '""', "x".repeat(256), "two words"],
};

function headerOf(name: string): fc.Arbitrary<string> {
  const visible = fc.string({ minLength: 1, maxLength: 40 }).map((text) => text.trim() || "x");
  return fc.oneof(fc.constantFrom(...(HEADER_VALUES[name] ?? ["x"])), visible);
}

function bodyOf(operation: Operation): fc.Arbitrary<{ text: string | Uint8Array | null; type: string | null }> {
  const schema = operation.requestBody?.content["application/json"]?.schema ?? {};
  const example = operation.requestBody?.content["application/json"]?.example;
  const right = fc.oneof(
    operation.operationId === "submitFlow" ? flows() : fitting(schema, document.components.schemas),
    ...(example === undefined ? [] : [fc.constant(example)]),
  );
  const json = (values: fc.Arbitrary<unknown>) =>
    values.map((value) => ({ text: JSON.stringify(tame(value)) ?? null, type: "application/json" }));
  const type = fc.constantFrom("application/json", "text/plain", "application/problem+json; charset=utf-8", "", "/");
  const none = fc.record({ text: fc.constantFrom(...BODIES_THAT_ARE_NONE), type });
  const bytes = fc.record({ text: fc.uint8Array({ minLength: 1, maxLength: 50 }), type });
  return fc.oneof(
    { weight: 10, arbitrary: json(right) },
    { weight: 8, arbitrary: json(nearly(right)) },
    { weight: 1, arbitrary: none },
    { weight: 1, arbitrary: bytes },
  );
}

/** The document leaves a graph's form to its compiler, which points at every fault; so it is written down here. */
function flows(): fc.Arbitrary<unknown> {
  const { node } = fc.letrec<{ node: unknown; nodes: unknown[] }>((tie) => ({
    nodes: fc.array(tie("node"), { maxLength: 3, depthIdentifier: "flow" }),
    node: fc.oneof(
      { maxDepth: 3, depthIdentifier: "flow" },
      fc.record({ task: fc.constant("test.noop"), input: fc.jsonValue({ maxDepth: 1 }) }, { requiredKeys: ["task"] }),
      fc.record({ chain: fc.array(tie("node"), { minLength: 1, maxLength: 3 }) }),
      fc.record({ group: tie("nodes") }),
      fc.record({ chord: fc.record({ header: tie("nodes"), body: tie("node") }) }),
      fc.record({
        map: fc.record({ task: fc.constant("test.noop"), inputs: fc.array(fc.integer(), { maxLength: 3 }) }),
      }),
      fc.record({ dag: fc.dictionary(fc.constantFrom("a", "b"), fc.record({ node: tie("node") }), { minKeys: 1 }) }),
    ),
  }));
  return node;
}

const AT_MOST: Record<string, number> = { ms: 20, steps: 3, chunks: 5, lines: 5, bytes: 2_000, n: 2, maxAttempts: 3 };

/** Keeps what would run for long, or for ever, short; everything else stays as it was generated. */
function tame(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(tame);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => {
      const most = Object.hasOwn(AT_MOST, name) ? AT_MOST[name] : undefined;
      if (most !== undefined && typeof member === "number") return [name, Math.min(most, member)];
      if (name === "pause" && typeof member === "string") return [name, "1ms"];
      return [name, tame(member)];
    }),
  );
}

/** Finds the schema of an answer. Those of answers are closed first: a member that is not documented is a fault. */
function checker(source: Document): typeof check {
  const ajv = new Ajv2020({ strict: false, allErrors: true });
  formats.default(ajv);
  ajv.addSchema(closed(structuredClone(source)) as object, "openapi");
  const compiled = new Map<string, ValidateFunction>();
  return (operation, status, type) => {
    const declared = operation.responses[String(status)];
    if (responseOf(source, operation, status)?.content?.[type] === undefined) return undefined;
    const base =
      declared?.$ref ?? `#/paths/${escape(operation.path)}/${operation.method.toLowerCase()}/responses/${status}`;
    const $ref = `openapi${base}/content/${escape(type)}/schema`;
    if (!compiled.has($ref)) compiled.set($ref, ajv.compile({ $ref }));
    return compiled.get($ref);
  };
}

const escape = (segment: string) => segment.replaceAll("~", "~0").replaceAll("/", "~1");

function closed(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(closed);
  const entries = Object.entries(value).map(([name, member]) => {
    // Of several schemas for one value none says all, and what a caller may send is closed where it is.
    if (name === "allOf" || /^(Input|Submission)\b/.test(name)) return [name, member as unknown];
    return [name, closed(member)];
  });
  const copy = Object.fromEntries(entries) as Json;
  if (copy["type"] === "object" && typeof copy["properties"] === "object") copy["additionalProperties"] ??= false;
  return copy;
}

/** One that was made before meets what the first two may have changed; a third tells nothing new. */
const SAME_AT_MOST = 2;

function withoutRepeats(requests: Generated[]): Generated[] {
  const times = new Map<string, number>();
  return requests.filter((request) => {
    const text = JSON.stringify(request);
    times.set(text, (times.get(text) ?? 0) + 1);
    return times.get(text)! <= SAME_AT_MOST;
  });
}

/** Not `fetch`: that costs more than the service does, and has each answer compressed only to unpack it again. */
const connections = new Agent({ keepAlive: true, maxSockets: AT_ONCE });

function send(method: string, { path, headers, body }: Generated): Promise<IncomingMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  open(server.url + path, { method, headers, agent: connections }, resolve)
    .once("error", reject)
    .end(body ?? undefined);
  return promise;
}

/** Asks, and answers the status and what is wrong with the answer, if anything. */
async function ask(operation: Operation, request: Generated): Promise<{ status: number; fault?: string }> {
  const response = await send(operation.method, request);
  const status = response.statusCode ?? 0;
  const type = response.headers["content-type"]?.split(";")[0] ?? "";
  // A stream of a task that is alive ends only with it.
  const text = type === "text/event-stream" ? "" : await textOf(response);
  if (type === "text/event-stream") response.destroy();
  if (status >= 500) return { status, fault: `is a fault of the service: ${text}` };
  if (response.headers["request-id"] === undefined) return { status, fault: "has no Request-Id" };
  const declared = responseOf(document, operation, status);
  if (declared === undefined) return { status, fault: `has a status that is not declared: ${text}` };
  if (declared.content === undefined) return text === "" ? { status } : { status, fault: "should have no body" };
  const validate = check(operation, status, type);
  if (validate === undefined) return { status, fault: `has a type that is not declared: ${type}` };
  if (!type.includes("json")) return { status };
  if (validate(JSON.parse(text))) return { status };
  return {
    status,
    fault: `does not fit its schema: ${JSON.stringify(validate.errors?.slice(0, 3))} ${text.slice(0, 500)}`,
  };
}

describe("every operation", () => {
  it(`answers ${RUNS} generated requests as the document says`, async () => {
    const faults: string[] = [];
    const statuses: Record<string, Record<number, number>> = {};
    for (const [i, operation] of operations.entries()) {
      const counts: Record<number, number> = (statuses[operation.operationId] = {});
      const ground = await prepare(operation, `fuzz-${i}`);
      const requests = fc.sample(requestsOf(operation, ground), { numRuns: RUNS, seed: SEED });
      const left = withoutRepeats(requests).values();
      const worker = async () => {
        for (const request of left) {
          const { status, fault } = await ask(operation, request);
          counts[status] = (counts[status] ?? 0) + 1;
          if (fault) faults.push(`${operation.operationId}: ${status} ${fault}\n  ${JSON.stringify(request)}`);
        }
      };
      await Promise.all(Array.from({ length: AT_ONCE }, worker));
    }
    console.log(statuses);
    expect(faults.slice(0, 10)).toEqual([]);
    // Nothing is proved by requests that never get past the first check.
    const blind = Object.entries(statuses).filter(
      ([, counts]) => !Object.keys(counts).some((status) => status < "300"),
    );
    expect(blind).toEqual([]);
    expect(server.stderr()).not.toContain("request_failed");
  });
});
