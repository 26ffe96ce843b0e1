/** What was said before a kill -9 of the whole service holds after it. */
import { afterAll, beforeAll, expect, it } from "vitest";
import type { LaneResource } from "../../src/contract/lane.ts";
import type { LimitResource } from "../../src/contract/limit.ts";
import type { Stats } from "../../src/contract/stats.ts";
import type { TaskResource } from "../../src/contract/task.ts";
import { apiOf, poll, type Api } from "../http/api.ts";
import { shareServer, type SharedServer } from "../http/shared-server.ts";

let server: SharedServer;
let api: Api;
let root: Api;
let killedAt: number;

const lane = (name: string, verb: string, body?: unknown) => root.post<LaneResource>(`/v1/lanes/${name}/${verb}`, body);

async function laneOf(name: string): Promise<LaneResource> {
  const { body } = await root.get<{ items: LaneResource[] }>("/v1/lanes");
  return body.items.find((each) => each.name === name)!;
}

/** A key of another tenant, so that its figures are its own. */
async function keyFor(tenant: string): Promise<Api> {
  const { body } = await root.post<{ key: string }>("/v1/keys", { name: tenant, tenant, scopes: ["submit", "read"] });
  return apiOf({ url: server.url, key: body.key });
}

const succeeded = async (owner: Api) => (await owner.get<Stats>("/v1/stats")).body.states.succeeded;

const counted = (owner: Api, tasks: number) =>
  poll(
    () => "not all are counted",
    async () => (await succeeded(owner)) === tasks || null,
  );

async function runNoop(owner: Api): Promise<void> {
  await owner.waitForEnd((await owner.submit("test.noop")).id);
}

/** Each says something before the kill, and answers how one looks after it. */
const said: { [what: string]: () => Promise<() => Promise<void>> } = {
  "an Idempotency-Key is known": async () => {
    const post = () => api.post<TaskResource>("/v1/tasks", { task: "test.noop" }, { "idempotency-key": "survivor" });
    const first = await post();
    return async () => {
      const second = await post();
      expect([second.headers.get("idempotency-replayed"), second.body.id]).toEqual(["true", first.body.id]);
      expect(await api.waitForEnd(first.body.id)).toMatchObject({ state: "succeeded" });
    };
  },

  "a debounce goes on: the same task, the last input": async () => {
    const debounced = (value: string, wait: string) =>
      api.submit("test.identity", { value }, { debounce: { key: "kept", wait }, tags: { plot: "debounce" } });
    const first = await debounced("before", "10m");
    return async () => {
      const second = await debounced("after", "300ms");
      expect(second.id).toBe(first.id);
      const ended = await api.waitForEnd(first.id);
      expect(ended).toMatchObject({ state: "succeeded", result: "after", attempt: 1 });
      expect(await api.listAll("tag.plot=debounce")).toHaveLength(1);
    };
  },

  "a limit of a key that nobody uses yet is one from the first task on": async () => {
    const path = "/v1/limits/concurrency%3A%3Aearly";
    expect((await api.get(path)).status).toBe(404);
    const made = await api.call<LimitResource>("PUT", path, { body: { limit: 2 } });
    expect([made.status, made.headers.get("location")]).toEqual([201, path]);
    return async () => {
      const options = { concurrency: { key: "early", limit: 50 }, tags: { plot: "early" }, timeout: "10m" } as const;
      const sleeping = { task: "test.sleep", input: { ms: 600_000 }, options };
      await api.submitAll(Array.from({ length: 5 }, () => sleeping));
      const limit = async () => (await api.get<LimitResource>(path)).body;
      await expect.poll(limit).toMatchObject({ used: 2, waiting: 3, limit: 2, source: "api" });
      await api.post("/v1/tasks/cancel", { filter: { tags: { plot: "early" } } });
    };
  },

  "a key and what it has signed are good, and a revoked one's are not": async () => {
    const holder = async () => {
      const { body } = await api.post<{ id: string; key: string }>("/v1/keys", { name: "kept", scopes: ["read"] });
      return { id: body.id, ...apiOf({ url: server.url, key: body.key }) };
    };
    const [kept, gone] = [await holder(), await holder()];
    const { id } = await api.submit("test.noop", null, { delay: "1h" });
    const linkOf = async (who: Api) => (await who.get<TaskResource>(`/v1/tasks/${id}?links=signed`)).body.links.self;
    const links = [await linkOf(kept), await linkOf(gone)];
    await api.call("DELETE", `/v1/keys/${gone.id}`);
    return async () => {
      const open = async (link: string) => (await api.get(link, { authorization: null })).status;
      expect(await Promise.all(links.map(open))).toEqual([200, 401]);
      expect((await kept.get("/v1/tasks")).status).toBe(200);
      expect((await gone.get("/v1/tasks")).status).toBe(401);
    };
  },

  "figures are what they were, and metrics grow on": async () => {
    const owner = await keyFor("kept-figures");
    const ended = async () => {
      const { body } = await owner.get<string>("/metrics");
      return [...body.matchAll(/^lovage_tasks_ended_total\{.*state="succeeded".*\} (\d+)$/gm)].map(([, n]) =>
        Number(n),
      );
    };
    await Promise.all([runNoop(owner), runNoop(owner)]);
    await counted(owner, 2);
    expect(await ended()).toEqual([2]);
    return async () => {
      expect([await succeeded(owner), await ended()]).toEqual([2, [2]]);
      await runNoop(owner);
      await counted(owner, 3);
      expect(await ended()).toEqual([3]);
    };
  },

  "figures count all that the next worker runs of what was left over": async () => {
    const owner = await keyFor("kept-left-over");
    const submission = { task: "test.noop", options: { delay: "3s" } } as const;
    const tasks = await owner.submitAll(Array.from({ length: 60 }, () => submission));
    return async () => {
      const ended = await Promise.all(tasks.map((task) => owner.waitForEnd(task.id)));
      const after = ended.filter((task) => Date.parse(task.finishedAt!) > killedAt).length;
      expect(after).toBeGreaterThan(0);
      await expect.poll(() => succeeded(owner)).toBeGreaterThanOrEqual(after);
      expect(await succeeded(owner)).toBeLessThanOrEqual(tasks.length);
    };
  },

  "a paused lane is paused": async () => {
    await lane("bulk", "pause", { reason: "until further notice" });
    const { id } = await api.submit("test.noop", null, { lane: "bulk" });
    return async () => {
      await new Promise((done) => setTimeout(done, 1_500));
      expect(await laneOf("bulk")).toMatchObject({ paused: true, reason: "until further notice" });
      expect(await api.read(id)).toMatchObject({ state: "queued", attempt: 0 });
      await lane("bulk", "resume");
      expect(await api.waitForEnd(id)).toMatchObject({ state: "succeeded" });
    };
  },

  "a lane that drains accepts again when its end has come": async () => {
    const until = Date.now() + 4_000;
    await lane("long", "drain", { until: new Date(until).toISOString() });
    return async () => {
      await poll(
        () => "still refused",
        async () => {
          const { status } = await api.post("/v1/tasks", { task: "test.noop", options: { lane: "long" } });
          expect(status === 202 ? Date.now() >= until : status === 503).toBe(true);
          return status === 202 || null;
        },
      );
      expect(await laneOf("long")).toMatchObject({ draining: false, until: null });
    };
  },
};

const looks = new Map<string, () => Promise<void>>();

beforeAll(async () => {
  server = await shareServer();
  api = apiOf(server);
  root = apiOf(server.root);
  for (const [what, say] of Object.entries(said)) looks.set(what, await say());
  await server.kill9();
  killedAt = Date.now();
  await server.restart();
});

afterAll(async () => {
  for (const name of ["bulk", "long"]) await lane(name, "resume");
  await server.stop();
});

it.each(Object.keys(said))("%s", async (what) => {
  await expect(looks.get(what)!()).resolves.toBeUndefined();
});
