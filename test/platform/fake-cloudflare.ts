/** A Cloudflare account on loopback: it knows what a deployment asks of the API, and notes every call that changes something. */
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";

interface Script {
  tag: string;
  secrets: string[];
  versions: string[];
  /** The variables of the last upload, and its CPU limit. */
  vars?: Record<string, string>;
  cpuMs?: number | undefined;
}

export interface FakeCloudflare {
  /** The environment that leads wrangler here. */
  env: Record<string, string>;
  /** The calls that changed something since the last look, in their order. */
  changes(): string[];
  /** Paths that it does not know. */
  unknown: string[];
  scripts: Map<string, Script>;
  databases: { uuid: string; name: string; location: string | null; migrations: string[] }[];
  queues: {
    queue_id: string;
    queue_name: string;
    consumers: { consumer_id: string; script: string; type: string }[];
  }[];
  subdomain: string | null;
  /** Refuses the changes that begin so. */
  failing: string | null;
  stop(): Promise<void>;
}

class Refusal extends Error {
  readonly status: number;
  readonly code: number;
  constructor(status: number, code: number, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

const notFound = (what: string, code = 10007) => new Refusal(404, code, `${what} is not there`);

type Handler = (match: string[], body: string, query: URLSearchParams) => unknown;

export async function fakeCloudflare(): Promise<FakeCloudflare> {
  let noted: string[] = [];
  let ids = 0;
  const id = () => `00000000-0000-4000-8000-${String(++ids).padStart(12, "0")}`;
  const scriptOf = (name = "") => {
    const script = account.scripts.get(name);
    if (script === undefined) throw notFound(name);
    return script;
  };
  const databaseOf = (key = "") => {
    const found = account.databases.find(({ uuid, name }) => uuid === key || name === key);
    if (found === undefined) throw notFound(key, 7404);
    return found;
  };
  const queueOf = (key = "") => account.queues.find((each) => each.queue_id === key)!;
  const note = (what: string) => {
    if (account.failing !== null && what.startsWith(account.failing)) throw new Refusal(400, 1, "as the test wants it");
    noted.push(what);
  };

  const handlers: [RegExp, Handler][] = [
    [/^GET \/d1\/database$/, () => account.databases],
    [/^GET \/d1\/database\/([^/]+)$/, ([key]) => databaseOf(key)],
    [
      /^POST \/d1\/database$/,
      (_, body) => {
        const { name, primary_location_hint: location = null } = JSON.parse(body);
        note(`make database ${name}${location === null ? "" : ` in ${location}`}`);
        account.databases.push({ uuid: id(), name, location, migrations: [] });
        return account.databases.at(-1);
      },
    ],
    [/^DELETE \/d1\/database\/([^/]+)$/, ([key]) => remove(account.databases, databaseOf(key), "database")],
    [/^POST \/d1\/database\/([^/]+)\/query$/, ([key], body) => query(databaseOf(key), JSON.parse(body).sql)],
    [
      /^GET \/queues$/,
      (_, __, search) => {
        const names = search.getAll("name");
        return account.queues.filter(({ queue_name: name }) => names.length === 0 || names.includes(name));
      },
    ],
    [
      /^POST \/queues$/,
      (_, body) => {
        const { queue_name } = JSON.parse(body);
        note(`make queue ${queue_name}`);
        account.queues.push({ queue_id: id(), queue_name, consumers: [] });
        return account.queues.at(-1);
      },
    ],
    [/^DELETE \/queues\/([^/]+)$/, ([key]) => remove(account.queues, queueOf(key), "queue")],
    [/^GET \/queues\/([^/]+)\/consumers$/, ([key]) => queueOf(key).consumers],
    [
      /^POST \/queues\/([^/]+)\/consumers$/,
      ([key], body) => {
        note(`consume ${queueOf(key).queue_name}`);
        queueOf(key).consumers.push({ consumer_id: id(), script: JSON.parse(body).script_name, type: "worker" });
        return {};
      },
    ],
    [/^PUT \/queues\/([^/]+)\/consumers\/[^/]+$/, () => ({})],
    [
      /^DELETE \/queues\/([^/]+)\/consumers\/[^/]+$/,
      ([key]) => {
        note(`consume no more ${queueOf(key).queue_name}`);
        queueOf(key).consumers = [];
        return {};
      },
    ],
    [
      /^GET \/workers\/subdomain$/,
      () => {
        if (account.subdomain === null) throw notFound("a subdomain");
        return { subdomain: account.subdomain };
      },
    ],
    [
      /^PUT \/workers\/subdomain$/,
      (_, body) => {
        account.subdomain = JSON.parse(body).subdomain as string;
        note("take a subdomain");
        return { subdomain: account.subdomain };
      },
    ],
    [
      /^GET \/workers\/services\/([^/]+)$/,
      ([name = ""]) => {
        scriptOf(name);
        const environment = {
          environment: "production",
          script: { last_deployed_from: "wrangler", tag: "t", tags: [] },
        };
        return { id: name, default_environment: environment };
      },
    ],
    [
      /^DELETE \/workers\/services\/([^/]+)$/,
      ([name = ""]) => {
        scriptOf(name);
        note(`remove Worker ${name}`);
        account.scripts.delete(name);
        return null;
      },
    ],
    [
      /^GET \/workers\/scripts\/([^/]+)\/settings$/,
      ([script]) => {
        const vars = Object.entries(scriptOf(script).vars ?? {});
        return { bindings: vars.map(([name, text]) => ({ type: "plain_text", name, text })) };
      },
    ],
    [/^PATCH \/workers\/scripts\/[^/]+\/(script-)?settings$/, () => ({})],
    [/^GET \/workers\/scripts\/([^/]+)\/secrets$/, ([name]) => scriptOf(name).secrets.map((each) => ({ name: each }))],
    [
      /^GET \/workers\/scripts\/([^/]+)\/deployments$/,
      ([name]) => {
        const versions = scriptOf(name).versions.map((version) => ({ version_id: version, percentage: 100 }));
        return { deployments: versions.toReversed().map((version) => ({ id: id(), versions: [version] })) };
      },
    ],
    [
      /^GET \/workers\/scripts\/([^/]+)\/versions\/[^/]+$/,
      ([name]) => ({ id: "v", annotations: { "workers/tag": scriptOf(name).tag }, resources: { bindings: [] } }),
    ],
    [/^PUT \/workers\/scripts\/([^/]+)$/, ([name], body) => upload(name ?? "", body)],
    [/^POST \/workers\/scripts\/([^/]+)\/versions$/, ([name], body) => upload(name ?? "", body)],
    [/^POST \/workers\/scripts\/[^/]+\/deployments$/, () => ({ id: id() })],
    [/^POST \/workers\/scripts\/[^/]+\/assets-upload-session$/, () => ({ jwt: "jwt", buckets: [] })],
    [/^(GET|POST|PUT) \/workers\/scripts\/[^/]+\/(subdomain|schedules|routes)$/, () => ({ enabled: true })],
    // Where a command that is led here finds the deployed services; see `reaching`.
    [/^GET \/reached\/(.+)$/, ([address]) => (note(`look at ${address}`), { ok: true })],
    [/^(GET|PATCH) \/workers\/workers\/[^/]+$/, () => ({ subdomain: { enabled: true, previews_enabled: false } })],
  ];

  function remove<T extends { name?: string; queue_name?: string }>(all: T[], one: T, kind: string): null {
    note(`remove ${kind} ${one.name ?? one.queue_name}`);
    all.splice(all.indexOf(one), 1);
    return null;
  }

  function query(database: FakeCloudflare["databases"][number], sql: string) {
    const rows = (names: string[]) => [{ results: names.map((name) => ({ name })), success: true, meta: {} }];
    if (sql.includes("sqlite_master")) return rows(["d1_migrations"]);
    if (/^\s*SELECT/i.test(sql)) return rows(database.migrations);
    for (const [, name = ""] of sql.matchAll(/INSERT INTO "?d1_migrations"? \(name\)\s+values \('([^']+)'\)/gi)) {
      note(`migrate ${database.name} ${name}`);
      database.migrations.push(name);
    }
    return rows([]);
  }

  /** A form whose part `metadata` says what the Worker is bound to. */
  function upload(name: string, body: string) {
    const json = /name="metadata"[^]*?\r\n\r\n([^]*?)\r\n--/.exec(body)?.[1] ?? "{}";
    const metadata = JSON.parse(json) as {
      bindings: { name: string; type: string; text?: string }[];
      limits?: { cpu_ms?: number };
      annotations?: Record<string, string>;
    };
    const secrets = metadata.bindings.filter(({ type }) => type === "secret_text").map((binding) => binding.name);
    const vars = metadata.bindings
      .filter(({ type }) => type === "plain_text")
      .map((each) => [each.name, each.text ?? ""]);
    const before = account.scripts.get(name) ?? { secrets: [], versions: [] };
    note(`upload ${name}${secrets.length > 0 ? ` with ${secrets.join(", ")}` : ""}`);
    const version = id();
    account.scripts.set(name, {
      tag: metadata.annotations?.["workers/tag"] ?? "",
      secrets: [...new Set([...before.secrets, ...secrets])],
      versions: [...before.versions, version],
      vars: Object.fromEntries(vars) as Record<string, string>,
      cpuMs: metadata.limits?.cpu_ms,
    });
    return { id: version, deployment_id: version.replaceAll("-", ""), resources: { script: { etag: "e" } } };
  }

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname, searchParams } = new URL(request.url ?? "/", "http://localhost");
    const call = `${request.method} ${pathname.replace("/accounts/account", "")}`;
    const body = await text(request);
    response.setHeader("content-type", "application/json");
    try {
      for (const [pattern, handle] of handlers) {
        const match = pattern.exec(call);
        if (match === null) continue;
        const result = handle(match.slice(1), body, searchParams);
        const info = Array.isArray(result)
          ? { result_info: { page: 1, total_pages: 1, total_count: result.length } }
          : {};
        response.end(JSON.stringify({ success: true, errors: [], messages: [], result, ...info }));
        return;
      }
      account.unknown.push(call);
      throw notFound(call);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      response.statusCode = error.status;
      const { code, message } = error;
      response.end(JSON.stringify({ success: false, errors: [{ code, message }], messages: [], result: null }));
    }
  }

  const server = createServer((request, response) => void answer(request, response));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const account: FakeCloudflare = {
    env: {
      CLOUDFLARE_API_BASE_URL: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      CLOUDFLARE_API_TOKEN: "token",
      CLOUDFLARE_ACCOUNT_ID: "account",
      WRANGLER_SEND_METRICS: "false",
      WRANGLER_HIDE_BANNER: "true",
    },
    changes: () => noted.splice(0),
    unknown: [],
    scripts: new Map(),
    databases: [],
    queues: [],
    subdomain: null,
    failing: null,
    stop: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
  return account;
}

/** A module for Node's `--import`: what a process asks of a deployed Worker, it asks of the account on loopback. */
export const reaching = `const { fetch } = globalThis;
globalThis.fetch = (target, init) => {
  const { hostname, pathname } = new URL(target.url ?? target);
  if (!hostname.endsWith(".workers.dev")) return fetch(target, init);
  return fetch(process.env.CLOUDFLARE_API_BASE_URL + "/reached/" + hostname + pathname, init);
};
`;

/** The queues of a Worker's lanes. `prefix`: what stands before each. */
export function queuesOf(prefix = ""): string[] {
  const lanes = ["high", "default", "bulk", "long"];
  return [...lanes, ...lanes.map((lane) => `turns-${lane}`), "dead"].map((name) => `${prefix}lovage-${name}`);
}

interface Deployed {
  worker: string;
  database: string;
  queues: string[];
}

/** What an empty account is asked for, in this order. */
export function firstChanges({ worker, database, queues }: Deployed, migrations: string[], location = ""): string[] {
  return [
    `make database ${database}${location === "" ? "" : ` in ${location}`}`,
    ...migrations.map((name) => `migrate ${database} ${name}`),
    "take a subdomain",
    ...queues.map((queue) => `make queue ${queue}`),
    `upload ${worker} with API_KEY, SEAL_KEY`,
    ...queues.map((queue) => `consume ${queue}`),
  ];
}

export function removals({ worker, database, queues }: Deployed): string[] {
  return [
    ...queues.map((queue) => `consume no more ${queue}`),
    `remove Worker ${worker}`,
    ...queues.map((queue) => `remove queue ${queue}`),
    `remove database ${database}`,
  ];
}
