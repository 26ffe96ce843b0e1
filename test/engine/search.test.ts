/** Finding tasks by words and by the beginnings of their ids: what is found, by whom, and what it costs. */

import { env } from "cloudflare:workers";
import { beforeEach, expect, it } from "vitest";
import type { TaskList, TaskResource } from "../../src/contract/task.ts";
import { searchOf } from "../../src/core/search.ts";
import { commit } from "../../src/engine/commit.ts";
import { deleteEnded } from "../../src/engine/delete.ts";
import { prepare } from "../../src/engine/prepare.ts";
import { newTaskIds } from "../../src/engine/ids.ts";
import { insertTasks } from "../../src/results/submit-tasks.ts";
import { AssembledWorker } from "./assembled-worker.ts";
import { countRows } from "./count-rows.ts";
import { claimOne, endOf, quietEnv } from "./webhook-tasks.ts";

const service = new AssembledWorker();

async function submit(input: object, options: object = {}): Promise<string> {
  const answer = await service.fetch("/v1/tasks", { body: { task: "test.searchable", input, options } });
  expect(answer.status).toBe(202);
  return (await answer.json<TaskResource>()).id;
}

async function found(q: string, more = ""): Promise<string[]> {
  const answer = await service.fetch(`/v1/tasks?q=${encodeURIComponent(q)}${more}`);
  return (await answer.json<TaskList>()).items.map(({ id }) => id);
}

const indexed = async () => (await env.DB.prepare("SELECT COUNT(*) AS count FROM task_search").first<number>("count"))!;

it("finds nothing, and makes no index, before a task is searchable", async () => {
  await service.fetch("/v1/tasks", { body: { task: "test.identity", input: { value: "oslo" } } });
  expect(await found("oslo")).toEqual([]);
  const made = env.DB.prepare("SELECT name FROM sqlite_schema WHERE name LIKE '%search%' AND type <> 'shadow'");
  expect((await made.all()).results).toEqual([]);
});

beforeEach(async () => {
  await env.DB.batch([env.DB.prepare("DELETE FROM tasks"), env.DB.prepare("DELETE FROM windows")]);
});

it("finds words of the input, the tags and the error, whatever their case, and nothing that is secret", async () => {
  const cafe = await submit(
    { text: "Café Oslo-Invoice", deep: { n: 4711 } },
    { delay: "1h", tags: { customer: "acme" } },
  );
  const shop = await submit({ text: "oslo shop", pin: "hunter2" }, { delay: "1h" });
  const fails = await submit({ text: "bergen", fail: "the printer is on fire" });
  await service.deliver();

  expect(await found("oslo")).toEqual([shop, cafe]);
  expect(await found("OSLO invoice")).toEqual([cafe]);
  expect([await found("cafe"), await found("acme 4711")]).toEqual([[cafe], [cafe]]);
  expect(await found("printer fire bergen")).toEqual([fails]);
  expect(await found("oslo", "&state=failed")).toEqual([]);
  expect([await found("hunter2"), await found("text"), await found("osl")]).toEqual([[], [], []]);
  expect(await found('" OR words:')).toEqual([]);
  // Only what asks for it is searched.
  await service.fetch("/v1/tasks", { body: { task: "test.identity", input: { value: "oslo" } } });
  expect(await found("oslo")).toEqual([shop, cafe]);
});

it("finds by the beginning of an id, whatever the task", async () => {
  const [first, second] = [await submit({ text: "a" }, { delay: "1h" }), await submit({ text: "b" }, { delay: "1h" })];
  const plain = (
    await (
      await service.fetch("/v1/tasks", { body: { task: "test.noop", options: { delay: "1h" } } })
    ).json<TaskResource>()
  ).id;
  expect([await found(first), await found(plain), await found("task_zz")]).toEqual([[first], [plain], []]);
  expect(await found("task_0")).toEqual([plain, second, first]);
  const dry = await service.fetch("/v1/tasks/cancel", { body: { filter: { q: first }, dryRun: true } });
  expect(await dry.json()).toEqual({ matched: 1, changed: 0 });
});

it("shows another tenant nothing", async () => {
  await submit({ text: "oslo" }, { delay: "1h" });
  const made = await service.fetch("/v1/keys", { body: { name: "other", scopes: ["read"], tenant: "other" } });
  const { key } = await made.json<{ key: string }>();
  const answer = await service.fetch("/v1/tasks?q=oslo", { headers: { authorization: `Bearer ${key}` } });
  expect((await answer.json<TaskList>()).items).toEqual([]);
});

it("follows an input that another takes the place of, and forgets what is removed", async () => {
  const debounce = { key: "k", wait: "1h" };
  const id = await submit({ text: "first" }, { debounce });
  expect(await submit({ text: "second" }, { debounce })).toBe(id);
  expect([await found("first"), await found("second")]).toEqual([[], [id]]);
  await service.fetch(`/v1/tasks/${id}/cancel`, { method: "POST" });
  await service.fetch(`/v1/tasks/${id}`, { method: "DELETE" });
  expect(await indexed()).toBe(0);
});

it("costs a searchable task at most two rows more, and one when it is removed; any other none", async () => {
  const costs = async (task: string, input: object, isFailed: boolean) => {
    const { db, written } = countRows(env.DB);
    const prepared = prepare(
      env,
      { task, input },
      { tenant: "default", traceparent: null },
      newTaskIds(1)[0]!,
      Date.now(),
    );
    if (!prepared.ok) throw new Error(prepared.problem.detail);
    await insertTasks(db, [{ ...prepared.task, maxAttempts: 1 }]);
    const claimed = await claimOne(db, prepared.task.id);
    const error = { type: "Error", message: "no" };
    await commit(quietEnv(db), [endOf(claimed, isFailed ? { outcome: "failed", error, retryable: false } : undefined)]);
    const rows = written();
    await deleteEnded(quietEnv(db), [prepared.task.id]);
    return [rows, written()] as const;
  };
  const table: Record<string, readonly [number, number]> = {};
  for (const isFailed of [false, true]) {
    const [rows, removal] = await costs("test.identity", { value: "oslo" }, isFailed);
    const [more, removalMore] = await costs("test.searchable", { text: "oslo" }, isFailed);
    table[isFailed ? "failed" : "succeeded"] = [more - rows, removalMore - removal];
  }
  console.log("rows more, and of its removal:", JSON.stringify(table));
  expect(table["succeeded"]![0]).toBeLessThanOrEqual(1);
  expect(table["failed"]![0]).toBeLessThanOrEqual(2);
  expect(Math.max(table["succeeded"]![1], table["failed"]![1])).toBeLessThanOrEqual(1);
  expect(await indexed()).toBe(0);
});

it.each([
  ["task_01hf", { idPrefix: "task_01hf", words: [] }],
  ["  oslo, Oslo-invoice! ", { idPrefix: null, words: ["oslo", "Oslo", "invoice"] }],
  ["søren 42", { idPrefix: null, words: ["søren", "42"] }],
  ["a b c d e f g h i j k l", { idPrefix: null, words: "abcdefghij".split("") }],
  ['"*:()', { idPrefix: null, words: [] }],
])("reads %s as %o", (text, search) => {
  expect(searchOf(text)).toEqual(search);
});
