/** Seals the secrets of tasks that are about to be stored, and opens them for their handlers. */

import { limitName, storedKey } from "../../core/limit-name.ts";
import type { TaskDefinition } from "../../core/task.ts";
import { putBack, takeOut, type Taken } from "../../core/secret.ts";
import type { Ended, Known } from "../../core/flows/value.ts";
import type { ClaimedTask } from "../../results/claim-tasks.ts";
import type { NewTask } from "../../results/new-task.ts";
import type { RunOptions } from "../run-options.ts";
import { macs, open, seal } from "./seal.ts";
import { sealTaskSecret } from "../webhooks/secret.ts";

/** Seals what was taken out of these tasks; those without secrets stay as they are. A task whose secrets are not sealed is not stored. */
export async function sealTasks(env: Env, tasks: readonly NewTask[]): Promise<void> {
  for (const task of tasks) {
    const { secrets, sealed, tenant, input } = task;
    if (secrets === undefined || sealed !== undefined) continue;
    task.sealed = await sealTaken(env, ["input", tenant, task.task, input], secrets.taken);
    task.concurrency = await withoutSecretKeys(env, task.concurrency, secrets.limitKeys);
    task.rates = await withoutSecretKeys(env, task.rates, secrets.limitKeys);
    if (secrets.webhook !== null) task.options = await withWebhookSecret(env, task, secrets.webhook);
  }
}

/** The limits (JSON) with each of `secretKeys` replaced by its HMAC, which tells nothing of the key. */
export async function withoutSecretKeys(
  env: Env,
  limits: string | null | undefined,
  secretKeys: readonly string[],
): Promise<string | null> {
  if (!limits || secretKeys.length === 0) return limits ?? null;
  const named = (JSON.parse(limits) as { key: string }[]).map(async (limit) => {
    if (!secretKeys.includes(limit.key)) return limit;
    const [key] = await macs(env, limit.key);
    return { ...limit, key: storedKey({ ...limitName("concurrency", limit.key), key: key! }) };
  });
  return JSON.stringify(await Promise.all(named));
}

/** Null where nothing was taken out. */
export async function sealTaken(
  env: Env,
  binding: [what: "input" | "result", tenant: string, task: string, text: string | null],
  taken: readonly Taken[],
): Promise<string | null> {
  return taken.length === 0 ? null : seal(env, binding, JSON.stringify(taken));
}

async function withWebhookSecret(env: Env, { tenant, options }: NewTask, secret: string): Promise<string> {
  const run = JSON.parse(options!) as RunOptions;
  const webhook = run.webhook!;
  const sealed = await sealTaskSecret(env, tenant, webhook.url, secret);
  return JSON.stringify({ ...run, webhook: { ...webhook, secret: sealed } });
}

/** The input `text` of a task as it was submitted, parsed. Throws a `SealError` where its secrets cannot be opened. */
export async function openInput(
  env: Env,
  { tenant, task, sealed }: Pick<ClaimedTask, "tenant" | "task" | "sealed">,
  text: string | null,
): Promise<unknown> {
  const value: unknown = text === null ? undefined : JSON.parse(text);
  if (sealed === null) return value;
  return putBack(value, JSON.parse(await open(env, ["input", tenant, task, text], sealed)) as Taken[]);
}

/** The result as it is stored: JSON text without its secrets, and the secrets, sealed. */
export async function sealResult(
  env: Env,
  definition: TaskDefinition,
  tenant: string,
  result: unknown,
): Promise<{ text: string; sealed: string | null; taken: readonly Taken[] }> {
  const { value, taken } = takeOut(result, definition.secret?.output ?? []);
  const text = JSON.stringify(value) ?? "null";
  return { text, taken, sealed: await sealTaken(env, ["result", tenant, definition.name, text], taken) };
}

/** The ends with their results as the handlers gave them, for another handler. Throws a `SealError`. */
export async function openEnds(env: Env, ended: Known["ended"]): Promise<Known["ended"]> {
  const opened = new Map(ended);
  for (const [id, end] of ended) {
    if (end.sealed) opened.set(id, await openEnd(env, end, end.sealed));
  }
  return opened;
}

async function openEnd(env: Env, end: Ended, { tenant, task, text, sealed }: NonNullable<Ended["sealed"]>) {
  const taken = JSON.parse(await open(env, ["result", tenant, task, text], sealed)) as Taken[];
  return { ...end, result: putBack(JSON.parse(text), taken) };
}

/** The text that is the same for inputs that may share a run: the input, or an HMAC where it has secrets, so that it reveals none. */
export async function nameOfInput(env: Env, { secrets }: NewTask, text: string): Promise<string> {
  if (secrets === undefined || secrets.taken.length === 0) return text;
  return (await macs(env, `${text}\n${JSON.stringify(secrets.taken)}`))[0]!;
}
