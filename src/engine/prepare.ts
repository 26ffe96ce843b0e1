/** Turns a submission into the row that it becomes, with every check that can be made before anything is stored. */

import { meant } from "../core/nearest.ts";
import { submissionSchema, type Submission } from "../contract/submission.ts";
import { rowCircuit } from "../core/circuit.ts";
import { check } from "../core/check.ts";
import type { TaskDefinition } from "../core/task.ts";
import type { PlannedTask } from "../core/flows/flow.ts";
import { holdersIn } from "../core/flows/reference.ts";
import { writeJson } from "../core/json.ts";
import { staticFaults } from "../core/partial-input.ts";
import { MAX_HORIZON_MS, MAX_PAYLOAD_BYTES, MAX_SECRET_BYTES } from "../core/bounds.ts";
import { faults, problem, type Fault, type Problem } from "../core/problems.ts";
import { scrubFaults, Secrets, takeOut, type Taken } from "../core/secret.ts";
import type { Share } from "../core/share.ts";
import { firstLook, OBJECT } from "../core/wake.ts";
import { byteLength } from "../core/byte-length.ts";
import type { NewTask } from "../results/new-task.ts";
import { findTask, taskNames } from "./registry.ts";
import { prepareLimits } from "./limits/prepare.ts";
import { runOptionsOf } from "./run-options.ts";
import { whyNoSealKey } from "./sealing/key.ts";
import { whyNoTarget } from "./webhooks/target.ts";

/** Where a submission comes from. */
export interface Origin {
  tenant: string;
  traceparent: string | null;
  /** Prefix of the `debounce` keys, where the whole tenant does not share them. */
  debounces?: string | null;
}

export type Prepared = { ok: true; task: NewTask; share?: Share } | { ok: false; problem: Problem };

/** Checks one submission as it came over the wire. */
export function prepare(env: Env, body: unknown, origin: Origin, id: string, now: number): Prepared {
  const parsed = check(submissionSchema, body);
  if (!parsed.success) {
    return refuse(problem("invalid-body", "The submission does not fit the schema.", faults(parsed.issues)));
  }
  return prepareSubmission(env, parsed.data, origin, id, now);
}

/** Checks one task of a flow; an input that is known only when the task starts is checked then. */
export function prepareNode(env: Env, node: PlannedTask, origin: Origin, now: number): Prepared {
  const { task, input, options } = node;
  const parsed = check(submissionSchema, {
    task,
    ...(input === undefined ? {} : { input }),
    ...(options === undefined ? {} : { options }),
  });
  if (!parsed.success) {
    return refuse(problem("invalid-body", "A node of the flow does not fit the schema.", faults(parsed.issues)));
  }
  const shared = (["debounce", "throttle"] as const).filter((each) => parsed.data.options?.[each] !== undefined);
  if (shared.length > 0) {
    const found = shared.map((each) => ({
      pointer: `/options/${each}`,
      detail: "a member of a flow cannot share its run",
    }));
    return refuse(problem("invalid-body", "A member of a flow shares its run with no other submission.", found));
  }
  const isStatic = node.passed === null && holdersIn(node.input).size === 0;
  return prepareSubmission(env, parsed.data, origin, node.id, now, isStatic ? checkInput : acceptInput);
}

/** Checks one submission whose form is known to be right. */
export function prepareSubmission(
  env: Env,
  submission: Submission,
  origin: Origin,
  id: string,
  now: number,
  checkGiven: typeof checkInput = checkInput,
): Prepared {
  const definition = findTask(submission.task, env);
  if (!definition) {
    const near = meant(submission.task, taskNames(env));
    const detail = `No task is called ${JSON.stringify(submission.task)} here${near === "" ? "." : near}`;
    return refuse(problem("unknown-task", detail, [{ pointer: "/task", detail: `unknown task${near}` }]));
  }
  const checked = checkGiven(env, definition, submission.input);
  if (!checked.ok) return checked;
  const timing = checkTiming(definition, submission, now);
  if (timing.errors.length > 0) {
    return refuse(problem("invalid-body", "The options contradict each other or their limits.", timing.errors));
  }
  const { batch } = definition;
  const { options = {} } = submission;
  const noTarget = options.webhook ? whyNoTarget(env, options.webhook.url) : null;
  if (noTarget !== null) {
    const fault = { pointer: "/options/webhook/url", detail: noTarget };
    return refuse(problem("invalid-body", "Webhooks do not go to this address.", [fault]));
  }
  const { run, signing } = runOptionsOf(options, () => whyNoSealKey(env) === null);
  const limits = prepareLimits(definition, submission, checked.value, origin.tenant);
  if (!limits.ok) return limits;
  const { concurrency, rates, secretKeys } = limits;
  const share = shareOf(definition, submission, checked.input, origin.debounces ?? null);
  const state = timing.runAt > now ? "scheduled" : "queued";
  const tags = options.tags && Object.keys(options.tags).length > 0 ? JSON.stringify(options.tags) : null;
  return {
    ok: true,
    ...(share ? { share } : {}),
    task: {
      id,
      tenant: origin.tenant,
      task: definition.name,
      lane: options.lane ?? definition.lane,
      state,
      maxAttempts: options.maxAttempts ?? definition.maxAttempts,
      dueAt: firstLook(state, timing.runAt, timing.expiresAt, now, batch?.waitMs),
      createdAt: now,
      runAt: timing.runAt,
      expiresAt: timing.expiresAt,
      retentionMs: options.retention ?? definition.retentionMs,
      parentId: null,
      rootId: id,
      flowId: null,
      nodeKey: null,
      node: null,
      waitingFor: null,
      rates,
      concurrency,
      ...ownOf(definition, origin.tenant),
      traceparent: origin.traceparent,
      options: Object.keys(run).length > 0 ? JSON.stringify(run) : null,
      tags,
      input: checked.input,
      ...(checked.taken.length === 0 && signing === null
        ? {}
        : { secrets: new Secrets(checked.taken, signing, secretKeys) }),
    },
  };
}

/** The columns of a row that come from the definition alone. */
export function ownOf(
  { name, leaseMs, circuit, batch, searchable }: TaskDefinition,
  tenant: string,
): Pick<NewTask, "leaseMs" | "circuit" | "batch" | "object"> {
  return {
    ...(searchable ? { object: OBJECT.searchable } : {}),
    leaseMs,
    circuit: circuit === null ? null : rowCircuit(name, circuit, tenant),
    batch: batch === null ? null : JSON.stringify({ size: batch.size, wait: batch.waitMs }),
  };
}

/** `input`: as it is stored, without what is secret in it, which is `taken`. `value`: the whole, as the schema has parsed it. */
type CheckedInput =
  | { ok: true; input: string | null; taken: readonly Taken[]; value: unknown }
  | { ok: false; problem: Problem };

/** An input with references in it, as it was written. */
function acceptInput(env: Env, definition: TaskDefinition, input: unknown): CheckedInput {
  const found = input === undefined ? [] : staticFaults(definition.input, input, ["input"]);
  if (found.length > 0) return refuseInput(definition, input, found);
  return writeInput(env, definition, input, undefined, true);
}

/**
 * The input as it is stored: as the caller wrote it, not as the schema parsed it, because the
 * schema parses it again when the task runs.
 */
export function checkInput(env: Env, definition: TaskDefinition, input: unknown): CheckedInput {
  const parsed = check(definition.input, input);
  if (!parsed.success) return refuseInput(definition, input, faults(parsed.issues, ["input"]));
  return writeInput(env, definition, input, parsed.data);
}

/** The messages of a schema may quote the values that they refuse, so secret values are removed from them. */
function refuseInput({ name, secret }: TaskDefinition, input: unknown, found: Fault[]): CheckedInput {
  const told = secret === null ? found : scrubFaults(found, input, secret.input);
  return refuse(problem("invalid-input", `The input does not fit the schema of ${name}.`, told));
}

function writeInput(
  env: Env,
  definition: TaskDefinition,
  input: unknown,
  value: unknown,
  keepsReferences = false,
): CheckedInput {
  if (input === undefined) return { ok: true, input: null, taken: [], value };
  const { text, fault } = writeJson(input, ["input"]);
  if (fault !== null) {
    return refuse(problem("invalid-input", `The input of ${definition.name} has a number that is too large.`, [fault]));
  }
  if (text.length > MAX_PAYLOAD_BYTES / 3 && byteLength(text) > MAX_PAYLOAD_BYTES) {
    return refuse(
      problem("payload-too-large", `An input may be ${MAX_PAYLOAD_BYTES} bytes long.`, [
        { pointer: "/input", detail: "too large" },
      ]),
    );
  }
  if (definition.secret === null) return { ok: true, input: text, taken: [], value };
  const { value: masked, taken } = takeOut(input, definition.secret.input, keepsReferences);
  if (taken.length === 0) return { ok: true, input: text, taken, value };
  const why = whyNoSealKey(env);
  if (why !== null) {
    const detail = `The input of ${definition.name} has fields that must be sealed, and this deployment cannot seal them: ${why}.`;
    return refuse(problem("seal-key-missing", detail));
  }
  if (byteLength(JSON.stringify(taken)) > MAX_SECRET_BYTES) {
    const detail = `The secret fields of an input may be ${MAX_SECRET_BYTES} bytes long together.`;
    return refuse(problem("payload-too-large", detail, [{ pointer: "/input", detail: "too much of it is secret" }]));
  }
  return { ok: true, input: JSON.stringify(masked), taken, value };
}

/** How the submission shares its task with others: by its own options, else by the definition's cache. `debounces`: see {@link Origin}. */
function shareOf(
  definition: TaskDefinition,
  submission: Submission,
  input: string | null,
  debounces: string | null,
): Share | null {
  const { debounce, throttle } = submission.options ?? {};
  if (debounce) {
    const { wait, maxWait } = debounce;
    const key = debounces === null ? debounce.key : `${debounces}:${debounce.key}`;
    return { kind: "debounce", key, ms: wait, ...(maxWait === undefined ? {} : { maxMs: maxWait }) };
  }
  if (throttle) return { kind: "throttle", key: throttle.key, ms: throttle.per };
  if (definition.cacheMs === null) return null;
  return { kind: "cache", key: input ?? "", ms: definition.cacheMs };
}

function checkTiming(definition: TaskDefinition, submission: Submission, now: number) {
  const { options = {} } = submission;
  const errors: Fault[] = [];
  const fault = (member: string, detail: string) => errors.push({ pointer: `/options/${member}`, detail });

  if (options.delay !== undefined && options.runAt !== undefined) fault("runAt", "give delay or runAt, not both");
  const { debounce, throttle } = options;
  if (debounce && throttle) fault("throttle", "give debounce or throttle, not both");
  if (debounce && (options.delay !== undefined || options.runAt !== undefined)) {
    fault("debounce", "a debounced task starts after its wait; leave out delay and runAt");
  }
  if (debounce?.maxWait !== undefined && debounce.maxWait < debounce.wait) {
    fault("debounce/maxWait", "is shorter than wait");
  }
  const wait = debounce?.wait ?? options.delay ?? 0;
  const runAt = Math.max(now, options.runAt ?? now + wait);
  if (runAt - now > MAX_HORIZON_MS) fault("runAt", "is more than ten years ahead");

  if (options.expiresIn !== undefined && options.expiresAt !== undefined) {
    fault("expiresAt", "give expiresIn or expiresAt, not both");
  }
  const expiresAt = options.expiresAt ?? (options.expiresIn === undefined ? null : now + options.expiresIn);
  if (expiresAt !== null && expiresAt - now > MAX_HORIZON_MS) {
    fault(options.expiresAt === undefined ? "expiresIn" : "expiresAt", "is more than ten years ahead");
  }
  // A batch task that stays alone starts only after the batch's wait.
  if (expiresAt !== null && expiresAt <= runAt + (definition.batch?.waitMs ?? 0)) {
    fault(options.expiresAt === undefined ? "expiresIn" : "expiresAt", "the task would start only after its expiry");
  }

  const hard = options.timeout ?? definition.timeoutMs;
  if (options.softTimeout !== undefined && options.softTimeout > hard) {
    fault("softTimeout", `is longer than the hard timeout of ${hard} ms`);
  }
  return { runAt, expiresAt, errors };
}

function refuse(problem: Problem): { ok: false; problem: Problem } {
  return { ok: false, problem };
}
