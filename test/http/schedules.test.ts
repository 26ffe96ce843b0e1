/** Schedules as their owners use them. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { ProblemResource } from "../../src/contract/problem.ts";
import type { ScheduleInput, ScheduleResource } from "../../src/contract/schedule.ts";
import type { TaskResource } from "../../src/contract/task.ts";
import { apiOf, poll, type Api } from "./api.ts";
import { startReceiver, type Receiver } from "./receiver.ts";
import { shareServer, type SharedServer } from "./shared-server.ts";

let server: SharedServer;
let api: Api;
let receiver: Receiver;

beforeAll(async () => {
  [server, receiver] = await Promise.all([shareServer(), startReceiver()]);
  api = apiOf(server);
});

afterAll(() => Promise.all([server?.stop(), receiver?.stop()]));

const ms = (instant: string | null | undefined) => Date.parse(instant ?? "");

const put = (id: string, body: unknown) =>
  api.call<ScheduleResource & ProblemResource>("PUT", `/v1/schedules/${id}`, { body });

const read = async (id: string) => (await api.get<ScheduleResource>(`/v1/schedules/${id}`)).body;

const remove = (id: string) => api.call("DELETE", `/v1/schedules/${id}`);

/** The tasks of its ticks, oldest first. */
async function tasksOf(id: string): Promise<TaskResource[]> {
  return (await api.listAll(`schedule=${id}`)).toReversed();
}

async function ticked(id: string, count: number): Promise<TaskResource[]> {
  return poll(
    () => `${id} has not made ${count} tasks`,
    async () => {
      const tasks = await tasksOf(id);
      return tasks.length >= count ? tasks : null;
    },
  );
}

const hourly: ScheduleInput = { every: "1h", task: "test.noop" };

describe("a schedule", () => {
  it("is shown as it was put, with what follows from it", async () => {
    const body = {
      cron: "30 2 * * MON-FRI",
      timezone: "Europe/Berlin",
      task: "process_item",
      input: { name: "report" },
      options: { lane: "bulk", tags: { customer: "42" }, delay: "5s", retention: 3_600_000 },
      overlap: "queue",
      catchUp: "none",
      startAt: "2040-01-01T00:00:00.000Z",
      endAt: "2040-12-31T00:00:00.000Z",
    };
    const { status, body: made, headers } = await put("whole", body);
    expect(status).toBe(201);
    expect(headers.get("location")).toBe("/v1/schedules/whole");
    expect(made).toMatchObject({ ...body, id: "whole", every: null, paused: false, source: "api", lastRuns: [] });
    expect(made.nextRuns.length).toBe(10);
    expect(made.nextRuns.slice(0, 2)).toEqual(["2040-01-02T01:30:00.000Z", "2040-01-03T01:30:00.000Z"]);
    expect(made.nextRunAt).toBe(made.nextRuns[0]);
    expect(await read("whole")).toEqual(made);
  });

  it("is made by its first put, and the same put again changes nothing", async () => {
    const first = await put("same", hourly);
    const second = await put("same", hourly);
    expect([first.status, second.status]).toEqual([201, 200]);
    expect(second.body).toEqual(first.body);
    expect(first.body).toMatchObject({ timezone: "UTC", overlap: "skip", catchUp: "last", every: "1h", cron: null });
    expect(ms(first.body.nextRunAt) - ms(first.body.createdAt)).toBe(3_600_000);
  });

  it("put by twenty at once is one, and waits for one tick", async () => {
    const puts = await Promise.all(Array.from({ length: 20 }, () => put("crowd", { ...hourly, every: "2s" })));
    expect(puts.map(({ status }) => status).filter((status) => status === 201).length).toBe(1);
    expect(new Set(puts.map(({ body }) => body.nextRunAt)).size).toBe(1);
    const { nextRunAt } = puts.at(0)!.body;
    const task = (await ticked("crowd", 1)).at(0)!;
    expect(task.tags["tick"]).toBe(nextRunAt);
    await remove("crowd");
    const ticks = (await tasksOf("crowd")).map((each) => each.tags["tick"]);
    expect(new Set(ticks).size).toBe(ticks.length);
  });

  it("is listed with the others, page by page, and gone when it was removed", async () => {
    for (const id of ["list-a", "list-b", "list-c"]) await put(id, hourly);
    const ids: string[] = [];
    let path: string | null = "/v1/schedules?limit=2";
    while (path !== null) {
      const page: { body: { items: ScheduleResource[]; nextCursor: string | null } } = await api.get(path);
      ids.push(...page.body.items.map((item) => item.id));
      path = page.body.nextCursor === null ? null : `/v1/schedules?limit=2&cursor=${page.body.nextCursor}`;
    }
    expect(ids).toEqual(ids.toSorted());
    expect(ids).toEqual(expect.arrayContaining(["list-a", "list-b", "list-c"]));
    expect((await remove("list-b")).status).toBe(204);
    expect((await remove("list-b")).status).toBe(404);
    expect((await api.get("/v1/schedules/list-b")).status).toBe(404);
  });

  it("does not tell the secret of a webhook", async () => {
    const webhook = { url: "http://127.0.0.1:9/", secret: `whsec_${"a".repeat(32)}` };
    const { body } = await put("secret", { ...hourly, options: { webhook } });
    expect(body.options).toEqual({ webhook: { url: webhook.url } });
  });
});

describe("ticks", () => {
  it("come in their phase, one task each, and are told with their tasks", async () => {
    const { body: made } = await put("each-second", {
      every: "1s",
      task: "test.identity",
      input: { value: 7 },
      catchUp: "all",
      overlap: "allow",
    });
    const tasks = await ticked("each-second", 4);
    await remove("each-second");
    for (const [i, task] of tasks.entries()) {
      const tick = ms(task.tags["tick"]);
      expect(tick).toBe(ms(made.nextRunAt) + i * 1_000);
      expect(task.task).toBe("test.identity");
      expect(ms(task.createdAt)).toBeGreaterThanOrEqual(tick);
      const ended = await api.waitForEnd(task.id);
      expect(ended).toMatchObject({ state: "succeeded", result: 7 });
      expect(ms(ended.startedAt)).toBeGreaterThanOrEqual(tick);
    }
  });

  it("of a cron expression with seconds come on the second", async () => {
    await put("cron", { cron: "* * * * * *", timezone: "Asia/Kolkata", task: "test.noop" });
    const tasks = await ticked("cron", 3);
    expect(tasks.every((task) => ms(task.tags["tick"]) % 1_000 === 0)).toBe(true);
    const { lastRuns } = await read("cron");
    await remove("cron");
    expect(lastRuns.length).toBeGreaterThanOrEqual(3);
    expect(lastRuns.map(({ tick }) => tick)).toEqual(
      lastRuns
        .map(({ tick }) => tick)
        .toSorted()
        .toReversed(),
    );
    const ticks = new Map((await tasksOf("cron")).map((task) => [task.id, task.tags["tick"]]));
    for (const { tick, taskId } of lastRuns) expect(ticks.get(taskId ?? "")).toBe(tick);
  });

  it("stop with a pause and go on in their phase after it", async () => {
    const { body: made } = await put("pausing", { every: "1s", task: "test.noop" });
    await ticked("pausing", 1);
    const paused = await api.post<ScheduleResource>("/v1/schedules/pausing/pause");
    expect(paused).toMatchObject({ status: 200, body: { paused: true, nextRunAt: null, nextRuns: [] } });
    const before = (await tasksOf("pausing")).length;
    await new Promise((done) => setTimeout(done, 2_500));
    expect((await tasksOf("pausing")).length).toBe(before);
    const resumed = await api.post<ScheduleResource>("/v1/schedules/pausing/resume");
    expect(resumed).toMatchObject({ status: 200, body: { paused: false } });
    expect((ms(resumed.body.nextRunAt) - ms(made.nextRunAt)) % 1_000).toBe(0);
    const next = (await ticked("pausing", before + 1)).at(before)!;
    expect((ms(next.tags["tick"]) - ms(made.nextRunAt)) % 1_000).toBe(0);
    await remove("pausing");
  });

  it("do not overlap unless they may: skip leaves out, queue follows on, replace cancels", async () => {
    const overlaps = ["skip", "queue", "allow", "replace"];
    const { promise: release, resolve: letGo } = Promise.withResolvers<void>();
    for (const overlap of overlaps) receiver.reply(`/${overlap}`, () => release.then(() => 204));
    await Promise.all(
      overlaps.map((overlap) =>
        put(overlap, { every: "1s", task: "test.hook", input: { url: `${receiver.origin}/${overlap}` }, overlap }),
      ),
    );
    // While nothing ends: two run side by side, one has made way, one has another behind it, and one is alone.
    await Promise.all([receiver.next("/allow", 3), receiver.next("/replace", 2), ticked("queue", 2)]);
    expect([receiver.at("/skip").length, receiver.at("/queue").length]).toEqual([1, 1]);
    expect(await tasksOf("skip")).toHaveLength(1);
    letGo();
    await ticked("skip", 2);
    await Promise.all(overlaps.map(remove));
    const ends = async (overlap: string) =>
      Promise.all((await tasksOf(overlap)).map((task) => api.waitForEnd(task.id)));

    for (const overlap of ["skip", "queue"]) {
      const tasks = await ends(overlap);
      for (const [i, task] of tasks.slice(1).entries()) {
        expect(ms(task.startedAt)).toBeGreaterThanOrEqual(ms(tasks.at(i)!.finishedAt));
      }
    }
    expect((await ends("replace")).at(0)!.state).toBe("cancelled");
  });
});

describe("a run by hand", () => {
  it("is a task with the tags of a tick", async () => {
    await put("by-hand", { ...hourly, paused: true });
    const { status, body, headers } = await api.post<TaskResource>("/v1/schedules/by-hand/run");
    expect(status).toBe(202);
    expect(headers.get("location")).toBe(`/v1/tasks/${body.id}`);
    expect(body.tags).toMatchObject({ schedule: "by-hand", tick: body.createdAt });
    expect(await api.waitForEnd(body.id)).toMatchObject({ state: "succeeded" });
    const { lastRuns, paused } = await read("by-hand");
    expect(lastRuns).toEqual([{ tick: body.createdAt, taskId: body.id }]);
    expect(paused).toBe(true);
  });

  it("is 404 where there is no schedule, as its pause and resume are", async () => {
    for (const verb of ["run", "pause", "resume"]) {
      expect((await api.post(`/v1/schedules/nobody/${verb}`)).status).toBe(404);
    }
  });
});

describe("a schedule that makes no sense", () => {
  const cases: [string, unknown, string][] = [
    ["neither cron nor every", { task: "test.noop" }, ""],
    ["both", { ...hourly, cron: "* * * * *" }, "/every"],
    ["an interval below a second", { ...hourly, every: "999ms" }, "/every"],
    ["an interval that is no duration", { ...hourly, every: "soon" }, "/every"],
    ["a minute that does not exist", { task: "test.noop", cron: "61 * * * *" }, "/cron"],
    ["four fields", { task: "test.noop", cron: "* * * *" }, "/cron"],
    ["a day that never comes", { task: "test.noop", cron: "0 0 31 2 *" }, "/cron"],
    ["no time zone", { task: "test.noop", cron: "* * * * *", timezone: "Mars/Olympus" }, "/timezone"],
    ["an unknown task", { ...hourly, task: "nobody" }, "/task"],
    ["an input that does not fit", { ...hourly, task: "test.add", input: { x: "one" } }, "/input/x"],
    ["an option that does not fit", { ...hourly, options: { lane: "slow" } }, "/options/lane"],
    ["an instant in the options", { ...hourly, options: { runAt: "2040-01-01T00:00:00Z" } }, "/options/runAt"],
    [
      "an end before its start",
      { ...hourly, startAt: "2040-01-02T00:00:00Z", endAt: "2040-01-01T00:00:00Z" },
      "/endAt",
    ],
    ["an unknown overlap", { ...hourly, overlap: "maybe" }, "/overlap"],
    ["an unknown member", { ...hourly, evry: "1s" }, "/evry"],
  ];

  it.for(cases)("is refused for %s, with a pointer", async ([, body, pointer]) => {
    const { status, body: problem } = await put("nonsense", body);
    expect(status).toBe(422);
    expect(problem.errors?.map((error) => error.pointer)).toContain(pointer);
    expect((await api.get("/v1/schedules/nonsense")).status).toBe(404);
  });

  it("is refused for its id", async () => {
    expect((await put("a%20b", hourly)).status).toBe(422);
    expect((await put("x".repeat(101), hourly)).status).toBe(422);
  });
});
