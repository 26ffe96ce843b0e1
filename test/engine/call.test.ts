/** Calls from inside the Workers runtime: the Worker's own code, and the client over a binding. */
import { createExecutionContext, waitOnExecutionContext } from "cloudflare:test";
import { env, exports } from "cloudflare:workers";
import { describe, expect, expectTypeOf, it } from "vitest";
import { createClient } from "../../src/client/index.ts";
import { chain, map, task } from "../../src/contract/build-flow.ts";
import { previous } from "../../src/contract/flow-reference.ts";
import { ProblemError } from "../../src/core/problems.ts";
import { getTask, submitFlow, submitTask, type Caller } from "../../src/engine/call.ts";
import type { fixtures } from "../../src/app/fixtures/index.ts";
import { add, big, noop, sum } from "../../src/app/fixtures/values.ts";

const client = createClient<typeof fixtures>({
  baseUrl: "http://localhost",
  apiKey: "test-key",
  fetch: async (url, init) => exports.default.fetch(url, init),
});

/** What the Worker's own code does on behalf of the tenant of the key. */
async function inside<T>(act: (caller: Caller) => Promise<T>): Promise<T> {
  const background = createExecutionContext();
  const done = await act({ env, background, tenant: "default" });
  await waitOnExecutionContext(background);
  return done;
}

describe("the Worker's own code", () => {
  it("submits a task, typed, which its tenant's key can wait for", async () => {
    const submitted = await inside(async (caller) =>
      submitTask(caller, add, { x: 1, y: 2 }, { tags: { from: "inside" } }),
    );

    expectTypeOf(submitted.task).toEqualTypeOf<"test.add">();
    expect(submitted).toMatchObject({ task: "test.add", state: "queued", tags: { from: "inside" } });
    expect(await client.wait(submitted)).toBe(3);
    expect(await inside(async (caller) => getTask(caller, submitted.id))).toMatchObject({ result: 3 });
  });

  it("leaves out an input that the task does not need", async () => {
    const submitted = await inside(async (caller) => submitTask(caller, noop));

    expect(await client.wait(submitted)).toBeNull();
  });

  it("is told what does not fit", async () => {
    // @ts-expect-error A wrong input does not compile.
    const wrong = inside(async (caller) => submitTask(caller, add, { x: "1", y: 2 }));

    await expect(wrong).rejects.toBeInstanceOf(ProblemError);
  });

  it("submits a flow, typed", async () => {
    const graph = chain(
      map(add, [
        { x: 1, y: 2 },
        { x: 3, y: 4 },
      ]),
      task(sum),
      task(add, { x: previous(), y: 32 }),
    );
    const flow = await inside(async (caller) => submitFlow(caller, graph));

    expectTypeOf(await client.flows.wait(flow)).toEqualTypeOf<number>();
    expect(await client.flows.wait(flow)).toBe(42);
  });

  it("is told every fault of a graph", async () => {
    // @ts-expect-error A string is not what test.sum takes.
    const wrong = inside(async (caller) => submitFlow(caller, chain(task(big, { bytes: -1 }), task(sum))));

    await expect(wrong).rejects.toMatchObject({ problem: { errors: [{ pointer: "/chain/0/input/bytes" }] } });
  });
});

describe("the client in a Worker", () => {
  it("submits, waits and follows over a binding", async () => {
    const submitted = await client.submit("test.output", { chunks: 3 });
    const types: string[] = [];
    for await (const event of client.events(submitted)) types.push(event.type);

    expect(types.filter((type) => type === "output")).toHaveLength(3);
    expect(types.at(-1)).toBe("done");
    expect(await client.wait(submitted)).toBe(3);
  });
});

/** Compiled, never called. */
export async function types(caller: Caller) {
  // @ts-expect-error A part of the input is missing.
  await submitTask(caller, add, { x: 1 });
  // @ts-expect-error The input is missing.
  await submitTask(caller, add);
  // @ts-expect-error An option that there is not.
  await submitTask(caller, add, { x: 1, y: 2 }, { dely: 1 });
  // @ts-expect-error Nothing is passed to the first node.
  await submitFlow(caller, task(sum));
  const submitted = await submitTask(caller, add, { x: 1, y: 2 });
  // @ts-expect-error A wrong result type.
  const result: string | null = submitted.result;
  return result;
}
