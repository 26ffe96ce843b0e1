/** Lists of a task's columns that must agree: a new row and a new run leave out none of them. */

import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { LANES } from "../../src/core/bounds.ts";
import { tickTask } from "../../src/engine/schedules/task.ts";
import { RESET } from "../../src/results/ended-runs.ts";
import { newRow } from "../../src/results/new-row.ts";
import { SUBMITTED } from "../../src/results/submission-columns.ts";
import { COLUMN_LIST, TASK_COLUMNS } from "../../src/results/task-row.ts";
import { failed, newFlow, play, workerOn } from "./flow-tasks.ts";
import { newTask, newTenant } from "./webhook-tasks.ts";

const noop = { task: "test.noop" };
const HOUR = 3_600_000;

const SUBMISSION_COLUMNS = Object.fromEntries(SUBMITTED.map((each) => [each.member, each]));

const listed = SUBMITTED.map(({ column }) => column);

async function columns(): Promise<string[]> {
  const { results } = await env.DB.prepare("SELECT name FROM pragma_table_info('tasks')").all<{ name: string }>();
  return results.map(({ name }) => name);
}

async function errorTaskOf(flowId: string): Promise<Record<string, unknown>> {
  const row = await env.DB.prepare(
    "SELECT *, json(node) AS node FROM tasks WHERE flow_id = ?1 AND node_key = 'onError'",
  )
    .bind(flowId)
    .first<Record<string, unknown>>();
  return row!;
}

describe("the list of columns", () => {
  it("has each column of the table, and no other", async () => {
    expect(COLUMN_LIST.map(({ column }) => column).toSorted()).toEqual((await columns()).toSorted());
  });
});

describe("a new run", () => {
  /** What it keeps of the run before: the submission's word, but for the expiry; its history; and its caller. */
  const KEPT = new Set(["attempt", "holder", "started_at", "signals", "children", "history"]);
  /** What the verb that begins it says. */
  const SAID = new Set(["state", "run_at", "due_at", "waiting_for"]);

  it("resets or keeps each column", async () => {
    const reset = [...RESET.matchAll(/(?:^|, *\n? *)(\w+) =/g)].map((match) => match[1]!);
    const forgotten = ["expires_at", "object", "overflow"];
    expect(reset.filter((column) => listed.includes(column)).toSorted()).toEqual(forgotten);
    const known = new Set([...reset, ...listed, ...KEPT, ...SAID]);
    expect((await columns()).filter((column) => !known.has(column))).toEqual([]);
    expect(reset.filter((column) => KEPT.has(column) || SAID.has(column))).toEqual([]);
  });
});

describe("a row that is read", () => {
  /** What only statements look at, beside the payloads. */
  const UNREAD = [
    "batch",
    "cancel_undo",
    "children",
    "circuit",
    "concurrency",
    "error_group",
    "holder",
    "node",
    "rates",
    "signals",
  ];

  it("has each column, but for those that no reader needs", async () => {
    const read = [...TASK_COLUMNS.matchAll(/tasks\.(\w+)/g)].map((match) => match[1]!);
    expect((await columns()).filter((column) => !read.includes(column)).toSorted()).toEqual(
      [...UNREAD, "input", "result", "sealed", "sealed_result"].toSorted(),
    );
  });

  it("is known without asking where it was just stored", async () => {
    const task = newTask(newTenant());
    const names = TASK_COLUMNS.split(",").map((each) => each.split(" AS ").at(-1)!.replace("tasks.", "").trim());
    for (const name of names) expect(newRow(task)).toHaveProperty(name);
  });
});

describe("a task that runs when its flow fails", () => {
  /** What the failure of the flow decides. */
  const DECIDED = new Set(["state", "dueAt", "createdAt", "runAt", "expiresAt", "overflow", "node"]);

  it("is given all that was stored for it", async () => {
    const id = await newFlow({ group: [noop], onError: noop });
    const [stored] = JSON.parse(
      (await env.DB.prepare("SELECT on_error FROM flows WHERE id = ?1").bind(id).first<string>("on_error"))!,
    ) as Record<string, unknown>[];
    const circuit = { failures: 9, ratio: 0, window: HOUR, cooldown: HOUR };
    const asked = {
      ...stored,
      lane: LANES[0],
      maxAttempts: 7,
      leaseMs: 30_000,
      concurrency: JSON.stringify([{ key: "k", limit: 3 }]),
      rates: JSON.stringify([{ key: "r", interval: 1, tolerance: 10 }]),
      circuit: JSON.stringify(circuit),
      traceparent: "00-1-1-01",
      options: JSON.stringify({ timeoutMs: 1_000 }),
      tags: JSON.stringify({ a: "b" }),
      object: 1,
      parentId: "task_0",
      waitingFor: null,
      batch: null,
      input: "1",
      sealed: "x",
    } as Record<string, unknown>;
    expect(Object.keys(SUBMISSION_COLUMNS).filter((member) => !(member in asked) && member !== "overflow")).toEqual([]);
    await env.DB.prepare("UPDATE flows SET on_error = ?2 WHERE id = ?1")
      .bind(id, JSON.stringify([asked]))
      .run();
    await play(id, "0", failed);
    const row = await errorTaskOf(id);
    const members = Object.entries(SUBMISSION_COLUMNS).filter(([member]) => !DECIDED.has(member));
    expect(members.map(([, { column }]) => [column, row[column]])).toEqual(
      members.map(([member, { column }]) => [column, asked[member]]),
    );

    // So its circuit hears of its failure.
    await env.DB.prepare("DELETE FROM circuits").run();
    const claimed = await workerOn().claim([row["id"] as string]);
    await workerOn().end(claimed, () => failed);
    expect(await env.DB.prepare("SELECT task, failed FROM circuits").all()).toMatchObject({
      results: [{ task: "test.noop", failed: 1 }],
    });
  });

  it("expires so long after the failure, or at the time that was given", async () => {
    const at = Date.now() + 5 * HOUR;
    const expiring = async (options: object) => {
      const id = await newFlow({ group: [noop], onError: { ...noop, options } });
      const claimed = await workerOn().claim([await firstOf(id)]);
      await workerOn().end(claimed, () => failed, at);
      return errorTaskOf(id);
    };
    expect(await expiring({ expiresIn: "1h" })).toMatchObject({
      state: "queued",
      created_at: at,
      expires_at: at + HOUR,
    });
    const given = new Date(at + 3_000).toISOString();
    expect(await expiring({ expiresAt: given })).toMatchObject({ expires_at: at + 3_000, due_at: at + 3_000 });
    expect(await expiring({})).toMatchObject({ expires_at: null });
  });
});

async function firstOf(flowId: string): Promise<string> {
  return (await env.DB.prepare("SELECT id FROM tasks WHERE flow_id = ?1").bind(flowId).first<string>("id"))!;
}

describe("a tick whose input is refused by now", () => {
  it("makes a task with all that its definition says", () => {
    const schedule = {
      tenant: "default",
      id: "s",
      spec: { every: HOUR, task: "test.add" } as never,
      input: JSON.stringify("no numbers"),
    };
    const bare = tickTask(env, schedule, "task_1", Date.now(), Date.now());
    // What is secret in it is sealed when it is stored.
    const { overflow: _, object: __, sealed: ___, ...all } = SUBMISSION_COLUMNS;
    for (const member of Object.keys(all)) expect(bare).toHaveProperty(member);
  });
});
