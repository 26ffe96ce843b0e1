/** Waiting for an end: by push, for few statements, and right also where the push is lost. */
import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import type { TaskResource } from "../../src/contract/task.ts";
import { OBJECT } from "../../src/core/wake.ts";
import { follow } from "../../src/engine/events/follow.ts";
import { progressObject, tellObjects } from "../../src/engine/events/tell.ts";
import { waitForEnd } from "../../src/engine/events/await-end.ts";
import { Waiter } from "../../src/engine/events/end-listener.ts";
import type { ProgressObject } from "../../src/progress/object.ts";
import { markObject, readTask, readTasks } from "../../src/results/read-tasks.ts";
import { AssembledWorker, type Around } from "./assembled-worker.ts";
import type { Execute } from "./database-over.ts";
import { isOfSums } from "./isolate-sums.ts";

const TENANT = "default";
const MINUTE = 60_000;

/** What one Worker has asked of D1 and of progress objects. */
interface Meter {
  /** Each statement of a batch counts; those of an isolate's sums do not. */
  statements: string[];
  rows: number;
  requests: number;
}

function metered(): { service: AssembledWorker; meter: Meter } {
  const meter: Meter = { statements: [], rows: 0, requests: 0 };
  const database =
    (execute: Execute): Execute =>
    async (list) => {
      const results = await execute(list);
      for (const [i, { sql }] of list.entries()) {
        if (isOfSums(sql)) continue;
        meter.statements.push(sql);
        meter.rows += results[i]!.meta.rows_written;
      }
      return results;
    };
  const around: Around = async (binding, call) => {
    if (binding === "progress") meter.requests++;
    return call();
  };
  return { service: new AssembledWorker({ database, around }), meter };
}

/** Loses whatever is told to progress objects; waiters still reach them. */
const deaf = (service: AssembledWorker) => {
  const { PROGRESS } = service.env;
  service.env.PROGRESS = {
    getByName: (id: string) => {
      const object = PROGRESS.getByName(id);
      const lost = async () => {
        throw new Error("lost");
      };
      return {
        fetch: async (...args: Parameters<typeof object.fetch>) => object.fetch(...args),
        ended: lost,
        sync: lost,
      };
    },
  } as unknown as Env["PROGRESS"];
  return service;
};

const worker = () => metered().service;

async function submit(service: AssembledWorker, task = "test.noop"): Promise<string> {
  const { id } = await (await service.fetch("/v1/tasks", { body: { task } })).json<{ id: string }>();
  return id;
}

const socketsOf = (id: string): Promise<number> =>
  runInDurableObject(env.PROGRESS.getByName(id), (_: ProgressObject, state) => state.getWebSockets("waiter").length);

/** Once so many callers have registered at the task's object. */
async function registered(id: string, count = 1): Promise<void> {
  await expect.poll(() => socketsOf(id), { timeout: 15_000 }).toBe(count);
}

/** What the task's object has in its storage. */
const keptBy = (id: string): Promise<{ tables: number; alarm: number | null }> =>
  runInDurableObject(env.PROGRESS.getByName(id), async (_: ProgressObject, { storage }) => ({
    tables: storage.sql.exec("SELECT 1 FROM sqlite_master").toArray().length,
    alarm: await storage.getAlarm(),
  }));

const LOOK = "SELECT state FROM tasks WHERE id = ?1";

const forMinute = { ms: MINUTE, signal: undefined };

describe("a submission that waits", () => {
  it("is answered by push: four rows as ever, one statement to read the end, and nothing is kept or timed", async () => {
    const web = metered();
    const worker = metered();
    const prefer = { headers: { prefer: "wait=60" } };
    const answered = web.service.fetch("/v1/tasks", { body: { task: "test.noop" }, ...prefer });
    await expect.poll(() => web.service.queued.length).toBe(1);
    const id = (web.service.queued[0]!.body as { ids: string[] }).ids[0]!;
    await registered(id);
    const stored = web.meter.statements.length;
    await worker.service.deliver(web.service.queued.splice(0));
    const response = await answered;
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({ id, state: "succeeded" });
    expect(web.meter.statements).toHaveLength(stored + 1);
    expect(web.meter.rows + worker.meter.rows).toBe(4);
    // One to register, one to tell.
    expect([web.meter.requests, worker.meter.requests]).toEqual([1, 1]);
    expect(await keptBy(id)).toEqual({ tables: 0, alarm: null });
    expect(await readTasks(env.DB, [id])).toMatchObject([{ object: OBJECT.awaited, dueAt: null }]);
    await worker.service.tick(Date.now() + MINUTE);
    expect([worker.meter.rows, worker.meter.requests]).toEqual([2, 1]);
  });

  it("stores a plain task with the statements of one that does not wait", async () => {
    const [plain, waiting] = [metered(), metered()];
    await plain.service.fetch("/v1/tasks", { body: { task: "test.noop" } });
    const answered = waiting.service.fetch("/v1/tasks", {
      body: { task: "test.noop" },
      headers: { prefer: "wait=60" },
    });
    await expect.poll(() => waiting.service.queued.length).toBe(1);
    expect(waiting.meter.statements).toEqual(plain.meter.statements);
    expect(waiting.meter.rows).toBe(plain.meter.rows);
    await waiting.service.deliver();
    expect((await answered).status).toBe(200);
  });

  it("is answered with the end of the task that was made before, where it is a repetition", async () => {
    const service = worker();
    const headers = { "idempotency-key": crypto.randomUUID() };
    const { id } = await (
      await service.fetch("/v1/tasks", { body: { task: "test.noop" }, headers })
    ).json<TaskResource>();
    const again = service.fetch("/v1/tasks", {
      body: { task: "test.noop" },
      headers: { ...headers, prefer: "wait=60" },
    });
    await registered(id);
    await service.deliver();
    expect(await (await again).json()).toMatchObject({ id, state: "succeeded" });
  });
});

describe("a caller that waits for a task", () => {
  it("makes three statements at most in a minute, of which one writes", async () => {
    const { service, meter } = metered();
    const id = await submit(service);
    // The proportions of 60 s with a look every 30 s.
    const patience = { ms: 600, lookEveryMs: 300, signal: undefined };
    Object.assign(meter, { statements: [], rows: 0 });
    expect((await waitForEnd(service.env, TENANT, id, patience))!.state).toBe("queued");
    expect(meter.statements).toHaveLength(3);
    expect(meter.statements[1]).toBe(LOOK);
    expect(meter.rows).toBe(1);
    Object.assign(meter, { statements: [], rows: 0 });
    await waitForEnd(service.env, TENANT, id, patience);
    expect(meter.statements).toHaveLength(3);
    expect(meter.rows).toBe(0);
  });

  it("is answered by push, with others that wait for the same task", async () => {
    const service = worker();
    const id = await submit(service);
    const waits = Array.from({ length: 100 }, () => waitForEnd(service.env, TENANT, id, forMinute));
    await registered(id, 100);
    await service.deliver();
    expect(new Set((await Promise.all(waits)).map((row) => row!.state))).toEqual(new Set(["succeeded"]));
    expect(await keptBy(id)).toEqual({ tables: 0, alarm: null });
  });

  it("is told of an end that came before it had registered", async () => {
    const service = worker();
    const id = await submit(service);
    await tellObjects(service.env, [{ id, state: "succeeded", object: OBJECT.awaited }]);
    const waiter = new Waiter(service.env, id);
    expect(await waiter.told(MINUTE, undefined)).toBe(true);
    waiter.close();
  });

  it("waits on where the end that it is told of was that of an earlier run", async () => {
    const service = worker();
    const id = await submit(service);
    await tellObjects(service.env, [{ id, state: "failed", object: OBJECT.awaited }]);
    const wait = waitForEnd(service.env, TENANT, id, forMinute);
    await registered(id);
    await service.deliver();
    expect((await wait)!.state).toBe("succeeded");
  });

  it("finds an end that was not told by its look at the state", async () => {
    const service = deaf(worker());
    const id = await submit(service);
    const wait = waitForEnd(service.env, TENANT, id, { ...forMinute, lookEveryMs: 2_000 });
    await registered(id);
    await service.deliver();
    expect((await wait)!.state).toBe("succeeded");
  });

  it("answers with the end also where no look was left", async () => {
    const service = deaf(worker());
    const id = await submit(service);
    const wait = waitForEnd(service.env, TENANT, id, { ...forMinute, ms: 3_000 });
    await registered(id);
    await service.deliver();
    expect((await wait)!.state).toBe("succeeded");
  });

  it("is told by an object that was evicted meanwhile", async () => {
    const service = worker();
    const id = await submit(service);
    const wait = waitForEnd(service.env, TENANT, id, forMinute);
    await registered(id);
    await evictDurableObject(env.PROGRESS.getByName(id));
    await service.deliver();
    expect((await wait)!.state).toBe("succeeded");
  });

  it("registers again where its line breaks", async () => {
    const { service, meter } = metered();
    const id = await submit(service);
    const wait = waitForEnd(service.env, TENANT, id, forMinute);
    await registered(id);
    await runInDurableObject(env.PROGRESS.getByName(id), (_: ProgressObject, state) => {
      for (const socket of state.getWebSockets()) socket.close(1011);
    });
    await expect.poll(() => meter.requests).toBe(2);
    await registered(id);
    await service.deliver();
    expect((await wait)!.state).toBe("succeeded");
  });

  it("is told by the same object that tells a stream", async () => {
    const { service, meter } = metered();
    const id = await submit(service);
    await markObject(env.DB, id, OBJECT.listened);
    const wait = waitForEnd(service.env, TENANT, id, forMinute);
    await registered(id);
    meter.requests = 0;
    await service.deliver();
    expect((await wait)!.state).toBe("succeeded");
    expect((await progressObject(env, id).list(0)).at(-1)!.type).toBe("done");
    // The claim and the commit.
    expect(meter.requests).toBe(2);
  });

  it("is forgotten by a retry, so that the next end costs nothing", async () => {
    const { service, meter } = metered();
    const id = await submit(service);
    const wait = waitForEnd(service.env, TENANT, id, forMinute);
    await registered(id);
    await service.fetch(`/v1/tasks/${id}/cancel`, { body: {} });
    await wait;
    expect((await service.fetch(`/v1/tasks/${id}/retry`, { body: {} })).status).toBe(202);
    expect(await readTasks(env.DB, [id])).toMatchObject([{ state: "queued", object: 0 }]);
    meter.requests = 0;
    await service.deliver();
    expect(await readTasks(env.DB, [id])).toMatchObject([{ state: "succeeded" }]);
    expect(meter.requests).toBe(0);
  });

  it("frees its place when it is gone", async () => {
    const service = worker();
    const id = await submit(service);
    const gone = new AbortController();
    const wait = waitForEnd(service.env, TENANT, id, { ms: MINUTE, signal: gone.signal });
    await registered(id);
    gone.abort();
    expect((await wait)!.state).toBe("queued");
    await registered(id, 0);
  });

  it.each([
    ["a cancel", async (service: AssembledWorker, id: string) => service.fetch(`/v1/tasks/${id}/cancel`, { body: {} })],
    ["an expiry", async (service: AssembledWorker) => service.tick(Date.now() + 3_600_001)],
  ])("hears of %s", async (_, end) => {
    const service = worker();
    const body = { task: "test.noop", options: { expiresIn: "1h" } };
    const { id } = await (await service.fetch("/v1/tasks", { body })).json<TaskResource>();
    const wait = waitForEnd(service.env, TENANT, id, forMinute);
    await registered(id);
    await end(service, id);
    expect(["cancelled", "expired"]).toContain((await wait)!.state);
    expect(await keptBy(id)).toEqual({ tables: 0, alarm: null });
  });
});

describe("a caller that waits for a flow", () => {
  const chain = { chain: [{ task: "test.fail", input: { message: "no", retryable: false } }, { task: "test.noop" }] };

  it("is told of its end, and of that of a member which never ran", async () => {
    const service = worker();
    const flow = await (
      await service.fetch("/v1/flows", { body: chain })
    ).json<{ id: string; nodes: { task: TaskResource }[] }>();
    const last = flow.nodes[1]!.task.id;
    const waits = [
      service.fetch(`/v1/flows/${flow.id}`, { headers: { prefer: "wait=60" } }),
      service.fetch(`/v1/tasks/${last}`, { headers: { prefer: "wait=60" } }),
    ];
    await registered(flow.id);
    await registered(last);
    await service.deliver();
    const answers = await Promise.all(waits.map(async (wait) => (await wait).json<{ state: string }>()));
    expect(answers.map(({ state }) => state)).toEqual(["failed", "failed"]);
  });
});

describe("a stream on which nothing comes", () => {
  it("looks at the state alone, once for every three of its comment lines", async () => {
    const { service, meter } = metered();
    const id = await submit(service);
    const row = (await readTask(env.DB, TENANT, id))!;
    // The proportions of a comment line every 10 s and a look every 30 s: 60 s pass.
    const pace = { idleMs: 100, lookMs: 300 };
    let quiet = 0;
    for await (const event of follow(service.env, row, 0, new AbortController().signal, pace)) {
      if (event !== null) continue;
      quiet++;
      if (quiet === 1) meter.statements = [];
      if (quiet === 7) break;
    }
    expect(meter.statements).toEqual([LOOK, LOOK]);
  });
});
