/** A deadline for a whole flow. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { FlowResource } from "../../src/contract/flow.ts";
import type { ProblemResource } from "../../src/contract/problem.ts";
import { startHookReceiver, type HookReceiver } from "../faults/hook-receiver.ts";
import { apiOf, type Api } from "./api.ts";
import { shareServer, type SharedServer } from "./shared-server.ts";

let server: SharedServer;
let api: Api;
let hooks: HookReceiver;

beforeAll(async () => {
  [server, hooks] = await Promise.all([shareServer(), startHookReceiver()]);
  api = apiOf(server);
});

afterAll(() => Promise.all([server?.stop(), hooks?.close()]));

const hook = (body: string, ms = 0) => ({ task: "test.hook", input: { url: hooks.url, body, ms } });

const heard = (body: string) => hooks.hooks.filter((each) => each.body === body).length;

async function submit(body: object): Promise<FlowResource> {
  const answer = await api.post<FlowResource>("/v1/flows", body);
  if (answer.status !== 202) throw new Error(`the flow was not accepted: ${JSON.stringify(answer)}`);
  return answer.body;
}

const waitForEnd = (id: string) => api.waitForFlow(id);

const statesOf = (flow: FlowResource) => Object.fromEntries(flow.nodes.map(({ key, task }) => [key, task.state]));

describe("a flow that has not ended by its deadline", () => {
  it("fails: what has not ended is cancelled, and its error task runs once", async () => {
    const flow = await submit({
      chain: [
        hook("done"),
        { group: [hook("runs", 60_000), { ...hook("later"), options: { delay: "1h" } }] },
        hook("last"),
      ],
      onError: hook("error"),
      deadline: "5s",
    });
    expect(Date.parse(flow.deadline ?? "") - Date.parse(flow.createdAt)).toBe(5_000);
    const ended = await waitForEnd(flow.id);
    expect(ended).toMatchObject({ state: "failed", result: null, deadline: flow.deadline, cancelRequestedAt: null });
    expect(ended.error).toEqual({ type: "deadline_exceeded", message: expect.stringContaining(flow.deadline!) });
    expect(statesOf(ended)).toEqual({
      "0": "succeeded",
      "1.0": "cancelled",
      "1.1": "cancelled",
      "2": "cancelled",
      onError: "succeeded",
    });
    expect(["done", "runs", "later", "last", "error"].map(heard)).toEqual([1, 1, 0, 0, 1]);
    expect(ended.nodes.find(({ key }) => key === "1.0")?.task.error).toEqual({
      type: "cancelled",
      message: "cancelled: the deadline of its flow has passed",
    });
  });

  it("runs again what was cancelled, without a deadline or with a new one", async () => {
    const { id } = await submit({ chain: [hook("first"), hook("slow", 8_000)], deadline: "4s" });
    const retry = (body?: object) => api.post<FlowResource>(`/v1/flows/${id}/retry`, body);
    expect(await waitForEnd(id)).toMatchObject({ error: { type: "deadline_exceeded" } });

    const again = await retry({ deadline: "4s" });
    expect(again).toMatchObject({ status: 202, body: { state: "running", deadline: expect.any(String), error: null } });
    expect(await waitForEnd(id)).toMatchObject({ error: { type: "deadline_exceeded" }, counts: { cancelled: 1 } });

    expect(await retry({ deadline: "2020-01-01T00:00:00Z" })).toMatchObject({
      status: 422,
      body: { errors: [{ pointer: "/deadline" }] },
    });
    expect((await retry()).body.deadline).toBeNull();
    expect(await waitForEnd(id)).toMatchObject({ state: "succeeded", result: "slow", error: null });
    expect([heard("first"), heard("slow")]).toEqual([1, 3]);
  });
});

describe("a deadline", () => {
  it("changes nothing for a flow that ends in time", async () => {
    const deadline = new Date(Date.now() + 60_000).toISOString();
    const { id } = await submit({ group: [hook("in time")], deadline });
    expect(await waitForEnd(id)).toMatchObject({ state: "succeeded", deadline, result: ["in time"] });
    const without = await submit({ group: [] });
    expect(without.deadline).toBeNull();
  });

  it("does not end the error task of a flow that has failed before it", async () => {
    const failing = { task: "test.fail", input: { message: "no", retryable: false } };
    const { id } = await submit({ chain: [failing], onError: hook("tidies up", 6_000), deadline: "4s" });
    const ended = await waitForEnd(id);
    expect(ended).toMatchObject({ state: "failed", error: { type: "FlowFailedError" } });
    expect(statesOf(ended)).toEqual({ "0": "failed", onError: "succeeded" });
  });

  it.each([
    ["2020-01-01T00:00:00.000Z", /past/],
    ["9999-01-01T00:00:00.000Z", /ten years/],
    ["soon", /duration such as/],
    [0, /duration such as/],
    [{}, /./],
  ])("that is %j is refused, and nothing is stored", async (deadline, detail) => {
    const { status, body } = await api.post<ProblemResource>("/v1/flows", { group: [hook("refused")], deadline });
    expect(status).toBe(422);
    expect(body.errors).toEqual([{ pointer: "/deadline", detail: expect.stringMatching(detail) }]);
    expect(heard("refused")).toBe(0);
  });
});
