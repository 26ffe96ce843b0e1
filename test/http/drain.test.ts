/** A lane that drains finishes what it has, refuses what is new, and says so. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { FlowResource } from "../../src/contract/flow.ts";
import type { LaneResource } from "../../src/contract/lane.ts";
import type { ProblemResource } from "../../src/contract/problem.ts";
import type { TaskResource } from "../../src/contract/task.ts";
import { apiOf, poll, type Api, type BatchItem } from "./api.ts";
import { startReceiver } from "./receiver.ts";
import { startServer, type Server } from "./server.ts";

let server: Server;
let api: Api;

beforeAll(async () => {
  server = await startServer();
  api = apiOf(server);
});

afterAll(() => server?.stop());

const lane = (name: string, verb: string, body?: unknown) => api.post<LaneResource>(`/v1/lanes/${name}/${verb}`, body);

async function laneOf(name: string): Promise<LaneResource> {
  const { body } = await api.get<{ items: LaneResource[] }>("/v1/lanes");
  return body.items.find((each) => each.name === name)!;
}

const bulk = { lane: "bulk" } as const;

const submit = (options: object = bulk, headers = {}, task = "test.noop") =>
  api.post<TaskResource & ProblemResource>("/v1/tasks", { task, options }, headers);

describe("a lane that drains", () => {
  it("refuses new work with 503 and names itself, and takes it once it is resumed", async () => {
    const until = new Date(Date.now() + 90_000).toISOString();
    const reason = "the upstream moves";
    expect(await lane("bulk", "drain", { reason, until })).toMatchObject({
      status: 200,
      body: { name: "bulk", draining: true, paused: false, reason, until },
    });
    const refused = await submit();
    expect(refused).toMatchObject({ status: 503, body: { type: "/problems/lane-draining" } });
    expect(refused.body.detail).toContain(`The lane bulk is draining until ${until} (${reason})`);
    expect(Number(refused.headers.get("retry-after"))).toBeGreaterThan(60);
    expect(Number(refused.headers.get("retry-after"))).toBeLessThanOrEqual(90);
    expect((await submit({ ...bulk, delay: "1h" })).status).toBe(503);
    expect((await submit({})).status).toBe(202);
    expect(await api.listAll("lane=bulk")).toEqual([]);

    expect(await lane("bulk", "drain")).toMatchObject({ status: 200, body: { reason: null, until: null } });
    expect((await submit()).headers.get("retry-after")).toBe("60");
    expect(await lane("bulk", "resume")).toMatchObject({ status: 200, body: { draining: false } });
    expect((await submit()).status).toBe(202);
  });

  it("refuses an item of a batch and none of the others, and a whole flow, of which nothing is stored", async () => {
    await lane("bulk", "drain");
    const of = (options: object) => ({ task: "test.noop", options: { ...options, tags: { plot: "mixed" } } });
    const { status, body } = await api.post<{ items: BatchItem[] }>("/v1/tasks/batch", {
      tasks: [of({}), of(bulk), { task: "nobody" }, of(bulk), of({})],
    });
    expect([status, body.items.map((item) => item.status)]).toEqual([207, [202, 503, 404, 503, 202]]);
    expect(body.items[1].problem?.detail).toContain("The lane bulk is draining");
    expect(await api.listAll("tag.plot=mixed")).toHaveLength(2);

    const nodes = [of({}), of(bulk)];
    for (const graph of [{ group: nodes }, { ...of({}), onError: of(bulk) }]) {
      const flow = await api.post<ProblemResource>("/v1/flows", graph);
      expect(flow).toMatchObject({ status: 503, body: { type: "/problems/lane-draining" } });
      expect(flow.headers.get("retry-after")).toBe("60");
    }
    expect(await api.listAll("tag.plot=mixed")).toHaveLength(2);
    await lane("bulk", "resume");
  });

  it("leaves an Idempotency-Key free where nothing was stored, and still answers one that was used", async () => {
    const used = { "idempotency-key": "used" };
    const free = { "idempotency-key": "free" };
    const before = await submit(bulk, used);
    const flow = { chain: [{ task: "test.noop", options: bulk }] };
    await lane("bulk", "drain");
    expect((await submit(bulk, used)).body.id).toBe(before.body.id);
    expect((await submit(bulk, free)).status).toBe(503);
    expect((await api.post("/v1/flows", flow, { "idempotency-key": "flow" })).status).toBe(503);
    const batch = { tasks: [{ task: "test.noop" }, { task: "test.noop", options: bulk }] };
    const items = async () => {
      const { body } = await api.post<{ items: BatchItem[] }>("/v1/tasks/batch", batch, { "idempotency-key": "batch" });
      return body.items.map((item) => item.task?.id ?? item.status);
    };
    const [stored, ...refused] = await items();
    expect(refused).toEqual([503]);
    await lane("bulk", "resume");
    expect((await submit(bulk, free)).status).toBe(202);
    expect((await api.post("/v1/flows", flow, { "idempotency-key": "flow" })).status).toBe(202);
    expect((await items())[0]).toBe(stored);
  });

  it("finishes what is queued, scheduled and retrying in it, with children, flow members and retries by hand", async () => {
    const fast = { ...bulk, retry: { backoff: "fixed", base: "4s", jitter: "none" } } as const;
    const scheduled = await api.submit("test.noop", null, { ...bulk, delay: "4s" });
    const retrying = await api.submit("test.failTimes", { times: 1 }, fast);
    const parent = await api.submit("test.spawn", { task: "test.noop", input: null, n: 2 }, bulk);
    const failed = await api.submit("test.fail", { message: "no", retryable: false }, bulk);
    const { body: flow } = await api.post<FlowResource>("/v1/flows", {
      chain: [
        { task: "test.signal", input: { name: "go" }, options: bulk },
        { task: "test.noop", options: bulk },
      ],
    });
    await api.waitUntil(retrying.id, (task) => task.state === "retrying");
    await api.waitForEnd(failed.id);
    await lane("bulk", "drain");
    expect((await api.post(`/v1/tasks/${failed.id}/retry`)).status).toBe(202);
    await api.post(`/v1/tasks/${flow.nodes[0].task.id}/signals/go`);
    for (const { id } of [scheduled, retrying, parent]) {
      expect(await api.waitForEnd(id)).toMatchObject({ state: "succeeded" });
    }
    expect(await api.waitForEnd(failed.id)).toMatchObject({ state: "failed", attempt: 2 });
    expect(await api.waitForFlow(flow.id)).toMatchObject({ state: "succeeded" });
    expect(await laneOf("bulk")).toMatchObject({ draining: true, queued: 0, running: 0 });
    await lane("bulk", "resume");
  });

  it("still delivers the webhooks of what it has, and runs the error task of a flow", async () => {
    const receiver = await startReceiver();
    const webhook = { url: `${receiver.origin}/` };
    const { id } = await api.submit("test.signal", { name: "go" }, { webhook });
    const { body: flow } = await api.post<FlowResource>("/v1/flows", {
      chain: [
        { task: "test.signal", input: { name: "go" } },
        { task: "test.fail", input: { message: "no", retryable: false } },
      ],
      onError: { task: "test.noop" },
    });
    await lane("default", "drain");
    for (const each of [id, flow.nodes[0].task.id]) await api.post(`/v1/tasks/${each}/signals/go`);
    await poll(
      () => "nothing was delivered",
      () => (receiver.at("/").length === 1 ? true : null),
    );
    const { nodes } = await api.waitForFlow(flow.id);
    expect(nodes.map((node) => node.task.state)).toEqual(["succeeded", "failed", "succeeded"]);
    await lane("default", "resume");
    await receiver.stop();
  });

  it("is paused, draining or open, whichever was said last; a pause that becomes a drain lets go what it held", async () => {
    await lane("bulk", "pause", { reason: "wait" });
    const { id } = await api.submit("test.noop", null, bulk);
    expect((await lane("bulk", "drain")).body).toMatchObject({ paused: false, draining: true, reason: null });
    expect(await api.waitForEnd(id)).toMatchObject({ state: "succeeded" });
    expect((await lane("bulk", "pause", { reason: "again" })).body).toMatchObject({ paused: true, draining: false });
    const kept = await api.submit("test.noop", null, bulk);
    expect((await lane("bulk", "resume")).body).toMatchObject({ paused: false, draining: false, reason: null });
    expect(await api.waitForEnd(kept.id)).toMatchObject({ state: "succeeded" });
  });

  it("lets the ticks of schedules wait, and makes up for them as missed ones; by hand none runs", async () => {
    const schedule = (id: string, body: object) =>
      api.call("PUT", `/v1/schedules/${id}`, { body: { every: "1s", task: "test.noop", ...body } });
    await lane("bulk", "drain");
    await schedule("last", { options: bulk });
    await schedule("none", { options: bulk, catchUp: "none", every: "3s" });
    await schedule("other", {});
    const ticks = (id: string) => api.listAll(`tag.schedule=${id}`);
    await poll(
      () => "the other schedule has not ticked",
      async () => ((await ticks("other")).length >= 4 ? true : null),
    );
    expect([await ticks("last"), await ticks("none")]).toEqual([[], []]);
    expect(await api.post("/v1/schedules/last/run")).toMatchObject({ status: 503 });
    const resumed = Date.now();
    await lane("bulk", "resume");
    await poll(
      () => "no tick after the resume",
      async () => ((await ticks("last")).length > 0 && (await ticks("none")).length > 0 ? true : null),
    );
    const tickOf = (task: TaskResource) => Date.parse(task.tags["tick"]);
    // Of those that were missed the last alone; the interval is the patience.
    expect((await ticks("last")).filter((task) => tickOf(task) < resumed - 2_000)).toEqual([]);
    expect((await ticks("none")).filter((task) => tickOf(task) < resumed - 4_000)).toEqual([]);
    for (const id of ["last", "none", "other"]) await api.call("DELETE", `/v1/schedules/${id}`);
  });

  it("takes no end that is past, no unknown member, and is no lane that is none", async () => {
    const past = await api.post<ProblemResource>("/v1/lanes/long/drain", { until: "2020-01-01T00:00:00Z" });
    expect(past).toMatchObject({ status: 422, body: { errors: [{ pointer: "/until" }] } });
    expect((await lane("long", "drain", { why: "typo" })).status).toBe(422);
    expect((await lane("nobody", "drain")).status).toBe(404);
    expect(await laneOf("long")).toMatchObject({ draining: false });
  });
});
