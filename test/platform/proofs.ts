/**
 * What the service must do within production's limits, each at the size that its caller chooses: small in the tests, real by hand.
 *
 *   node test/platform/proofs.ts [long] [crowd] [silence] [errors] [overload] [waiters] [full]
 */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import type { Report } from "../../scripts/strict/counts.ts";
import { formatReport } from "../../scripts/strict/report.ts";
import type { TaskResource } from "../../src/contract/task.ts";
import { startHookReceiver } from "../faults/hook-receiver.ts";
import { apiOf, LIVE, poll, type Api, type BatchItem } from "../http/api.ts";
import { startServer, type Server, type ServerOptions } from "../http/server.ts";

/** An attempt may take this long, so it runs in an object. */
const LONG = { timeout: "14m" } as const;

/** The service on the strict platform. */
export async function startStrict(options: ServerOptions = {}): Promise<Server> {
  return startServer({ ...options, args: ["--strict", ...(options.args ?? [])] });
}

async function on<T>(options: ServerOptions, prove: (server: Server) => Promise<T>): Promise<T> {
  const server = await startStrict(options);
  try {
    return await prove(server);
  } finally {
    await server.stop();
  }
}

/** Proofs may follow one another on one server: each counts anew. */
async function countAnew(server: Server): Promise<Api> {
  await order(server, "reset", {});
  return apiOf(server);
}

async function reportOf({ url }: Server): Promise<{ table: string; met: string[] }> {
  const report = (await (await fetch(`${url}/__strict/report`)).json()) as Report;
  const met = Object.entries(report.kinds).flatMap(([kind, record]) =>
    Object.entries(record.met).flatMap(([limit, times]) => (times > 0 ? [`${kind}: ${limit} ${times} times`] : [])),
  );
  return { table: formatReport(report), met };
}

const order = async (server: Server, what: "faults" | "database" | "reset", body: object) => {
  const { ok } = await fetch(`${server.url}/__strict/${what}`, { method: "POST", body: JSON.stringify(body) });
  if (!ok) throw new Error(`the strict platform refused ${JSON.stringify(body)}`);
};

/** How often each state and attempt occurs, such as `{ "succeeded 1": 40 }`. */
function counted(tasks: TaskResource[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { state, attempt } of tasks) counts[`${state} ${attempt}`] = (counts[`${state} ${attempt}`] ?? 0) + 1;
  return counts;
}

/** Reads all of these once none of them is alive. */
async function ended(api: Api, ids: string[]): Promise<TaskResource[]> {
  const left = new Set(ids);
  const done: TaskResource[] = [];
  while (left.size > 0) {
    await Promise.all(
      [...left].slice(0, 20).map(async (id) => {
        const { status, body: task } = await api.get<TaskResource>(`/v1/tasks/${id}`, { prefer: "wait=10" });
        // For some seconds after a trouble of D1, reads too are refused.
        if (status === 503 || LIVE.includes(task.state)) return;
        if (status !== 200) throw new Error(`${id} could not be read: ${status} ${JSON.stringify(task)}`);
        left.delete(id);
        done.push(task);
      }),
    );
    await pause(200);
  }
  return done;
}

/** Attempts that outlast a consumer's event, and a short one beside them. `scale`: of the platform's and the tasks' durations. */
export async function longAttempts(server: Server, scale: number) {
  const api = await countAnew(server);
  const ms = (seconds: number) => Math.round(seconds * 1_000 * scale);
  const item = await api.submit("process_item", { name: "x", steps: 30, pause: ms(1) });
  const sleeps = await api.submitAll(
    Array.from({ length: 40 }, () => ({ task: "test.sleep", input: { ms: ms(60) }, options: LONG })),
  );
  const longest = await api.submit("test.sleep", { ms: ms(13 * 60) }, LONG);
  const began = Date.now();
  const noop = await api.waitForEnd((await api.submit("test.noop")).id);
  const noopMs = Date.now() - began;
  const stillRunning = LIVE.includes((await api.read(longest.id)).state);
  const tasks = await ended(api, [item.id, longest.id, ...sleeps.map((task) => task.id)]);
  return {
    item: counted([tasks.find((task) => task.id === item.id)!]),
    all: counted(tasks),
    noop: noop.state,
    noopMs,
    stillRunning,
    ...(await reportOf(server)),
  };
}

/** Many short tasks at once, and requests to an upstream that takes a second each. */
export async function crowd(server: Server, noops: number, requests: number, upstreamMs: number) {
  const api = await countAnew(server);
  const upstream = createServer((_, response) => setTimeout(() => response.end("ok"), upstreamMs));
  await new Promise<void>((resolve) => upstream.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(upstream.address() as AddressInfo).port}/`;
  try {
    const tasks = await api.submitAll(Array.from({ length: noops }, () => ({ task: "test.noop" })));
    await api.waitUntilNoneIs(LIVE);
    const failed = await api.listAll("state=failed");
    const calls = await api.submitAll(
      Array.from({ length: requests }, () => ({ task: "http.request", input: { url } })),
    );
    const answered = await ended(
      api,
      calls.map((task) => task.id),
    );
    const sample = await ended(
      api,
      tasks.filter((_, i) => i % 50 === 0).map((task) => task.id),
    );
    return {
      failed: failed.length,
      noops: counted(sample),
      requests: counted(answered),
      ...(await reportOf(server)),
    };
  } finally {
    upstream.closeAllConnections();
    upstream.close();
  }
}

/** D1 answers nothing for a while. */
export const silence = (server: Server, silentMs: number, perSecond: number) =>
  trouble(server, { isSilent: true }, silentMs, perSecond);

/** A tenth of the calls to D1 fail, half of them after they ran. */
export const errors = (server: Server, forMs: number, perSecond: number) =>
  trouble(server, { errorRate: 0.1 }, forMs, perSecond);

/** D1 is in trouble for a while under load: which attempts ran, and how everything ended. */
async function trouble(server: Server, faults: object, forMs: number, perSecond: number) {
  const api = await countAnew(server);
  const receiver = await startHookReceiver();
  try {
    const accepted: string[] = [];
    let refused = 0;
    let isOver = false;
    const posts: Promise<void>[] = [];
    const post = async (n: number) => {
      const ms = [100, 3_000, 12_000][n % 3];
      const input = { url: receiver.url, ms };
      const { status, body } = await api.post<TaskResource>("/v1/tasks", { task: "test.hook", input });
      if (status === 202) accepted.push(body.id);
      else if (status === 503) refused++;
      else throw new Error(`a submission was answered ${status} ${JSON.stringify(body)}`);
    };
    const load = (async () => {
      for (let n = 0; !isOver; n++) {
        posts.push(post(n));
        await pause(1_000 / perSecond);
      }
    })();
    await pause(8_000);
    await order(server, "faults", { forMs, ...faults });
    await pause(forMs + 3_000);
    isOver = true;
    await load;
    await Promise.all(posts);
    const tasks = await ended(api, accepted);
    const twice = accepted.filter((id) => receiver.of(id).length > 1).length;
    const never = accepted.filter((id) => receiver.of(id).length === 0).length;
    return { accepted: accepted.length, refused, twice, never, ended: counted(tasks), ...(await reportOf(server)) };
  } finally {
    await receiver.close();
  }
}

/**
 * D1 refuses everything: how soon submissions are refused. Then it takes long, and few calls may wait for it: whether what
 * was accepted ends.
 */
export async function overload(server: Server, posts: number) {
  const api = await countAnew(server);
  const accepted: string[] = [];
  const post = async (refusals: number[]) => {
    const began = performance.now();
    const { status, headers, body } = await api.post<TaskResource>("/v1/tasks", { task: "test.noop" });
    if (status === 202) accepted.push(body.id);
    else if (status === 503 && headers.get("retry-after")) refusals.push(performance.now() - began);
    else throw new Error(`a submission was answered ${status} ${JSON.stringify(body)}`);
  };
  await order(server, "database", { maxQueued: 0 });
  const overloaded: number[] = [];
  for (let n = 0; n < posts; n++) await post(overloaded);
  await order(server, "database", { maxQueued: 4, readMs: 50, writeMs: 200 });
  const slow: number[] = [];
  for (let n = 0; n < posts; n += 10) await Promise.all(Array.from({ length: 10 }, () => post(slow)));
  await order(server, "database", { maxQueued: 1_000, readMs: 1, writeMs: 5 });
  await poll(
    () => "nothing was accepted again",
    async () => {
      await pause(500);
      const before = accepted.length;
      await post([]);
      return accepted.length > before || null;
    },
  );
  const tasks = await ended(api, accepted);
  return {
    accepted: accepted.length,
    overloaded: quantiles(overloaded),
    slow: quantiles(slow),
    ended: counted(tasks),
    ...(await reportOf(server)),
  };
}

/** What a post takes without and with callers that wait; and the D1 statements of the waits. */
export async function waiters(server: Server, count: number, posts: number) {
  const api = await countAnew(server);
  const { id } = await api.submit("test.signal", { name: "end" });
  await api.waitUntil(id, (task) => task.state === "waiting");
  const timed = async () => {
    const took: number[] = [];
    for (let n = 0; n < posts; n++) {
      const began = performance.now();
      await api.submit("test.noop");
      took.push(performance.now() - began);
    }
    return quantiles(took);
  };
  const statements = async () => {
    const report = (await (await fetch(`${server.url}/__strict/report`)).json()) as Report;
    return report.databases["DB"].statements;
  };
  await timed();
  const before = await statements();
  const alone = await timed();
  const between = await statements();
  const waits = Array.from({ length: count }, () => api.get<TaskResource>(`/v1/tasks/${id}`, { prefer: "wait=60" }));
  await pause(5_000);
  const beside = await timed();
  await api.post(`/v1/tasks/${id}/signals/end`, {});
  const answers = await Promise.all(waits);
  // What the posts beside them cost was counted before; the clock's ticks and the signal are on the waiters' account.
  const perWait = ((await statements()) - between - (between - before)) / count;
  return {
    alone,
    beside,
    states: counted(answers.map((answer) => answer.body)),
    perWait,
    ...(await reportOf(server)),
  };
}

/** A database that fills up: refusals, and the way back once tasks are past their retention. */
async function full(server: Server) {
  const api = await countAnew(server);
  const input = { value: "x".repeat(8_000) };
  const submissions = Array.from({ length: 20 }, () => ({
    task: "test.identity",
    input,
    options: { retention: "20s" as const },
  }));
  const accepted: string[] = [];
  const submit = async () => {
    const { status, body } = await api.post<{ items: BatchItem[]; type: string }>("/v1/tasks/batch", {
      tasks: submissions,
    });
    if (status === 207) for (const item of body.items) if (item.task) accepted.push(item.task.id);
    return { status, type: body.type };
  };
  const refusal = await poll(
    () => "nothing was refused",
    async () => {
      const answer = await submit();
      return answer.status === 207 ? null : answer;
    },
  );
  const health = await api.get<{ checks: { database: object } }>("/health");
  const before = accepted.length;
  const again = await poll(
    () => "nothing was accepted again",
    async () => {
      await pause(1_000);
      return (await submit()).status === 207 || null;
    },
  );
  await api.waitUntilNoneIs(LIVE);
  const failed = await api.listAll("state=failed");
  return {
    before,
    refusal,
    database: health.body.checks.database,
    again,
    failed: failed.length,
    ...(await reportOf(server)),
  };
}

function quantiles(values: number[]): { n: number; p50: number; p95: number; max: number } {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (share: number) => Math.round((sorted[Math.floor((sorted.length - 1) * share)] ?? 0) * 10) / 10;
  return { n: sorted.length, p50: at(0.5), p95: at(0.95), max: at(1) };
}

const REAL: Record<string, () => Promise<{ table: string }>> = {
  long: () => on({}, (server) => longAttempts(server, 1)),
  crowd: () => on({ allowLoopback: true }, (server) => crowd(server, 5_000, 200, 1_000)),
  silence: () => on({}, (server) => silence(server, 60_000, 10)),
  errors: () => on({}, (server) => errors(server, 60_000, 10)),
  overload: () => on({}, (server) => overload(server, 200)),
  waiters: () => on({}, (server) => waiters(server, 300, 100)),
  full: () => on({ args: ["--d1-max-bytes", "6000000"] }, full),
};

if (import.meta.main) {
  for (const name of process.argv.length > 2 ? process.argv.slice(2) : Object.keys(REAL)) {
    const { table, ...found } = await REAL[name]();
    console.log(`\n${name}\n${JSON.stringify(found, null, 2)}\n${table}`);
  }
}
