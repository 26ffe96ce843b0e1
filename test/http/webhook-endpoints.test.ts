/** `/v1/webhooks` as an admin uses it: what can be registered, changed and seen. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { DeliveryResource, WebhookResource } from "../../src/contract/webhook.ts";
import { apiOf, type Api } from "./api.ts";
import { shareServer, type SharedServer } from "./shared-server.ts";

type Endpoint = WebhookResource & { secret: string };

let server: SharedServer;
let api: Api;

beforeAll(async () => {
  server = await shareServer();
  api = apiOf(server);
});

afterAll(() => server?.stop());

const URL = "https://example.com/hooks";

const create = (body: object) => api.post<Endpoint>("/v1/webhooks", body);
const patch = (id: string, body: unknown) => api.call<WebhookResource>("PATCH", `/v1/webhooks/${id}`, { body });
const invalid = (pointer: string) => ({
  status: 422,
  body: { type: "/problems/invalid-body", errors: [expect.objectContaining({ pointer })] },
});

/** Asks for a key of another tenant, as only the service's own key may. */
async function another(): Promise<Api> {
  const { body } = await apiOf(server.root).post<{ key: string }>("/v1/keys", {
    name: "other",
    scopes: ["admin"],
    tenant: "endpoints",
  });
  return apiOf({ url: server.url, key: body.key });
}

describe("an endpoint", () => {
  it("listens to alerts where it says so, and a submission's webhook does not", async () => {
    const events = ["alert.lane-stalled", "task.failed"];
    const made = await create({ url: URL, events });
    expect(made).toMatchObject({ status: 201, body: { events } });
    const changed = await patch(made.body.id, { events: ["alert.storage"] });
    expect(changed).toMatchObject({ status: 200, body: { events: ["alert.storage"] } });
    expect(await create({ url: URL, events: ["alert.limit-near"] })).toMatchObject(invalid("/events/0"));
    const options = { webhook: { url: URL, events: ["alert.storage"] } };
    expect((await api.post("/v1/tasks", { task: "test.noop", options })).status).toBe(422);
    await api.call("DELETE", `/v1/webhooks/${made.body.id}`);
  });

  it("shows its secret when it is made and never again", async () => {
    const made = await create({ url: URL, description: "orders" });
    expect(made.status).toBe(201);
    expect(made.headers.get("location")).toBe(`/v1/webhooks/${made.body.id}`);
    expect(made.headers.get("cache-control")).toBe("no-store");
    const { secret, ...webhook } = made.body;
    expect(secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
    expect(webhook).toEqual({
      id: expect.stringMatching(/^whk_[0-9a-z]{26}$/),
      url: URL,
      events: ["task.succeeded", "task.failed", "task.cancelled", "task.expired"],
      description: "orders",
      payload: "full",
      paused: false,
      pausedReason: null,
      failingSince: null,
      createdAt: expect.any(String),
    });
    const read = await api.get(`/v1/webhooks/${webhook.id}`);
    expect(read).toMatchObject({ status: 200, body: webhook });
    const listed = await api.get<{ items: unknown[] }>("/v1/webhooks");
    expect(listed.body.items).toContainEqual(webhook);
    expect(JSON.stringify([read.body, listed.body])).not.toContain("whsec_");
  });

  it("is listed newest first, in pages", async () => {
    const made: string[] = [];
    for (let n = 0; n < 3; n++) made.push((await create({ url: `${URL}/${n}` })).body.id);
    const first = await api.get<{ items: WebhookResource[]; nextCursor: string }>("/v1/webhooks?limit=2");
    expect(first.body.items.map((each) => each.id)).toEqual(made.toReversed().slice(0, 2));
    const second = await api.get<{ items: WebhookResource[] }>(`/v1/webhooks?limit=1&cursor=${first.body.nextCursor}`);
    expect(second.body.items.map((each) => each.id)).toEqual(made.slice(0, 1));
    expect((await api.get("/v1/webhooks?cursor=abc")).status).toBe(400);
  });

  it("changes in what is named and stays in the rest", async () => {
    const { id, secret: _, ...made } = (await create({ url: URL })).body;
    const changed = await patch(id, { events: ["task.failed", "task.failed"], payload: "thin" });
    expect(changed).toMatchObject({ status: 200, body: { ...made, id, events: ["task.failed"], payload: "thin" } });
    expect((await patch(id, { url: "https://example.org/" })).body).toMatchObject({
      url: "https://example.org/",
      events: ["task.failed"],
    });
  });

  it("is gone once it is removed", async () => {
    const { id } = (await create({ url: URL })).body;
    expect((await api.call("DELETE", `/v1/webhooks/${id}`)).status).toBe(204);
    const path = `/v1/webhooks/${id}`;
    const answers = await Promise.all([
      api.get(path),
      patch(id, { paused: true }),
      api.call("DELETE", path),
      api.post(`${path}/rotate`),
      api.post(`${path}/test`),
      api.get(`${path}/deliveries`),
      api.post(`${path}/replay`, { since: "2026-01-01T00:00:00Z" }),
    ]);
    expect(answers.map((answer) => answer.status)).toEqual([404, 404, 404, 404, 404, 404, 404]);
  });

  it("is another tenant's alone", async () => {
    const { id } = (await create({ url: URL })).body;
    const other = await another();
    expect((await other.get(`/v1/webhooks/${id}`)).status).toBe(404);
    expect((await other.call("DELETE", `/v1/webhooks/${id}`)).status).toBe(404);
    expect((await other.get("/v1/webhooks")).body).toEqual({ items: [], nextCursor: null });
    const [ours, theirs] = await Promise.all(
      [api, other].map(async (each) => (await each.get<{ secret: string }>("/v1/webhooks/default")).body.secret),
    );
    expect(ours).not.toBe(theirs);
  });

  it("is seen with the scope read, and changed and its secret read with admin alone", async () => {
    const { body } = await api.post<{ key: string }>("/v1/keys", { name: "r", scopes: ["submit", "read", "cancel"] });
    const reader = apiOf({ url: server.url, key: body.key });
    expect((await reader.get("/v1/webhooks")).status).toBe(200);
    expect((await reader.get("/v1/webhooks/default")).status).toBe(403);
    expect((await reader.post("/v1/webhooks", { url: URL })).status).toBe(403);
  });

  it("has at most fifty of its kind", async () => {
    const other = await another();
    const statuses: number[] = [];
    for (let n = 0; n < 51; n++) statuses.push((await other.post("/v1/webhooks", { url: `${URL}/${n}` })).status);
    expect(statuses.filter((status) => status === 201)).toHaveLength(50);
    expect(statuses.at(-1)).toBe(409);
  });
});

describe("what is refused", () => {
  it.each([
    "http://example.com/",
    "https://10.1.2.3/",
    "https://192.168.0.1/",
    "https://169.254.169.254/latest/meta-data",
    "https://[::ffff:10.0.0.1]/",
    "https://[fd00::1]/",
    "https://db.example.internal/",
    "https://router.local/",
    "http://10.0.0.1/",
    "https://0x0a000001/",
    "https://user:pass@example.com/",
  ])("%s as a target", async (url) => {
    expect(await create({ url })).toMatchObject(invalid("/url"));
    const submitted = await api.post("/v1/tasks", { task: "test.noop", options: { webhook: { url } } });
    expect(submitted).toMatchObject(invalid("/options/webhook/url"));
  });

  it.each([
    [{}, "/url"],
    [{ url: "ftp://example.com" }, "/url"],
    [{ url: "example.com" }, "/url"],
    [{ url: URL, events: [] }, "/events"],
    [{ url: URL, events: ["task.started"] }, "/events/0"],
    [{ url: URL, events: ["webhook.test"] }, "/events/0"],
    [{ url: URL, payload: "fat" }, "/payload"],
    [{ url: URL, secret: "whsec_mine" }, "/secret"],
    [{ url: URL, description: "x".repeat(501) }, "/description"],
  ])("%j as an endpoint", async (body, pointer) => {
    expect(await create(body)).toMatchObject(invalid(pointer));
  });

  it.each([
    [{ url: URL, events: ["task.running"] }, "/options/webhook/events/0"],
    [{ url: URL, secret: "hunter2" }, "/options/webhook/secret"],
    [{ url: URL, secret: `whsec_${btoa("too short")}` }, "/options/webhook/secret"],
    [{ url: URL, secret: "whsec_not base64 at all, not base64 at all" }, "/options/webhook/secret"],
    [{ url: URL, description: "x" }, "/options/webhook/description"],
    [{}, "/options/webhook/url"],
  ])("%j as a submission's webhook", async (webhook, pointer) => {
    expect(await api.post("/v1/tasks", { task: "test.noop", options: { webhook } })).toMatchObject(invalid(pointer));
  });

  it("a private target in a change, and a change of nothing", async () => {
    const { id } = (await create({ url: URL })).body;
    expect(await patch(id, { url: "https://10.0.0.1/" })).toMatchObject(invalid("/url"));
    expect((await patch(id, {})).status).toBe(422);
    expect((await api.get<WebhookResource>(`/v1/webhooks/${id}`)).body.url).toBe(URL);
  });

  it("a time that ends before it begins", async () => {
    const { id } = (await create({ url: URL })).body;
    const range = { since: "2026-02-01T00:00:00Z", until: "2026-01-01T00:00:00Z" };
    expect(await api.post(`/v1/webhooks/${id}/replay`, range)).toMatchObject(invalid("/until"));
    expect((await api.post(`/v1/webhooks/${id}/replay`)).status).toBe(422);
    expect((await api.post(`/v1/webhooks/${id}/deliveries/msg_nothing/replay`)).status).toBe(404);
  });
});

describe("the default endpoint", () => {
  it("is neither changed nor removed nor tested, but rotated", async () => {
    const before = (await api.get<{ secret: string }>("/v1/webhooks/default")).body;
    const conflict = { status: 409, body: { type: "/problems/webhook-conflict" } };
    expect(await patch("default", { paused: true })).toMatchObject(conflict);
    expect(await api.call("DELETE", "/v1/webhooks/default")).toMatchObject(conflict);
    expect(await api.post("/v1/webhooks/default/test")).toMatchObject(conflict);
    const rotated = await api.post<Endpoint>("/v1/webhooks/default/rotate");
    expect(rotated.status).toBe(200);
    const after = (await api.get<{ secret: string }>("/v1/webhooks/default")).body;
    expect(after.secret).toBe(rotated.body.secret);
    expect(after.secret).not.toBe(before.secret);
  });
});

describe("deliveries", () => {
  it("are no tasks that a caller can submit or see", async () => {
    const submitted = await api.post("/v1/tasks", { task: "lovage.webhook", input: {} });
    expect(submitted).toMatchObject({ status: 404, body: { type: "/problems/unknown-task" } });
    const { id } = (await create({ url: URL })).body;
    const test = await api.post<DeliveryResource>(`/v1/webhooks/${id}/test`);
    const taskId = test.body.id.replace("msg_", "task_");
    expect((await api.get(`/v1/tasks/${taskId}`)).status).toBe(404);
    expect((await api.post(`/v1/tasks/${taskId}/cancel`)).status).toBe(404);
    expect(await api.listAll("task=lovage.webhook")).toEqual([]);
  });
});
