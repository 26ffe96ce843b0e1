/** An example of each resource, by the id of its schema. */

import type { z } from "zod";
import { taskSchema } from "../../contract/task.ts";

const id = "task_01kaj3v0wyf7q9r2m8c5t4b6dn";

const at = (second: number) => `2026-11-21T12:00:${String(second).padStart(2, "0")}.000Z`;

const task = completed(taskSchema, {
  id,
  task: "process_item",
  state: "running",
  input: { name: "herb garden" },
  progress: { done: 12, total: 30, percent: 40, message: null, data: null, at: at(13) },
  attempt: 1,
  maxAttempts: 3,
  lane: "default",
  tags: { customer: "42" },
  rootId: id,
  createdAt: at(0),
  runAt: at(0),
  startedAt: at(1),
  links: { self: `/v1/tasks/${id}`, events: `/v1/tasks/${id}/events`, cancel: `/v1/tasks/${id}/cancel` },
});

/** The example with all members of the schema: those that it leaves out are null, where they may be. */
function completed<T extends object>(schema: z.ZodObject, example: T): T {
  const members = Object.entries(schema.shape).filter(
    ([name, member]) => name in example || (member as z.ZodType).safeParse(null).success,
  );
  return { ...Object.fromEntries(members.map(([name]) => [name, null])), ...example };
}

const key = {
  id: "key_01kaj3v0wyf7q9r2m8c5t4b6dn",
  name: "checkout",
  prefix: "lovage_7k2m9q4x",
  tenant: "default",
  scopes: ["submit", "read"],
  rateLimited: false,
  createdBy: "deployment",
  createdAt: at(0),
  expiresAt: null,
  revokedAt: null,
};

const schedule = {
  id: "nightly-report",
  cron: "30 2 * * MON-FRI",
  every: null,
  timezone: "Europe/Berlin",
  task: "process_item",
  input: { name: "nightly report" },
  options: {},
  overlap: "skip",
  catchUp: "last",
  startAt: null,
  endAt: null,
  paused: false,
  nextRunAt: "2026-11-23T01:30:00.000Z",
  nextRuns: ["2026-11-23T01:30:00.000Z", "2026-11-24T01:30:00.000Z"],
  lastRuns: [{ tick: "2026-11-20T01:30:00.000Z", taskId: id }],
  source: "api",
  createdAt: at(0),
  updatedAt: at(0),
};

const lane = {
  name: "bulk",
  paused: true,
  draining: false,
  reason: "the upstream is down",
  until: "2026-11-21T18:00:00.000Z",
  queued: 1_240,
  running: 3,
  oldestWaitingSince: "2026-11-21T11:46:12.000Z",
  capped: false,
  backlog: 0,
};

const limit = {
  id: "concurrency::customer-42",
  kind: "concurrency",
  task: null,
  tenant: "default",
  key: "customer-42",
  limit: 5,
  per: null,
  burst: null,
  used: 2,
  tokens: null,
  waiting: 0,
  heldBy: [id],
  waiters: [],
  heldUntil: null,
  source: "api",
  changedBy: "key_01kaf3zzk6h8q4m7x2v9s0c5tb",
  changedAt: at(0),
};

const statsWindow = {
  since: "2026-11-21T11:01:00.000Z",
  ended: { succeeded: 118, failed: 2, cancelled: 0, expired: 0 },
  perMinute: 2,
  waitMs: { p50: 19, p95: 64 },
  runMs: { p50: 861, p95: 2_435 },
};

const figures = {
  states: {
    scheduled: 4,
    queued: 2,
    waiting: 0,
    running: 3,
    retrying: 0,
    succeeded: 118,
    failed: 2,
    cancelled: 0,
    expired: 0,
  },
  lastHour: statsWindow,
  lastDay: { ...statsWindow, since: "2026-11-20T13:00:00.000Z", perMinute: 0.09 },
};

export const EXAMPLES: Readonly<Record<string, unknown>> = {
  Task: task,
  SubmittedTask: { ...task, state: "queued", progress: null, attempt: 0, startedAt: null },
  TaskList: { items: [task], nextCursor: "MTp0YXNrXzAxa2Fq" },
  BatchResult: { items: [{ status: 202, task }] },
  BulkResult: { matched: 12, changed: 12 },
  EventList: {
    items: [
      { seq: 3_000_000, type: "state", at: at(0), data: { state: "queued", attempt: 0 } },
      { seq: 14_000_000, type: "state", at: at(1), data: { state: "running", attempt: 1 } },
      { seq: 14_000_001, type: "progress", at: at(13), data: task.progress },
    ],
  },
  StepList: {
    items: [
      {
        name: "charge",
        kind: "step",
        startedAt: at(1),
        finishedAt: at(2),
        attempt: 1,
        error: null,
        until: null,
      },
      { name: "approve", kind: "signal", startedAt: at(2), finishedAt: null, attempt: 1, error: null, until: at(50) },
    ],
    nextCursor: null,
  },
  SignalWaitList: {
    items: [
      {
        taskId: id,
        task: "order.exchange",
        name: "returned",
        schema: { type: "object", properties: { parcels: { type: "integer" } }, required: ["parcels"] },
        since: at(1),
        until: "2026-12-21T12:00:01.000Z",
      },
    ],
    nextCursor: null,
  },
  Key: key,
  CreatedKey: { ...key, key: `${key.prefix}${"0".repeat(51)}` },
  OwnKey: { id: key.id, tenant: key.tenant, scopes: key.scopes, expiresAt: null },
  LinkKeyList: {
    items: [
      { id: "p4Qx7mZb", signsFrom: at(0), holdsUntil: "2027-11-22T12:02:00.000Z" },
      { id: "Y0sLr2dK", signsFrom: "2026-11-21T12:02:00.000Z", holdsUntil: null },
    ],
  },
  KeyList: { items: [key], nextCursor: null },
  AuditList: {
    items: [
      {
        id: "audit_01kaj3v0wyf7q9r2m8c5t4b6dn",
        at: at(20),
        tenant: "default",
        actor: { kind: "key", id: key.id },
        action: "task.cancel",
        target: id,
        detail: { reason: "the order was withdrawn" },
        ip: "203.0.113.7",
      },
    ],
    nextCursor: null,
  },
  Schedule: schedule,
  ScheduleList: { items: [schedule], nextCursor: null },
  Lane: lane,
  LaneList: { items: [lane] },
  Limit: limit,
  LimitList: { items: [limit], nextCursor: null },
  Stats: {
    at: at(30),
    capped: false,
    quotas: {
      tasks: { used: 812, limit: 100_000 },
      bytes: { used: 2_400_000, limit: 5_000_000_000 },
      signals: { used: 3, limit: 100_000 },
      schedules: { used: 4, limit: 1_000 },
      keys: { used: 6, limit: 1_000 },
    },
    quotasCountedAt: at(0),
    ...figures,
    tasks: [{ task: "process_item", ...figures }],
    lanes: [{ lane: "default", ...figures }],
  },
  Health: {
    status: "ok",
    checks: {
      database: { ok: true, sizeBytes: 48_000_000, maxBytes: 10_000_000_000, accepts: true },
      clock: { ok: true },
      sealing: { ok: true },
    },
    clockLagMs: 0,
    backlog: { high: 0, default: 2, bulk: 0, long: 0 },
  },
};
