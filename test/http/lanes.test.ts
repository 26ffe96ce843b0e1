/** Lanes: held back, opened again, and none of them in another's way. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { LaneResource } from "../../src/contract/lane.ts";
import type { ProblemResource } from "../../src/contract/problem.ts";
import { apiOf, poll, type Api, type Submission } from "./api.ts";
import { startReceiver, type Receiver } from "./receiver.ts";
import { startServer, type Server } from "./server.ts";

let server: Server;
let api: Api;
let receiver: Receiver;

beforeAll(async () => {
  [server, receiver] = await Promise.all([startServer(), startReceiver()]);
  api = apiOf(server);
});

afterAll(() => Promise.all([server?.stop(), receiver?.stop()]));

const ms = (instant: string | null | undefined) => Date.parse(instant ?? "");

const pause = (lane: string, body?: unknown) => api.post<LaneResource>(`/v1/lanes/${lane}/pause`, body);

const resume = (lane: string) => api.post<LaneResource>(`/v1/lanes/${lane}/resume`);

async function laneOf(name: string): Promise<LaneResource> {
  const { body } = await api.get<{ items: LaneResource[] }>("/v1/lanes");
  return body.items.find((lane) => lane.name === name)!;
}

function many(count: number, submission: Submission): Submission[] {
  return Array.from({ length: count }, () => submission);
}

const rest = (forMs: number) => new Promise((done) => setTimeout(done, forMs));

describe("the lanes", () => {
  it("are four and open", async () => {
    const { status, body } = await api.get<{ items: LaneResource[] }>("/v1/lanes");
    expect(status).toBe(200);
    expect(body.items.map((lane) => lane.name)).toEqual(["high", "default", "bulk", "long"]);
    for (const lane of body.items) {
      expect(lane).toMatchObject({ paused: false, reason: null, until: null, queued: 0, running: 0, capped: false });
    }
  });
});

describe("a paused lane", () => {
  it("accepts and keeps, starts nothing, and starts everything once it is resumed", async () => {
    const until = new Date(Date.now() + 3_600_000).toISOString();
    expect(await pause("bulk", { reason: "the upstream is down", until })).toMatchObject({
      status: 200,
      body: { name: "bulk", paused: true, reason: "the upstream is down", until },
    });
    const options = { lane: "bulk", tags: { plot: "kept" } } as const;
    const tasks = await api.submitAll(many(250, { task: "test.noop", options }));
    const beside = await api.submit("test.noop");
    expect(await api.waitForEnd(beside.id)).toMatchObject({ state: "succeeded" });
    await rest(1_000);
    expect((await api.listAll("tag.plot=kept&state=queued")).length).toBe(tasks.length);
    expect(await laneOf("bulk")).toMatchObject({ paused: true, queued: tasks.length, running: 0 });

    expect(await resume("bulk")).toMatchObject({ status: 200, body: { paused: false, reason: null, until: null } });
    await api.waitUntilNoneIs(["queued", "running"], "tag.plot=kept");
    const ended = await api.listAll("tag.plot=kept");
    expect(ended.every((task) => task.state === "succeeded" && task.attempt === 1)).toBe(true);
  });

  it("opens by itself when its end has come", async () => {
    const until = Date.now() + 3_000;
    expect((await pause("bulk", { until: new Date(until).toISOString() })).status).toBe(200);
    const { id } = await api.submit("test.noop", null, { lane: "bulk" });
    const task = await api.waitForEnd(id);
    expect(ms(task.startedAt)).toBeGreaterThanOrEqual(until);
    expect(await laneOf("bulk")).toMatchObject({ paused: false });
  });

  it("lets what runs go on, so it is drained when nothing runs any more; a retry does not start", async () => {
    const options = { lane: "bulk", retry: { backoff: "fixed", base: "100ms", jitter: "none" } } as const;
    const { promise: release, resolve: letGo } = Promise.withResolvers<void>();
    receiver.reply("/succeeds", () => release.then(() => 204));
    receiver.reply("/fails-first", (nth) => release.then(() => (nth === 1 ? 500 : 204)));
    const [running, failing] = await api.submitAll(
      ["/succeeds", "/fails-first"].map((path) => ({
        task: "test.hook",
        input: { url: receiver.origin + path },
        options,
      })),
    );
    await Promise.all([receiver.next("/succeeds"), receiver.next("/fails-first")]);
    await pause("bulk");
    expect(await laneOf("bulk")).toMatchObject({ running: 2 });
    letGo();
    expect(await api.waitForEnd(running.id)).toMatchObject({ state: "succeeded" });
    // Its retry is due, and stays where it is.
    await api.waitUntil(failing.id, (task) => task.state === "queued");
    await rest(1_000);
    expect(await api.read(failing.id)).toMatchObject({ state: "queued", attempt: 1 });
    expect(await laneOf("bulk")).toMatchObject({ running: 0 });
    await resume("bulk");
    expect(await api.waitForEnd(failing.id)).toMatchObject({ state: "succeeded", attempt: 2 });
  });

  it("still cancels and expires what waits in it", async () => {
    await pause("bulk");
    const expiring = await api.submit("test.noop", null, { lane: "bulk", expiresIn: "1s" });
    const cancelled = await api.submit("test.noop", null, { lane: "bulk" });
    expect((await api.post(`/v1/tasks/${cancelled.id}/cancel`)).status).toBe(200);
    expect(await api.waitForEnd(expiring.id)).toMatchObject({ state: "expired" });
    await resume("bulk");
  });

  it("takes a new reason, and no end that is past", async () => {
    await pause("long", { reason: "one" });
    expect((await pause("long", { reason: "two" })).body).toMatchObject({ reason: "two", until: null });
    expect((await pause("long")).body).toMatchObject({ paused: true, reason: null });
    await resume("long");
    expect((await resume("long")).body).toMatchObject({ paused: false });
    const past = await api.post<ProblemResource>("/v1/lanes/long/pause", { until: "2020-01-01T00:00:00Z" });
    expect(past).toMatchObject({ status: 422, body: { errors: [{ pointer: "/until" }] } });
    expect((await pause("nobody")).status).toBe(404);
    expect((await resume("nobody")).status).toBe(404);
    expect((await pause("long", { why: "typo" })).status).toBe(422);
  });
});

describe("priority", () => {
  it("high waits for nothing in bulk: what comes after 400 tasks there ends while they run and wait", async () => {
    const options = { lane: "bulk", tags: { plot: "backlog" } } as const;
    const backlog = await api.submitAll(many(400, { task: "test.sleep", input: { ms: 20_000 }, options }));
    await poll(
      () => "the backlog has not begun",
      async () => (await laneOf("bulk")).running > 0 || null,
    );
    const urgent = await api.submitAll(many(5, { task: "test.noop", options: { lane: "high" } }));
    for (const { id } of urgent) expect(await api.waitForEnd(id)).toMatchObject({ state: "succeeded" });
    const { queued, running } = await laneOf("bulk");
    console.log(`tasks in high ended beside ${queued} queued and ${running} running in bulk`);
    expect(queued + running).toBeGreaterThan(backlog.length / 2);
    await api.post("/v1/tasks/cancel", { filter: { tags: options.tags } });
    await api.waitUntilNoneIs(["queued", "running"], "tag.plot=backlog");
  });
});
