/** Every operation of the document, asked with every kind of key and of link. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { CreatedKey } from "../../src/contract/key.ts";
import { SCOPES, type Scope } from "../../src/contract/scope.ts";
import type { TaskResource } from "../../src/contract/task.ts";
import { apiOf, type Api } from "./api.ts";
import { operationsOf, readDocument, type Operation } from "./document.ts";
import { shareServer, type SharedServer } from "./shared-server.ts";
import { CELLS, expected, MATRIX, type Cell, type Request, type Row, type Statuses } from "./tenancy-matrix.ts";

let server: SharedServer;
let operations: Operation[];
let root: Api;

const as = (key: string) => apiOf({ url: server.url, key });

async function makeKey(
  tenant: string,
  scopes: readonly Scope[],
  expiresAt?: string,
  maker: Api = root,
): Promise<CreatedKey> {
  const wanted = { name: "matrix", tenant, scopes, ...(expiresAt ? { expiresAt } : {}) };
  const { status, body } = await maker.post<CreatedKey>("/v1/keys", wanted);
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
function scopeOf(operation: Operation): Scope | "any" | null {
  const scopes = operation.security[0]?.["key"];
  return scopes === undefined ? null : ((scopes[0] as Scope | undefined) ?? "any");
}

/** What a caller shows. */
type Shown = { key?: string; token?: string };

const tokenOf = (link: string) => new URL(link, server.url).searchParams.get("token") ?? "";

async function tokensOf(who: Api, id: string, more = "") {
  const { links } = (await who.get<TaskResource>(`/v1/tasks/${id}?links=signed${more}`)).body;
  return { read: tokenOf(links.self), cancel: tokenOf(links.cancel) };
}

/** What is refused whatever is asked: keys and links that have ended, or never were. */
async function makeEnded() {
  const soon = new Date(Date.now() + 4_000).toISOString();
  const [owner, revoked, expired] = [
    await makeKey("owner", SCOPES),
    await makeKey("owner", SCOPES),
    await makeKey("owner", SCOPES, soon),
  ];
  const made = await makeKey("owner", SCOPES, undefined, as(revoked.key));
  const { id } = await as(owner.key).submit("test.noop", null, { delay: "1h" });
  const { read, cancel } = await tokensOf(as(owner.key), id);
  const orphan = (await tokensOf(as(revoked.key), id)).read;
  const short = (await tokensOf(as(owner.key), id, "&linksTtl=1")).read;
  await root.call("DELETE", `/v1/keys/${revoked.id}`);
  const status = async ({ key, token }: Shown) => {
    const headers = { authorization: key === undefined ? null : `Bearer ${key}` };
    return (await root.get(`/v1/tasks/${id}${token === undefined ? "" : `?token=${token}`}`, headers)).status;
  };
  await expect.poll(() => status({ key: expired.key })).toBe(401);
  await expect.poll(() => status({ token: short })).toBe(401);
  const random = owner.key.slice(7, 59);
  return {
    "no key": {},
    "mistyped key": { key: `lovage_${random.slice(1)}${random[0]}${owner.key.slice(59)}` },
    "unknown key": { key: `lovage_${"0".repeat(52)}1rna36f` },
    "revoked key": { key: revoked.key },
    "expired key": { key: expired.key },
    "key of a revoked maker": { key: made.key },
    "link to read": { token: read },
    "link to cancel": { token: cancel },
    "expired link": { token: short },
    "link of a revoked key": { token: orphan },
  } satisfies Partial<Record<Cell, Shown>>;
}

const OWNED = /\b[a-z]+_[0-7][0-9a-z]{25}\b/g;

/** Sends the request as the caller that shows this: its status, and what of the owner's it was about and told of. */
async function ask(operation: Operation, { path: segments = {}, query = "", body }: Request, { key, token }: Shown) {
  const path = operation.path.replaceAll(/\{(\w+)\}/g, (_, name: string) => segments[name] ?? name);
  const search = token === undefined ? query : `${query === "" ? "?" : `${query}&`}token=${token}`;
  const headers = { authorization: key === undefined ? null : `Bearer ${key}` };
  const answer = await root.call(operation.method, path + search, { body, headers });
  const told = JSON.stringify(answer.body);
  const owned = JSON.stringify({ segments, query, body }).match(OWNED) ?? [];
  return {
    status: answer.status,
    told: owned.filter((id) => told.includes(id)),
    isUnchanged: told.includes('"changed":0'),
  };
}

/** The ids of the latest entries of the audit log. */
async function newestEntries(): Promise<string[]> {
  const { body } = await root.get<{ items: { id: string }[] }>("/v1/audit?limit=5");
  return body.items.map(({ id }) => id);
}

/** The cells of keys that see nothing of the owner's. */
const STRANGERS: readonly Cell[] = ["other tenant", "other tenant's admin", "default tenant's admin"];

/** Answers that change nothing, so that the next caller may be asked about the same thing. */
const REFUSALS = [401, 403, 404];

describe("tenancy", () => {
  it("has a row for every operation of the document, and no other", () => {
    const ids = operations.map((operation) => operation.operationId);
    expect(Object.keys(MATRIX).toSorted()).toEqual(ids.toSorted());
  });

  it("takes links where the document says so", () => {
    const documented = operations.filter(({ security }) => security.some((each) => "link" in each));
    const rows = Object.entries(MATRIX).filter(([, row]) => row.link !== undefined);
    expect(documented.map((operation) => operation.operationId).toSorted()).toEqual(rows.map(([id]) => id).toSorted());
  });

  it("answers every operation by whose key or link it is, and leaves an entry in the audit log for each change", async () => {
    const ended = await makeEnded();
    const stranger = await makeKey("other", ["admin"]);
    const defaultAdmin = await makeKey("default", SCOPES);

    const found: Record<string, Partial<Statuses>> = {};
    const wanted: Record<string, Statuses> = {};
    const leaks: string[] = [];
    const wrongEntries: string[] = [];
    for (const [i, operation] of operations.entries()) {
      // A tenant for each, because some things a tenant may have only so many of.
      const tenant = `owner-${i}`;
      const owner = as((await makeKey(tenant, SCOPES)).key);
      const row: Row = MATRIX[operation.operationId] ?? { right: 0 };
      const scope = scopeOf(operation);
      const statuses = (wanted[operation.operationId] = expected(row, scope));
      const rest = SCOPES.filter((each) => each !== "admin" && each !== scope);
      const shown: Partial<Record<Cell, Shown>> = {
        ...ended,
        "every scope but its own and admin": { key: (await makeKey(tenant, rest)).key },
        "other tenant": { key: (await makeKey("other", [scope === null || scope === "any" ? "read" : scope])).key },
        "other tenant's admin": { key: stranger.key },
        "default tenant's admin": { key: defaultAdmin.key },
        "the deployment's key": { key: server.root.key },
      };
      for (const each of SCOPES) shown[each] = { key: (await makeKey(tenant, [each])).key };

      let request: Request | undefined;
      const answered: Partial<Statuses> = (found[operation.operationId] = {});
      for (const cell of CELLS) {
        request ??= (await row.request?.(owner)) ?? {};
        const caller = shown[cell] ?? { token: await ownToken(owner, request, row) };
        // Where no key is needed, a token is an unknown parameter.
        const before = operation.method === "GET" ? [] : await newestEntries();
        const { status, told, isUnchanged } = await ask(operation, request, scope === null ? {} : caller);
        answered[cell] = status;
        if (operation.method !== "GET") {
          const fresh = (await newestEntries()).filter((id) => !before.includes(id)).length;
          const isChange = status < 300 && row.leaves !== "no entry" && !isUnchanged;
          const right = row.leaves === "at most one entry" ? fresh <= Number(isChange) : fresh === Number(isChange);
          if (!right) wrongEntries.push(`${operation.operationId} by ${cell}: ${status}, ${fresh} entries`);
        }
        if (STRANGERS.includes(cell) && told.length > 0) leaks.push(`${operation.operationId} tells of ${told.join()}`);
        if (!REFUSALS.includes(statuses[cell])) request = undefined;
      }
    }
    expect(found).toEqual(wanted);
    expect(leaks).toEqual([]);
    expect(wrongEntries).toEqual([]);
  });

  /** Of a link to the task that the request is about, for the operation's own use where there is such a link; else to any. */
  async function ownToken(owner: Api, { path }: Request, { link }: Row): Promise<string> {
    const id = path?.["id"]?.startsWith("task_")
      ? path["id"]
      : (await owner.submit("test.noop", null, { delay: "1h" })).id;
    const { read, cancel } = await tokensOf(owner, id);
    return link === "cancel" ? cancel : read;
  }

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
