/** Every operation of the document, asked with every kind of key. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { CreatedKey } from "../../src/contract/key.ts";
import { SCOPES, type Scope } from "../../src/contract/scope.ts";
import type { TaskResource } from "../../src/contract/task.ts";
import { apiOf, type Api } from "./api.ts";
import { operationsOf, readDocument, type Operation } from "./document.ts";
import { shareServer, type SharedServer } from "./shared-server.ts";
import { MATRIX, type Row } from "./tenancy-matrix.ts";

const CELLS = ["no key", "bad key", "revoked", "expired", "missing scope", "other tenant", "right key"] as const;

type Statuses = Record<(typeof CELLS)[number], number>;

let server: SharedServer;
let operations: Operation[];
let root: Api;

const as = (key: string) => apiOf({ url: server.url, key });

async function makeKey(tenant: string, scopes: readonly Scope[], expiresAt?: string): Promise<CreatedKey> {
  const wanted = { name: "matrix", tenant, scopes, ...(expiresAt ? { expiresAt } : {}) };
  const { status, body } = await root.post<CreatedKey>("/v1/keys", wanted);
  if (status !== 201) throw new Error(`no key: ${status}`);
  return body;
}

beforeAll(async () => {
  server = await shareServer();
  root = as(server.root.key);
  operations = operationsOf(await readDocument(server.url));
});

afterAll(() => server?.stop());

/** Null: the operation is open to everybody. */
function scopeOf(operation: Operation): Scope | null {
  return (operation.security[0]?.["key"]?.[0] as Scope | undefined) ?? null;
}

function expected(row: Row, scope: Scope | null): Statuses {
  const { right, other = 404 } = row;
  const cells = scope === null ? CELLS.map(() => right) : [401, 401, 401, 401, 403, other, right];
  return Object.fromEntries(CELLS.map((cell, i) => [cell, cells[i]])) as Statuses;
}

const OWNED = /\b[a-z]+_[0-7][0-9a-z]{25}\b/g;

/** The request of the row, made with this key: its status, and what of the owner's it was about and told of. */
async function ask(operation: Operation, row: Row, owner: Api, key: string | null) {
  const request = (await row.request?.(owner)) ?? {};
  const { path: segments = {}, query = "", body } = request;
  const path = operation.path.replaceAll(/\{(\w+)\}/g, (_, name: string) => segments[name] ?? name);
  const headers = { authorization: key === null ? null : `Bearer ${key}` };
  const answer = await root.call(operation.method, path + query, { body, headers });
  const told = JSON.stringify(answer.body);
  const owned = JSON.stringify(request).match(OWNED) ?? [];
  return { status: answer.status, told: owned.filter((id) => told.includes(id)) };
}

describe("tenancy", () => {
  it("has a row for every operation of the document, and no other", () => {
    const ids = operations.map((operation) => operation.operationId);
    expect(Object.keys(MATRIX).toSorted()).toEqual(ids.toSorted());
  });

  it("answers every operation by whose key it is", async () => {
    const revoked = await makeKey("owner", SCOPES);
    const expired = await makeKey("owner", SCOPES, new Date(Date.now() + 4_000).toISOString());
    await root.call("DELETE", `/v1/keys/${revoked.id}`);
    await expect.poll(async () => (await as(expired.key).get("/v1/tasks")).status).toBe(401);

    const found: Record<string, Statuses> = {};
    const wanted: Record<string, Statuses> = {};
    const leaks: string[] = [];
    for (const [i, operation] of operations.entries()) {
      // A tenant for each, because some things a tenant may have only so many of.
      const tenant = `owner-${i}`;
      const owner = as((await makeKey(tenant, SCOPES)).key);
      const row = MATRIX[operation.operationId] ?? { right: 0 };
      const scope = scopeOf(operation);
      const rest = SCOPES.filter((each) => each !== "admin" && each !== scope);
      const keys: Record<keyof Statuses, string | null> = {
        "no key": null,
        "bad key": `lv_${"0".repeat(52)}`,
        revoked: revoked.key,
        expired: expired.key,
        "missing scope": (await makeKey(tenant, rest)).key,
        "other tenant": (await makeKey("other", [scope ?? "read"])).key,
        "right key": (await makeKey(tenant, [scope ?? "read"])).key,
      };
      const statuses = {} as Statuses;
      for (const cell of CELLS) {
        const { status, told } = await ask(operation, row, owner, keys[cell]);
        statuses[cell] = status;
        if (cell === "other tenant" && told.length > 0) leaks.push(`${operation.operationId} tells of ${told.join()}`);
      }
      found[operation.operationId] = statuses;
      wanted[operation.operationId] = expected(row, scope);
    }
    expect(found).toEqual(wanted);
    expect(leaks).toEqual([]);
  });

  it("tells another tenant what is told of something that never was", async () => {
    const owner = as((await makeKey("owner", SCOPES)).key);
    const other = as((await makeKey("other", SCOPES)).key);
    const task = await owner.submit("test.noop", null, { delay: "1h" });
    for (const rest of ["", "/events"]) {
      const theirs = await other.get(`/v1/tasks/${task.id}${rest}`);
      const nobodys = await other.get(`/v1/tasks/task_01jzzzzzzzzzzzzzzzzzzzzzzz${rest}`);
      expect([theirs.status, theirs.body]).toEqual([nobodys.status, nobodys.body]);
    }
  });

  it("neither lists, counts nor changes another tenant's tasks", async () => {
    const owner = as((await makeKey("owner", SCOPES)).key);
    const other = as((await makeKey("other", SCOPES)).key);
    const task = await owner.submit("test.noop", null, { delay: "1h", tags: { whose: "owner" } });
    expect((await other.get<{ items: TaskResource[] }>("/v1/tasks?tag.whose=owner")).body.items).toEqual([]);
    for (const verb of ["cancel", "retry", "delete"]) {
      const filters = [{ ids: [task.id] }, { tags: { whose: "owner" } }];
      for (const filter of filters) {
        const { body } = await other.post(`/v1/tasks/${verb}`, { filter });
        expect(body).toEqual({ matched: 0, changed: 0 });
      }
    }
    expect(await owner.read(task.id)).toEqual(task.attempts ? task : { ...task, attempts: [] });
  });
});

describe("a signed link", () => {
  const linksOf = async (who: Api, id: string) =>
    (await who.get<TaskResource>(`/v1/tasks/${id}?links=signed`)).body.links;
  const withoutKey = { authorization: null };

  it("opens its task for its use, and nothing else", async () => {
    const [mine, another] = [await root.submit("test.noop"), await root.submit("test.noop")];
    const { self, cancel } = await linksOf(root, mine.id);
    const token = new URL(self, server.url).searchParams.get("token")!;
    expect((await root.get(self, withoutKey)).status).toBe(200);
    expect((await root.get(`/v1/tasks/${another.id}?token=${token}`, withoutKey)).status).toBe(403);
    expect((await root.post(`/v1/tasks/${mine.id}/cancel?token=${token}`, undefined, withoutKey)).status).toBe(403);
    expect((await root.get(`${self}x`, withoutKey)).status).toBe(401);
    const elsewhere = [
      ["GET", `/v1/tasks/${mine.id}/explain`],
      ["POST", `/v1/tasks/${mine.id}/retry`],
      ["POST", `/v1/tasks/${mine.id}/signals/go`],
      ["DELETE", `/v1/tasks/${mine.id}`],
      ["GET", "/v1/tasks"],
      ["POST", "/v1/tasks"],
      ["GET", "/v1/keys"],
    ] as const;
    for (const [method, path] of elsewhere) {
      const asked = async (given: string) =>
        (await root.call(method, `${path}?token=${given}`, { headers: withoutKey })).status;
      expect([method, path, await asked(token), await asked(`${token}x`)]).toEqual([method, path, 403, 401]);
    }
    expect([200, 409]).toContain((await root.post(cancel, undefined, withoutKey)).status);
  });

  it("makes no further links, and a key that may not cancel makes none that cancel", async () => {
    const task = await root.submit("test.noop", null, { delay: "1h" });
    const { self } = await linksOf(root, task.id);
    expect((await root.get(`${self}&links=signed`, withoutKey)).status).toBe(403);
    const reader = as((await makeKey("default", ["read"])).key);
    const links = await linksOf(reader, task.id);
    expect(links.self).toContain("token=");
    expect(links.cancel).not.toContain("token=");
    const submitter = as((await makeKey("default", ["submit"])).key);
    const submitted = await submitter.post<TaskResource>("/v1/tasks?links=signed", {
      task: "test.noop",
      options: { delay: "1h" },
    });
    expect((await root.post(submitted.body.links.cancel, undefined, withoutKey)).status).toBe(200);
  });
});
