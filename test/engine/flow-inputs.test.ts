/** What many members of a flow are given at once: read together, the same as each would read for itself, and never too much. */
import { env } from "cloudflare:workers";
import { expect, it } from "vitest";
import { InputTooLargeError } from "../../src/core/flows/value.ts";
import { fillFlowInputs, flowInput } from "../../src/engine/flows/input.ts";
import { flowOf, newFlow, play, succeeded, workerOn } from "./flow-tasks.ts";
import { quietEnv } from "./webhook-tasks.ts";

/** A database that counts its calls, and fails them where it is told to. */
function counting(fails = false) {
  let calls = 0;
  const db = {
    prepare: (sql: string) => {
      calls++;
      if (fails) throw new Error("D1_ERROR: no such table: silent");
      return env.DB.prepare(sql);
    },
  } as unknown as D1Database;
  return { env: quietEnv(db), calls: () => calls };
}

/** Claims the members of a group that follows a task with this result. */
async function claimGroup(result: unknown, group: unknown[]) {
  const id = await newFlow({ chain: [{ task: "test.identity", input: { value: 0 } }, { group }] });
  await play(id, "0", succeeded(result));
  const ids = (await flowOf(id)).nodes.map(({ task }) => task.id).slice(1);
  return workerOn().claim(ids);
}

const taker = { task: "test.identity" };
const reader = { task: "test.identity", input: { value: { $from: "previous", path: "/a" } } };

it("reads what a hundred members are passed with two statements", async () => {
  const claimed = await claimGroup({ a: 7 }, [...Array.from({ length: 98 }, () => taker), reader, reader]);
  const { env: counted, calls } = counting();
  const filled = await fillFlowInputs(counted, claimed);
  expect(calls()).toBe(2);
  expect(filled.map((task) => task.takesFromFlow)).toEqual(Array(100).fill(0));
  const alone = await Promise.all(
    claimed.map(async (task) => flowInput(quietEnv(), task, task.input === null ? undefined : JSON.parse(task.input))),
  );
  expect(filled.map((task) => JSON.parse(task.input!) as unknown)).toEqual(alone);
  expect(new Set(filled.map((task) => task.input))).toEqual(new Set(['{"a":7}', '{"value":7}']));
});

it("asks nothing for those with inputs of their own, or for one alone", async () => {
  const own = { task: "test.identity", input: { value: 1 } };
  const { env: counted, calls } = counting();
  for (const group of [
    [own, own, own],
    [own, taker],
  ]) {
    const claimed = await claimGroup(1, group);
    expect(await fillFlowInputs(counted, claimed)).toEqual(claimed);
  }
  expect(calls()).toBe(0);
});

it.each([
  ["a result that has a row of its own", "x".repeat(20_000), [taker, taker]],
  ["a reference that leads nowhere", { b: 1 }, [reader, reader]],
])("leaves %s to each of them", async (_, result, group) => {
  const claimed = await claimGroup(result, group);
  expect(await fillFlowInputs(quietEnv(), claimed)).toEqual(claimed);
});

it("leaves it to each of them where it would be too much together", async () => {
  const header = Array.from({ length: 70 }, () => ({ task: "test.identity", input: { value: 0 } }));
  const id = await newFlow({ chain: [{ group: header }, { group: [taker, taker] }] });
  const worker = workerOn();
  const ids = (await flowOf(id)).nodes.map(({ task }) => task.id);
  await worker.end(await worker.claim(ids.slice(0, header.length)), () => succeeded("x".repeat(15_000)));
  const claimed = await worker.claim(ids.slice(header.length));
  expect(claimed.length).toBe(2);
  expect(await fillFlowInputs(quietEnv(), claimed)).toEqual(claimed);
});

it("changes nothing where D1 does not answer", async () => {
  const claimed = await claimGroup(1, [taker, taker]);
  expect(await fillFlowInputs(counting(true).env, claimed)).toEqual(claimed);
});

it("stores once what several take, and gives it to each of them whole", async () => {
  const takes = { task: "test.identity", input: { value: { $from: "a" } } };
  const [most, takers] = [100, 20];
  const body = {
    dag: {
      a: { node: { map: { task: "test.identity", inputs: Array.from({ length: most }, () => ({ value: 0 })) } } },
      b: {
        node: { group: [...Array.from({ length: takers - 1 }, () => takes), { task: "test.identity" }] },
        needs: ["a"],
      },
    },
  };
  const id = await newFlow(body);
  const held = await env.DB.prepare(
    `SELECT SUM(octet_length(node -> '$.from')) AS apart, (SELECT octet_length(sources) FROM flows WHERE id = ?1) AS once
     FROM tasks WHERE flow_id = ?1`,
  )
    .bind(id)
    .first<{ apart: number; once: number }>();
  expect(held!.apart).toBeLessThan(takers * 40);
  expect(held!.once).toBeLessThan(most * 40);

  const ids = (await flowOf(id)).nodes.map(({ task }) => task.id);
  const worker = workerOn();
  await worker.end(await worker.claim(ids.slice(0, most)), (task) => succeeded(ids.indexOf(task.id)));
  const claimed = await worker.claim(ids.slice(most));
  const { env: counted, calls } = counting();
  const filled = await fillFlowInputs(counted, claimed);
  expect(calls()).toBe(3);
  const alone = await Promise.all(
    claimed.map(async (task) => flowInput(quietEnv(), task, task.input === null ? undefined : JSON.parse(task.input))),
  );
  expect(filled.map((task) => JSON.parse(task.input!) as unknown)).toEqual(alone);
  const numbers = Array.from({ length: most }, (_, i) => i);
  expect(alone.filter((input) => Array.isArray(input))).toEqual([]);
  expect(alone).toContainEqual({ value: numbers });
  expect(alone).toContainEqual({ a: numbers });
  expect(alone).toHaveLength(takers);
});

it("is refused where it would be too large, before it is read or filled in", async () => {
  const large = "x".repeat(600_000);
  const twice = { task: "test.identity", input: [{ $from: "previous" }, { $from: "previous" }] };
  const once = { task: "test.identity", input: [{ $from: "previous" }] };
  const [first, second] = await claimGroup(large, [twice, once]);
  const inputOf = async (task: { id: string; flowId: string | null; input: string | null }) =>
    flowInput(quietEnv(), task, JSON.parse(task.input!));
  await expect(inputOf(first!)).rejects.toThrow(InputTooLargeError);
  expect(await inputOf(second!)).toEqual([large]);

  // Of a list of such results, the whole is too large and one of them is not.
  const identity = { task: "test.identity", input: { value: 0 } };
  const one = { task: "test.identity", input: { value: { $from: "previous", path: "/1" } } };
  const id = await newFlow({
    chain: [{ group: [identity, identity, identity] }, { group: [{ task: "test.identity" }, one] }],
  });
  for (const key of ["0.0", "0.1", "0.2"]) await play(id, key, succeeded(large));
  const ids = (await flowOf(id)).nodes.slice(3).map(({ task }) => task.id);
  const [whole, part] = await workerOn().claim(ids);
  await expect(flowInput(quietEnv(), whole!, undefined)).rejects.toThrow(InputTooLargeError);
  expect(await inputOf(part!)).toEqual({ value: large });
});
