/** The task that a tick makes. */

import type { ScheduleSpec } from "../../contract/schedule.ts";
import { BELL_MS, DEFAULT_MAX_ATTEMPTS, DEFAULT_RETENTION_MS } from "../../core/bounds.ts";
import { firstLook } from "../../core/wake.ts";
import { putBack, Secrets, takeOut } from "../../core/secret.ts";
import type { NewTask } from "../../results/new-task.ts";
import { findTask } from "../registry.ts";
import { wholeTaskLimits } from "../limits/prepare.ts";
import { ownOf, prepareSubmission } from "../prepare.ts";
import { NO_SECRETS, type OpenedSecrets } from "../sealing/schedule.ts";

/** A schedule, as far as its ticks' tasks are concerned. */
export interface Ticking {
  tenant: string;
  id: string;
  spec: ScheduleSpec;
  /** JSON text, without what is secret in it; null where none was given. */
  input: string | null;
  /** What is secret in it and in the options. */
  secrets?: OpenedSecrets;
}

/**
 * The task that is made at `now` of the tick at `tick`, which may be past: its delay and its expiry are counted from the tick.
 * Its definition may have changed since the schedule was put: a task that would be refused now is
 * made all the same and then fails, so that its error is seen. Until then the limits of the whole task apply to it. `behind`:
 * see {@link FlowNode}.
 */
export function tickTask(env: Env, schedule: Ticking, id: string, tick: number, now: number, behind = 0): NewTask {
  const { tenant, spec, input, secrets = NO_SECRETS } = schedule;
  const { task } = spec;
  const options = withSigningSecret(spec.options, secrets.webhook);
  const given = input === null ? {} : { input: putBack(JSON.parse(input), secrets.taken) };
  const submission = { task, ...given, ...(options === undefined ? {} : { options }) };
  const prepared = prepareSubmission(env, submission, { tenant, traceparent: null }, id, tick);
  const made = prepared.ok ? prepared.task : bareTask(env, schedule, id, tick);
  const runAt = Math.max(now, made.runAt);
  return {
    ...made,
    createdAt: now,
    runAt,
    dueAt: firstLook(made.state === "queued" ? "queued" : "scheduled", runAt, made.expiresAt, now),
    tags: JSON.stringify({ ...options?.tags, schedule: schedule.id, tick: new Date(tick).toISOString() }),
    // A task with a node releases others when it ends: with `overlap: "queue"` the task of the next tick.
    node: JSON.stringify(behind > 0 ? { behind } : {}),
  };
}

function withSigningSecret(options: ScheduleSpec["options"], secret: string | null): ScheduleSpec["options"] {
  return secret === null || !options?.webhook ? options : { ...options, webhook: { ...options.webhook, secret } };
}

/** The input without its secrets: those that were taken out when it was put, and those that the definition names now. */
function maskedInput(env: Env, { spec, input, secrets = NO_SECRETS }: Ticking): Pick<NewTask, "input" | "secrets"> {
  const paths = findTask(spec.task, env)?.secret?.input ?? [];
  if (input === null || (paths.length === 0 && secrets.taken.length === 0)) return { input };
  const { value, taken } = takeOut(JSON.parse(input), paths);
  const known = new Set(secrets.taken.map(([path]) => JSON.stringify(path)));
  const all = [...secrets.taken, ...taken.filter(([path]) => !known.has(JSON.stringify(path)))];
  return all.length === 0 ? { input } : { input: JSON.stringify(value), secrets: new Secrets(all, null) };
}

const UNLIMITED = { concurrency: null, rates: null, circuit: null, batch: null, leaseMs: null };

function bareTask(env: Env, schedule: Ticking, id: string, tick: number): NewTask {
  const { tenant, spec } = schedule;
  const { task, options = {} } = spec;
  const definition = findTask(task, env);
  return {
    id,
    tenant,
    task,
    lane: options.lane ?? "default",
    state: "queued",
    maxAttempts: options.maxAttempts ?? DEFAULT_MAX_ATTEMPTS,
    dueAt: tick + BELL_MS,
    createdAt: tick,
    runAt: tick,
    expiresAt: null,
    retentionMs: options.retention ?? DEFAULT_RETENTION_MS,
    parentId: null,
    rootId: id,
    flowId: null,
    nodeKey: null,
    node: null,
    waitingFor: null,
    ...(definition ? { ...wholeTaskLimits(definition, tenant), ...ownOf(definition, tenant) } : UNLIMITED),
    traceparent: null,
    options: null,
    tags: null,
    ...maskedInput(env, schedule),
  };
}
