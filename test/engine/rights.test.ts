/** A key has rights over what its request has made, and over nothing that it was answered with instead. */
import { createExecutionContext, waitOnExecutionContext } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import type { CreatedKey } from "../../src/contract/key.ts";
import type { Scope } from "../../src/contract/scope.ts";
import type { TaskResource } from "../../src/contract/task.ts";
import { routes } from "../../src/app/routes.ts";
import { createApp } from "../../src/web/app.ts";

const app = createApp(routes);

type Init = { method?: string; body?: unknown; key?: string | null; headers?: Record<string, string> };

async function call<Body = TaskResource>(path: string, { method, body, key = "test-key", headers = {} }: Init = {}) {
  const context = createExecutionContext();
  const all = {
    "content-type": "application/json",
    ...(key === null ? {} : { authorization: `Bearer ${key}` }),
    ...headers,
  };
  const init = { method: method ?? (body === undefined ? "GET" : "POST"), headers: all };
  const request = new Request(
    `http://localhost${path}`,
    body === undefined ? init : { ...init, body: JSON.stringify(body) },
  );
  const answer = await app.fetch(request, env, context);
  await waitOnExecutionContext(context);
  return { status: answer.status, headers: answer.headers, body: await answer.json<Body>() };
}

const keyOf = async (...scopes: Scope[]) =>
  (await call<CreatedKey>("/v1/keys", { body: { name: "k", tenant: "shop", scopes } })).body.key;

let names = 0;

const newName = () => `name-${++names}`;

const SECRET = "what the other key has said";

const submission = (options: object, value: unknown = SECRET) => ({
  task: "test.identity",
  input: { value },
  options: { delay: "1h", tags: { whose: "other" }, ...options },
});

const signed = "/v1/tasks?links=signed";

const tokens = ({ links }: TaskResource) =>
  (["self", "events", "cancel"] as const).filter((name) => links[name].includes("token="));

/** What a key sees that may not read. */
const stub = (id: string, more: object = {}) => ({
  id,
  task: "test.identity",
  input: null,
  result: null,
  error: null,
  progress: null,
  tags: {},
  omitted: ["input", "result", "error", "progress", "tags"],
  ...more,
});

describe("a submission that is answered with another's task", () => {
  it.each([
    ["throttle", () => submission({ throttle: { key: newName(), per: "1h" } })],
    [
      "cache",
      () => ({ task: "test.cached", input: { value: newName() }, options: { tags: { whose: "other" }, delay: "1h" } }),
    ],
  ])("by %s gives no more of it than the key may read and cancel anyhow", async (_, wish) => {
    const body = wish();
    const first = await call(signed, { body, key: await keyOf("submit") });
    expect([first.status, tokens(first.body), first.body.input]).toEqual([
      202,
      ["self", "events", "cancel"],
      body.input,
    ]);
    const { id } = first.body;
    const bare = await call(signed, { body, key: await keyOf("submit") });
    expect(bare.body).toMatchObject(stub(id, { task: body.task, state: "scheduled" }));
    expect([bare.headers.get("location"), tokens(bare.body)]).toEqual([`/v1/tasks/${id}`, []]);
    const batch = await call<{ items: { task: TaskResource }[] }>("/v1/tasks/batch?links=signed", {
      body: { tasks: [body] },
      key: await keyOf("submit"),
    });
    expect(batch.body.items[0]!.task).toMatchObject(stub(id, { task: body.task }));
    expect(tokens(batch.body.items[0]!.task)).toEqual([]);
    const reader = await call(signed, { body, key: await keyOf("submit", "read") });
    expect([reader.body.id, reader.body.input, tokens(reader.body)]).toEqual([id, body.input, ["self", "events"]]);
    const canceller = await call(signed, { body, key: await keyOf("submit", "cancel") });
    expect([canceller.body.id, canceller.body.input, tokens(canceller.body)]).toEqual([id, null, ["cancel"]]);
  });

  it("tells such a key the state of the end, and not the result", async () => {
    const body = { task: "test.cached", input: { value: newName() } };
    const { id } = (await call("/v1/tasks", { body, key: await keyOf("submit") })).body;
    await env.DB.prepare(
      "UPDATE tasks SET state = 'succeeded', result = '\"hidden\"', finished_at = ?2, due_at = NULL WHERE id = ?1",
    )
      .bind(id, Date.now())
      .run();
    const waited = await call("/v1/tasks", { body, key: await keyOf("submit"), headers: { prefer: "wait=5" } });
    expect(waited.status).toBe(200);
    expect(waited.body).toMatchObject(stub(id, { task: "test.cached", state: "succeeded" }));
    expect(JSON.stringify(waited.body)).not.toContain("hidden");
  });

  it("by debounce takes back no input but its own, unless the key may cancel", async () => {
    const key = newName();
    const wish = (value: string) => ({ ...submission({}, value), options: { debounce: { key, wait: "1h" } } });
    const [one, other] = [await keyOf("submit"), await keyOf("submit", "read")];
    const submit = async (value: string, by: string) => (await call("/v1/tasks", { body: wish(value), key: by })).body;
    const first = await submit("one's", one);
    const beside = await submit("other's", other);
    expect(beside.id).not.toBe(first.id);
    expect((await submit("one's again", one)).id).toBe(first.id);
    const read = async (id: string) => (await call(`/v1/tasks/${id}`, { key: other })).body.input;
    expect([await read(first.id), await read(beside.id)]).toEqual([{ value: "one's again" }, { value: "other's" }]);
    // The keys that may cancel it debounce it together.
    const mighty = [await keyOf("submit", "cancel"), await keyOf("admin")] as const;
    const shared = await submit("first", mighty[0]);
    expect((await submit("last", mighty[1])).id).toBe(shared.id);
    expect(await read(shared.id)).toEqual({ value: "last" });
  });

  it("by an idempotency key is its own again for the same API key, and for no other", async () => {
    const headers = { "idempotency-key": newName() };
    const body = submission({});
    const [maker, other] = [await keyOf("submit"), await keyOf("submit")];
    const first = await call(signed, { body, key: maker, headers });
    const again = await call(signed, { body, key: maker, headers });
    expect([again.headers.get("idempotency-replayed"), again.body.input]).toEqual(["true", body.input]);
    expect(tokens(again.body)).toEqual(["self", "events", "cancel"]);
    const theirs = await call(signed, { body, key: other, headers });
    expect([theirs.status, theirs.headers.get("idempotency-replayed")]).toEqual([202, "true"]);
    expect([theirs.body.id, theirs.body.input, tokens(theirs.body)]).toEqual([first.body.id, null, []]);
  });

  it("and is repeated stays another's", async () => {
    const body = submission({ throttle: { key: newName(), per: "1h" } });
    const headers = { "idempotency-key": newName() };
    const { id } = (await call("/v1/tasks", { body, key: await keyOf("submit") })).body;
    const other = await keyOf("submit");
    for (let i = 0; i < 2; i++) {
      const answer = await call(signed, { body, key: other, headers });
      expect(answer.body).toMatchObject(stub(id));
      expect(tokens(answer.body)).toEqual([]);
    }
  });

  it("gives rights over what another item of the same request has made", async () => {
    const body = submission({ throttle: { key: newName(), per: "1h" } });
    const key = await keyOf("submit");
    const { items } = (
      await call<{ items: { task: TaskResource }[] }>("/v1/tasks/batch", { body: { tasks: [body, body] }, key })
    ).body;
    expect(items.map(({ task }) => [task.id, task.input])).toEqual([
      [items[0]!.task.id, body.input],
      [items[0]!.task.id, body.input],
    ]);
  });

  it("holds for flows as for tasks", async () => {
    const headers = { "idempotency-key": newName() };
    const body = { group: [submission({})] };
    type Flow = { id: string; nodes: { task: TaskResource }[] };
    const [maker, other] = [await keyOf("submit"), await keyOf("submit")];
    const asked = async (key: string) => (await call<Flow>("/v1/flows", { body, key, headers })).body;
    const [first, again, theirs] = [await asked(maker), await asked(maker), await asked(other)];
    expect([first, again].map((flow) => flow.nodes[0]!.task.input)).toEqual([{ value: SECRET }, { value: SECRET }]);
    expect(theirs.id).toBe(first.id);
    expect(JSON.stringify(theirs)).not.toContain(SECRET);
    expect(theirs.nodes[0]!.task).toMatchObject(stub(first.nodes[0]!.task.id));
    const cancelled = await call<Flow>(`/v1/flows/${first.id}/cancel`, { method: "POST", key: await keyOf("cancel") });
    expect([cancelled.status, JSON.stringify(cancelled.body).includes(SECRET)]).toEqual([200, false]);
  });
});

describe("cancel alone", () => {
  it("reads nothing by its answers, and runs no new input", async () => {
    const key = await keyOf("cancel");
    const { id } = (await call("/v1/tasks", { body: submission({}), key: await keyOf("submit") })).body;
    const post = (verb: string, by: string, body?: unknown) =>
      call(`/v1/tasks/${id}/${verb}`, { method: "POST", key: by, ...(body === undefined ? {} : { body }) });
    const cancelled = await post("cancel", key);
    expect([cancelled.status, cancelled.body]).toMatchObject([200, stub(id, { state: "cancelled" })]);
    const refused = await post("retry", key, { input: { value: "mine" } });
    expect(refused.status).toBe(403);
    const read = async () => (await call(`/v1/tasks/${id}`, { key: await keyOf("read") })).body;
    expect(await read()).toMatchObject({ state: "cancelled", input: { value: SECRET } });
    const again = await post("retry", key, {});
    expect([again.status, again.body]).toMatchObject([202, stub(id, { state: "queued" })]);
    await post("cancel", key);
    expect((await post("retry", await keyOf("cancel", "submit"), { input: { value: "ours" } })).status).toBe(202);
    expect(await read()).toMatchObject({ input: { value: "ours" } });
  });

  it("is all that a link to cancel gives", async () => {
    const { id, links } = (await call(signed, { body: submission({}), key: await keyOf("submit") })).body;
    const { body } = await call(links.cancel, { method: "POST", key: null });
    expect(body).toMatchObject(stub(id, { state: "cancelled" }));
  });
});
