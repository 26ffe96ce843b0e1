/** What every operation answers to whom. An operation that the document has and this table has not fails the test. */
import { SCOPES, type Scope } from "../../src/contract/scope.ts";
import type { Api } from "./api.ts";

/** A request that the owner's key is answered as the row says. */
export type Request = {
  path?: Record<string, string>;
  query?: string;
  body?: unknown;
};

export type Row = {
  /** To a key of the owner's tenant that has the scope. */
  right: number;
  /** To the same kind of key of another tenant; 404 unless the operation names nothing that a tenant owns. */
  other?: number;
  /** To the service's own key, where that is not what another tenant's is answered. */
  root?: number;
  /** It is the deployment's: every other key is refused. */
  deployment?: true;
  /** What it makes is work, which the audit log does not list, or it may find that nothing is to be changed. */
  leaves?: "no entry" | "at most one entry";
  /** The use of the links that it takes instead of a key. */
  link?: "read" | "cancel" | "signal";
  /** Makes what the request is about, as the owner, and anew for every cell. */
  request?(owner: Api): Promise<Request> | Request;
};

const submission = { task: "test.noop", options: { delay: "1h" } };

async function taskThatWaits(owner: Api): Promise<string> {
  return (await owner.submit("test.noop", null, { delay: "1h" })).id;
}

async function endedTask(owner: Api): Promise<string> {
  const id = await taskThatWaits(owner);
  await owner.post(`/v1/tasks/${id}/cancel`);
  return id;
}

async function made(owner: Api, path: string, body?: unknown): Promise<string> {
  const answer = await owner.post<{ id: string }>(path, body);
  if (answer.status >= 300) throw new Error(`POST ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
  return answer.body.id;
}

let errors = 0;

/** The group of a failure that no test has had before. */
async function errorGroup(owner: Api): Promise<string> {
  const word = Array.from(String(++errors), (digit) => "abcdefghij"[Number(digit)]).join("");
  const { id } = await owner.submit("test.fail", { message: `group ${word}`, retryable: false });
  await owner.waitForEnd(id);
  const { body } = await owner.get<{ items: { id: string; sampleIds: string[] }[] }>("/v1/errors");
  const group = body.items.find(({ sampleIds }) => sampleIds.includes(id));
  if (!group) throw new Error(`no group of ${id}: ${JSON.stringify(body)}`);
  return group.id;
}

const webhook = (owner: Api) => made(owner, "/v1/webhooks", { url: "http://127.0.0.1:9/", events: ["task.expired"] });

const flow = (owner: Api) => made(owner, "/v1/flows", { chain: [submission, { task: "test.noop" }] });

async function endedFlow(owner: Api): Promise<string> {
  const id = await flow(owner);
  await owner.post(`/v1/flows/${id}/cancel`);
  return id;
}

let schedules = 0;

const hourly = { every: "1h", task: "test.noop" };

async function schedule(owner: Api): Promise<string> {
  const id = `schedule-${++schedules}`;
  const { status } = await owner.call("PUT", `/v1/schedules/${id}`, { body: hourly });
  if (status !== 201) throw new Error(`no schedule: ${status}`);
  return id;
}

let limits = 0;

const newLimit = () => `concurrency::key-${++limits}`;

async function limit(owner: Api): Promise<string> {
  const id = newLimit();
  const { status } = await owner.call("PUT", `/v1/limits/${id}`, { body: { limit: 2 } });
  if (status !== 201) throw new Error(`no limit: ${status}`);
  return id;
}

const about = (make: (owner: Api) => Promise<string>, body?: unknown) => async (owner: Api) => ({
  path: { id: await make(owner) },
  body,
});

const bulk = (make: (owner: Api) => Promise<string>) => async (owner: Api) => ({
  body: { filter: { ids: [await make(owner)] } },
});

export const MATRIX: Record<string, Row> = {
  submitTask: { leaves: "no entry", right: 202, other: 202, request: () => ({ body: submission }) },
  submitBatch: { leaves: "no entry", right: 207, other: 207, request: () => ({ body: { tasks: [submission] } }) },
  listTasks: { right: 200, other: 200, request: async (owner) => ({ query: `?flowId=${await flow(owner)}` }) },
  cancelTasks: { right: 200, other: 200, request: bulk(taskThatWaits) },
  retryTasks: { right: 200, other: 200, request: bulk(endedTask) },
  deleteTasks: { right: 200, other: 200, request: bulk(endedTask) },
  getTask: { right: 200, link: "read", request: about(taskThatWaits) },
  getTaskEvents: { right: 200, link: "read", request: about(taskThatWaits) },
  listTaskSteps: { right: 200, link: "read", request: about(taskThatWaits) },
  listTaskDeliveries: { right: 200, request: about(taskThatWaits) },
  explainTask: { right: 200, request: about(taskThatWaits) },
  cancelTask: { right: 200, link: "cancel", request: about(taskThatWaits) },
  retryTask: { right: 202, request: about(endedTask) },
  changeTask: { right: 200, request: about(taskThatWaits, { maxAttempts: 2 }) },
  runTaskNow: { right: 200, request: about(taskThatWaits) },
  pauseTask: { right: 200, request: about(taskThatWaits) },
  resumeTask: { leaves: "at most one entry", right: 200, request: about(taskThatWaits) },
  deleteTask: { right: 204, request: about(endedTask) },
  sendSignal: {
    right: 202,
    link: "signal",
    request: async (owner) => ({ path: { id: await taskThatWaits(owner), name: "go" }, body: {} }),
  },
  listWaits: { right: 200, other: 200 },

  submitFlow: { leaves: "no entry", right: 202, other: 202, request: () => ({ body: { chain: [submission] } }) },
  listFlows: { right: 200, other: 200 },
  getFlow: { right: 200, request: about(flow) },
  getFlowEvents: { right: 200, request: about(flow) },
  cancelFlow: { right: 200, request: about(flow) },
  deleteFlow: { right: 204, request: about(endedFlow) },
  retryFlow: { right: 202, request: about(endedFlow) },

  putSchedule: {
    right: 201,
    other: 201,
    request: () => ({ path: { id: `schedule-${++schedules}` }, body: hourly }),
  },
  listSchedules: { right: 200, other: 200 },
  getSchedule: { right: 200, request: about(schedule) },
  deleteSchedule: { right: 204, request: about(schedule) },
  pauseSchedule: { right: 200, request: about(schedule) },
  resumeSchedule: { leaves: "at most one entry", right: 200, request: about(schedule) },
  runSchedule: { right: 202, request: about(schedule) },

  listLanes: { right: 200, other: 200 },
  pauseLane: { leaves: "at most one entry", right: 200, deployment: true, request: () => ({ path: { name: "long" } }) },
  drainLane: { leaves: "at most one entry", right: 200, deployment: true, request: () => ({ path: { name: "long" } }) },
  resumeLane: {
    leaves: "at most one entry",
    right: 200,
    deployment: true,
    request: () => ({ path: { name: "long" } }),
  },

  listLimits: { right: 200, other: 200 },
  getLimit: { right: 200, request: async (owner) => ({ path: { id: await limit(owner) } }) },
  // A tenant that names a key names its own.
  putLimit: { right: 201, other: 201, request: () => ({ path: { id: newLimit() }, body: { limit: 3 } }) },
  deleteLimit: { right: 204, request: async (owner) => ({ path: { id: await limit(owner) } }) },

  createKey: { right: 201, other: 201, request: () => ({ body: { name: "made", scopes: ["read"] } }) },
  listKeys: { right: 200, other: 200 },
  getOwnKey: { right: 200, other: 200 },
  getKey: {
    right: 200,
    root: 200,
    request: about((owner) => made(owner, "/v1/keys", { name: "x", scopes: ["read"] })),
  },
  revokeKey: {
    right: 204,
    root: 204,
    request: about((owner) => made(owner, "/v1/keys", { name: "x", scopes: ["read"] })),
  },

  listLinkKeys: { right: 200, deployment: true },
  rotateLinkKey: { right: 200, deployment: true },

  createWebhook: { right: 201, other: 201, request: () => ({ body: { url: "http://127.0.0.1:9/" } }) },
  listWebhooks: { right: 200, other: 200 },
  getDefaultWebhook: { right: 200, other: 200 },
  getWebhook: { right: 200, request: about(webhook) },
  changeWebhook: { right: 200, request: about(webhook, { paused: true }) },
  deleteWebhook: { right: 204, request: about(webhook) },
  rotateWebhookSecret: { right: 200, request: about(webhook) },
  testWebhook: { right: 202, request: about(webhook) },
  listDeliveries: { right: 200, request: about(webhook) },
  replayDeliveries: {
    leaves: "at most one entry",
    right: 202,
    request: about(webhook, { since: "2026-01-01T00:00:00Z" }),
  },
  replayDelivery: {
    leaves: "at most one entry",
    right: 202,
    request: async (owner) => {
      const id = await webhook(owner);
      return { path: { id, deliveryId: await made(owner, `/v1/webhooks/${id}/test`) } };
    },
  },

  listErrors: { right: 200, other: 200 },
  resolveError: { right: 200, request: about(errorGroup) },
  ignoreError: { right: 200, request: about(errorGroup) },

  listAudit: { right: 200, other: 200 },
  getHealthReport: { right: 200, other: 200 },
  getStatsSeries: { right: 200, other: 200 },
  getStats: { right: 200, other: 200 },
  followFeed: { right: 200, other: 200 },
  getMetrics: { right: 200, other: 200 },
  getHealth: { right: 200 },
  describe: { right: 200 },
  explainProblem: { right: 200, request: () => ({ path: { name: "not-found" } }) },
};

/** Who asks. The links are for a task of the owner's tenant, but for the last, which is for the task that the request is about. */
export const CELLS = [
  "no key",
  "mistyped key",
  "unknown key",
  "revoked key",
  "expired key",
  "key of a revoked maker",
  ...SCOPES,
  "every scope but its own and admin",
  "other tenant",
  "other tenant's admin",
  "default tenant's admin",
  "the deployment's key",
  "link to read",
  "link to cancel",
  "expired link",
  "link of a revoked key",
  "link of its own",
] as const;

export type Cell = (typeof CELLS)[number];

export type Statuses = Record<Cell, number>;

/** What an operation of this scope (null: open to everybody) answers in each cell. */
export function expected(row: Row, scope: Scope | "any" | null): Statuses {
  const { right, other = 404, root = other, deployment = false, link } = row;
  if (scope === null) return Object.fromEntries(CELLS.map((cell) => [cell, right])) as Statuses;
  const of = (status: number) => (deployment ? 403 : status);
  const allowed: readonly string[] = scope === "any" ? SCOPES : [scope, "admin"];
  const scopes = Object.fromEntries(SCOPES.map((each) => [each, of(allowed.includes(each) ? right : 403)]));
  return {
    "no key": 401,
    "mistyped key": 401,
    "unknown key": 401,
    "revoked key": 401,
    "expired key": 401,
    "key of a revoked maker": 401,
    ...(scopes as Record<Scope, number>),
    "every scope but its own and admin": scope === "any" ? right : 403,
    "other tenant": of(other),
    "other tenant's admin": of(other),
    "default tenant's admin": of(other),
    "the deployment's key": deployment ? right : root,
    "link to read": 403,
    "link to cancel": 403,
    "expired link": 401,
    "link of a revoked key": 401,
    "link of its own": link === "read" || link === "cancel" ? right : 403,
  };
}
