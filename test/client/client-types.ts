/**
 * What does not fit does not compile. `npm run check` compiles this; nothing of it is ever called.
 */
import { expectTypeOf } from "vitest";
import {
  chain,
  chord,
  dag,
  from,
  group,
  nodesOf,
  previous,
  type Client,
  type FlowNode,
  type LovageProblem,
  type Tasks,
} from "../../src/client/index.ts";
import type { TestTasks } from "./client-of.ts";

export async function submitting(client: Client<TestTasks>) {
  const task = await client.submit("test.add", { x: 1, y: 2 }, { delay: "5s", tags: { a: "b" } });
  expectTypeOf(task.task).toEqualTypeOf<"test.add">();
  if (task.state === "succeeded") expectTypeOf(task.result).toEqualTypeOf<number>();
  else expectTypeOf(task.result).toEqualTypeOf<null>();
  expectTypeOf(await client.wait(task)).toEqualTypeOf<number>();
  expectTypeOf(await client.run("test.big", { bytes: 1 })).toEqualTypeOf<string>();
  expectTypeOf(await client.wait(await client.retry(task, { input: { x: 1, y: 1 } }))).toEqualTypeOf<number>();
  expectTypeOf(await client.wait<"test.big">("task_1")).toEqualTypeOf<string>();
  await client.submit("test.noop");
  await client.submit("process_item", { name: "defaults may be left out" });

  // @ts-expect-error An unknown task.
  await client.submit("test.nope", {});
  // @ts-expect-error A wrong input.
  await client.submit("test.add", { x: "1", y: 2 });
  // @ts-expect-error A part of the input is missing.
  await client.submit("test.add", { x: 1 });
  // @ts-expect-error A member that the input does not have.
  await client.submit("test.add", { x: 1, y: 2, z: 3 });
  // @ts-expect-error The input is missing.
  await client.submit("test.add");
  // @ts-expect-error An option that there is not.
  await client.submit("test.add", { x: 1, y: 2 }, { dely: 5 });
  // @ts-expect-error A wrong result type.
  const text: string = await client.wait(task);
  // @ts-expect-error The result of another task.
  await client.retry(task, { input: { bytes: 1 } });
  return text;
}

export async function batching(client: Client<TestTasks>) {
  const [sum, text] = await client.batch([
    { task: "test.add", input: { x: 1, y: 2 } },
    { task: "test.big", input: { bytes: 1 }, options: { lane: "bulk" } },
  ]);
  if (sum.ok) expectTypeOf(await client.wait(sum.task)).toEqualTypeOf<number>();
  else expectTypeOf(sum.problem).toEqualTypeOf<LovageProblem>();
  if (text.ok) expectTypeOf(await client.wait(text.task)).toEqualTypeOf<string>();
  const many = await client.batch([1, 2, 3].map((x) => ({ task: "test.add", input: { x, y: 0 } }) as const));
  if (many[0]?.ok) expectTypeOf(await client.wait(many[0].task)).toEqualTypeOf<number>();

  // @ts-expect-error An unknown task among others.
  await client.batch([{ task: "test.noop" }, { task: "test.nope" }]);
  // @ts-expect-error The input of another task.
  await client.batch([{ task: "test.add", input: { bytes: 1 } }]);
}

export async function reading(client: Client<TestTasks>) {
  for await (const task of client.list({ task: "test.add" })) {
    expectTypeOf(task.task).toEqualTypeOf<"test.add">();
    expectTypeOf(await client.wait(task)).toEqualTypeOf<number>();
  }
  const any = await client.get("task_1");
  if (any.task === "test.big" && any.state === "succeeded") expectTypeOf(any.result).toEqualTypeOf<string>();
  for await (const event of client.events(await client.submit("test.add", { x: 1, y: 2 }))) {
    if (event.type === "progress") expectTypeOf(event.data.percent).toEqualTypeOf<number | null>();
    if (event.type === "done" && event.data.state === "succeeded") {
      expectTypeOf(event.data.result).toEqualTypeOf<number>();
    }
  }

  // @ts-expect-error An unknown state.
  client.list({ state: "done" });
  // @ts-expect-error An unknown task.
  client.list({ task: "test.nope" });
}

export async function untyped(client: Client<Tasks>) {
  const task = await client.submit("anything", { goes: true }, { delay: 1 });
  expectTypeOf(await client.wait(task)).toEqualTypeOf<unknown>();
  await client.submit("anything");
}

const { task, map } = nodesOf<TestTasks>();
const add = task("test.add", { x: 1, y: 2 });
const addToPrevious = task("test.add", { x: previous(), y: 2 });
const big = task("test.big", { bytes: 1 });

export function chaining() {
  expectTypeOf(add).toEqualTypeOf<FlowNode<unknown, number>>();
  expectTypeOf(task("test.add")).toEqualTypeOf<FlowNode<{ x: number; y: number }, number>>();
  expectTypeOf(addToPrevious).toEqualTypeOf<FlowNode<number, number>>();
  expectTypeOf(chain(add, addToPrevious, big)).toEqualTypeOf<FlowNode<unknown, string>>();
  expectTypeOf(chain(add, add, add, add, add, add, add, big)).toEqualTypeOf<FlowNode<unknown, string>>();
  chain(task("test.context"), task("test.big", { bytes: previous("/attempt") }));
  chain(task("test.identity"), task("test.noop"));

  // @ts-expect-error A string is no input of test.add.
  chain(big, task("test.add"));
  // @ts-expect-error Nor can it stand where a number is wanted.
  chain(big, addToPrevious);
  // @ts-expect-error A number has no parts.
  chain(add, task("test.big", { bytes: previous("/x") }));
  // @ts-expect-error The third does not fit the second.
  chain(add, big, addToPrevious);
  // @ts-expect-error An unknown task.
  task("test.nope");
  // @ts-expect-error A wrong input.
  task("test.add", { x: "1", y: previous() });
  // @ts-expect-error An unknown task.
  map("test.nope", []);
  // @ts-expect-error One of the inputs is wrong.
  map("test.add", [{ x: 1, y: 1 }, { x: 1 }]);
}

export function joining() {
  expectTypeOf(group([add, big])).toEqualTypeOf<FlowNode<unknown, [number, string]>>();
  expectTypeOf(map("test.add", [{ x: 1, y: 2 }])).toEqualTypeOf<FlowNode<unknown, number[]>>();
  expectTypeOf(map("test.add", [{ x: previous(), y: 2 }])).toEqualTypeOf<FlowNode<number, number[]>>();
  expectTypeOf(chord([add, addToPrevious], task("test.sum"))).toEqualTypeOf<FlowNode<number, number>>();
  chain(map("test.add", [{ x: 1, y: 2 }]), task("test.sum"));
  chain(add, group([addToPrevious, big]), task("test.identity"));

  // @ts-expect-error A string among the numbers.
  chord([add, big], task("test.sum"));
  // @ts-expect-error The list of results is not a number.
  chain(group([add]), addToPrevious);
  // @ts-expect-error One member cannot take what the others can.
  chain(big, group([add, addToPrevious]));
}

export function graphs() {
  const diamond = dag({
    a: { node: add },
    b: { node: big, needs: ["a"], onFailure: "ignore" },
    c: { node: task("test.add", { x: from("a"), y: 1 }), needs: ["a"] },
    d: { node: task("test.identity"), needs: ["b"] },
  });
  expectTypeOf(diamond).toEqualTypeOf<FlowNode<unknown, { c: number; d: unknown }>>();
  const ignored = dag({ a: { node: add, onFailure: "ignore" } });
  expectTypeOf(ignored).toEqualTypeOf<FlowNode<unknown, { a: number | null }>>();

  // @ts-expect-error There is no such node.
  dag({ a: { node: add, needs: ["b"] } });
  // @ts-expect-error A node does not need itself.
  dag({ a: { node: add, needs: ["a"] } });
  // @ts-expect-error `{ a: number }` is no input of test.add.
  dag({ a: { node: add }, b: { node: task("test.add"), needs: ["a"] } });
}

export async function flows(client: Client<TestTasks>) {
  const flow = await client.flows.submit(group([add, big]));
  expectTypeOf(await client.flows.wait(flow)).toEqualTypeOf<[number, string]>();
  expectTypeOf(await client.flows.run(add)).toEqualTypeOf<number>();
  expectTypeOf(await client.flows.run({ task: "plain data" })).toEqualTypeOf<unknown>();
  if (flow.state === "succeeded") expectTypeOf(flow.result).toEqualTypeOf<[number, string]>();
  await client.flows.submit(add, { onError: task("test.identity") });

  // @ts-expect-error Nothing is passed to the first node.
  await client.flows.submit(addToPrevious);
  // @ts-expect-error What has failed is not a number.
  await client.flows.submit(add, { onError: addToPrevious });
  // @ts-expect-error A wrong result type.
  const text: string = await client.flows.run(add);
  return text;
}
