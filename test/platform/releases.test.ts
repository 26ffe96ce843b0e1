/**
 * The previous release's Worker on this release's schema: what runs in a deployment between the migrations and the upload, and after a rollback.
 * One state, and the releases take turns on it: the previous one, this one, the previous one again. Each ends what the one before it has left.
 */
import { once } from "node:events";
import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type Server as HttpServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { json } from "node:stream/consumers";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { FlowResource } from "../../src/contract/flow.ts";
import type { TaskResource } from "../../src/contract/task.ts";
import { apiOf, LIVE, type Api } from "../http/api.ts";
import { startServer } from "../http/server.ts";
import { previousRelease } from "./previous-release.ts";

const root = join(import.meta.dirname, "../..");
const PATIENCE = { timeout: 120_000, interval: 200 };
const TIME_LIMIT_MS = 600_000;

let persist: string;
let previous: string;
let holder: HttpServer;
let holderUrl: string;
/** Attempts that the holder has seen, as id/attempt. The first of each task is never answered. */
const held: string[] = [];

beforeAll(async () => {
  holder = createServer(async (request, response) => {
    const { id, attempt } = (await json(request)) as { id: string; attempt: number };
    held.push(`${id}/${attempt}`);
    if (attempt > 1) response.writeHead(204).end();
  });
  holder.listen(0, "127.0.0.1");
  await once(holder, "listening");
  holderUrl = `http://127.0.0.1:${(holder.address() as AddressInfo).port}/`;
  previous = await previousRelease();
  persist = await mkdtemp(join(tmpdir(), "lovage-releases-"));
  // As a deployment begins: the migrations first, by wrangler.
  const wrangler = join(root, "node_modules/wrangler/bin/wrangler.js");
  const args = ["d1", "migrations", "apply", "lovage", "--local", "--persist-to", persist];
  await promisify(execFile)(process.execPath, [wrangler, ...args], {
    cwd: root,
    env: { ...process.env, CI: "1", WRANGLER_SEND_METRICS: "false", WRANGLER_WRITE_LOGS: "false" },
  });
}, TIME_LIMIT_MS);

afterAll(async () => {
  holder?.closeAllConnections();
  holder?.close();
  if (persist) await rm(persist, { recursive: true, force: true });
});

async function served<T>(release: string, use: (api: Api) => Promise<T>): Promise<T> {
  const server = await startServer({ persist, release });
  try {
    return await use(apiOf(server));
  } finally {
    await server.stop();
  }
}

const until = <T>(look: () => Promise<T | false | null | undefined>) => vi.waitUntil(look, PATIENCE) as Promise<T>;

const ended = (api: Api, id: string) =>
  until(async () => {
    const task = await api.read(id);
    return LIVE.includes(task.state) ? null : task;
  });

const reached = (api: Api, id: string, state: string) => until(async () => (await api.read(id)).state === state);

const flowEnded = (api: Api, id: string) =>
  until(async () => {
    const { body } = await api.get<FlowResource>(`/v1/flows/${id}`);
    return body.state === "running" ? null : body;
  });

async function submitFlow(api: Api, graph: unknown): Promise<FlowResource> {
  const { status, body } = await api.post<FlowResource>("/v1/flows", graph);
  expect({ status, body }).toMatchObject({ status: 202 });
  return body;
}

const tickTasks = async (api: Api, schedule: string) =>
  (await api.get<{ items: TaskResource[] }>(`/v1/tasks?tag.schedule=${schedule}&state=succeeded`)).body.items;

const add = (x: unknown, y: number) => ({ task: "test.add", input: { x, y } });

/** The main job of a release, from the submission to the end. */
async function doesItsJob(api: Api): Promise<void> {
  const item = await api.submit("process_item", { name: "x", steps: 3, pause: "1ms" });
  expect(await ended(api, item.id)).toMatchObject({
    state: "succeeded",
    attempt: 1,
    result: { result: "Processed item x" },
  });

  const retried = await api.submit("test.failTimes", { times: 1 }, { retry: { base: "1ms", jitter: "none" } });
  expect(await ended(api, retried.id)).toMatchObject({ state: "succeeded", attempt: 2 });

  const failed = await api.submit("test.fail", { message: "no", retryable: false });
  expect(await ended(api, failed.id)).toMatchObject({ state: "failed", attempt: 1 });
  expect((await api.post(`/v1/tasks/${failed.id}/retry`)).status).toBe(202);
  expect(await ended(api, failed.id)).toMatchObject({ state: "failed", attempt: 2 });

  const running = await api.submit("test.sleep", { ms: 86_400_000 });
  await reached(api, running.id, "running");
  expect((await api.post(`/v1/tasks/${running.id}/cancel`)).status).toBe(202);
  expect((await ended(api, running.id)).state).toBe("cancelled");

  const flow = await submitFlow(api, {
    chord: { header: [add(1, 2), add(3, 4)], body: { task: "test.sum" } },
    onError: { task: "test.noop" },
  });
  expect(await flowEnded(api, flow.id)).toMatchObject({ state: "succeeded", result: 10 });

  const steps = await api.submit("test.steps", { steps: 2, failAfter: 1 }, { retry: { base: "1ms", jitter: "none" } });
  expect(await ended(api, steps.id)).toMatchObject({ state: "succeeded", attempt: 2 });

  const limited = { concurrency: { key: "one", limit: 1 } };
  const both = await Promise.all([1, 2].map(() => api.submit("test.noop", {}, limited)));
  for (const { id } of both) expect((await ended(api, id)).state).toBe("succeeded");

  const short = await api.submit("test.noop", {}, { retention: "1s" });
  await until(async () => [404, 410].includes((await api.get(`/v1/tasks/${short.id}`)).status));
  const list = await api.get<{ items: TaskResource[] }>("/v1/tasks?state=succeeded&limit=200");
  expect(list.body.items.map(({ id }) => id)).toContain(item.id);
}

interface Left {
  running: string;
  queued: string;
  scheduled: string;
  waiting: string;
  flow: string;
  schedule: string;
  ticks: number;
}

/** Work in every state in which a release can leave it. */
async function leaveWork(api: Api, name: string): Promise<Left> {
  await api.post("/v1/lanes/bulk/pause");
  await api.post("/v1/lanes/high/drain");
  const [running, queued, scheduled, waiting] = await Promise.all([
    api.submit("test.hook", { url: holderUrl }),
    api.submit("test.noop", {}, { lane: "bulk" }),
    api.submit("test.noop", {}, { delay: "20s" }),
    api.submit("test.signal", { name: "go" }),
  ]);
  const flow = await submitFlow(api, {
    dag: {
      first: { node: { task: "test.signal", input: { name: "go" } } },
      second: { node: add({ $from: "first" }, 1), needs: ["first"] },
    },
  });
  await api.call("PUT", `/v1/schedules/${name}`, { body: { every: "1s", task: "test.noop" } });
  await until(async () => (await tickTasks(api, name)).length > 0);
  await until(async () => held.includes(`${running.id}/1`));
  for (const id of [waiting.id, flow.nodes[0].task.id]) await reached(api, id, "waiting");
  expect((await api.read(queued.id)).state).toBe("queued");
  expect((await api.read(scheduled.id)).state).toBe("scheduled");
  return {
    running: running.id,
    queued: queued.id,
    scheduled: scheduled.id,
    waiting: waiting.id,
    flow: flow.id,
    schedule: name,
    ticks: (await tickTasks(api, name)).length,
  };
}

async function endsWhatWasLeft(api: Api, left: Left): Promise<void> {
  expect(await ended(api, left.running)).toMatchObject({ state: "succeeded", attempt: 2 });
  await api.post("/v1/lanes/bulk/resume");
  // The other release drained the lane.
  const inHigh = { task: "test.noop", options: { lane: "high" } };
  expect((await api.post("/v1/tasks", inHigh)).status).toBe(503);
  await api.post("/v1/lanes/high/resume");
  expect((await api.post("/v1/tasks", inHigh)).status).toBe(202);
  expect(await ended(api, left.queued)).toMatchObject({ state: "succeeded", attempt: 1 });
  expect(await ended(api, left.scheduled)).toMatchObject({ state: "succeeded", attempt: 1 });
  expect((await api.post(`/v1/tasks/${left.waiting}/signals/go`, 1)).status).toBe(202);
  expect(await ended(api, left.waiting)).toMatchObject({ state: "succeeded", result: 1 });
  const { body: flow } = await api.get<FlowResource>(`/v1/flows/${left.flow}`);
  const first = flow.nodes.find(({ key }) => key === "first")?.task.id;
  expect((await api.post(`/v1/tasks/${first}/signals/go`, 41)).status).toBe(202);
  expect(await flowEnded(api, left.flow)).toMatchObject({ state: "succeeded", result: { second: 42 } });
  await until(async () => (await tickTasks(api, left.schedule)).length > left.ticks);
  expect((await api.call("DELETE", `/v1/schedules/${left.schedule}`)).status).toBe(204);
}

describe("the releases on one schema", () => {
  it(
    "do their job and end what the other one has left, also after a rollback",
    async () => {
      const byOld = await served(previous, async (api) => {
        await doesItsJob(api);
        return leaveWork(api, "by-old");
      });
      const byNew = await served(root, async (api) => {
        await endsWhatWasLeft(api, byOld);
        await doesItsJob(api);
        return leaveWork(api, "by-new");
      });
      await served(previous, async (api) => {
        await endsWhatWasLeft(api, byNew);
        await doesItsJob(api);
      });
      // What was running when its release stopped ran once more, and once only.
      expect(held.toSorted()).toEqual(
        [byOld.running, byNew.running].flatMap((id) => [`${id}/1`, `${id}/2`]).toSorted(),
      );
    },
    TIME_LIMIT_MS,
  );
});
