/** What is on its way while the questions are asked: a paused lane, a customer that floods, and tasks that wait in every way. */
import { bodyOf, type Http } from "../load/http.ts";
import { untilEnded } from "./fill.ts";

/** What the questions name. */
export type Live = { waits: string; holder: string; failedFlow: string };

const FLOOD = 1_200;
const IN_PAUSED_LANE = 2_500;
const BATCH = 500;

type Submission = { task: string; input: unknown; options?: object };

export async function goLive(http: Http): Promise<Live> {
  const hours = { timeout: "14m" };
  bodyOf(await http.post("/v1/lanes/bulk/pause", { reason: "the warehouse moves" }), 200);
  await submit(
    http,
    many(IN_PAUSED_LANE, (n) => ({
      task: "test.noop",
      input: null,
      options: { lane: "bulk", tags: { customer: String(n % 90) } },
    })),
  );

  const own = { concurrency: { key: "customer:42", limit: 5 }, tags: { customer: "42" } };
  const holders = await submit(
    http,
    many(5, () => ({ task: "test.sleep", input: { ms: 800_000 }, options: { ...own, ...hours } })),
  );
  await untilRunning(http, holders);
  const flood = await submit(
    http,
    many(FLOOD, () => ({ task: "test.noop", input: null, options: own })),
  );
  await untilRunning(
    http,
    await submit(
      http,
      many(3, () => ({ task: "test.sleep", input: { ms: 800_000 }, options: hours })),
    ),
  );

  await submit(
    http,
    many(300, (n) => ({ task: "process_item", input: { name: "beans" }, options: { delay: `${n + 60}m` } })),
  );
  await submit(
    http,
    many(40, () => ({ task: "test.approval", input: {} })),
  );
  await submit(
    http,
    many(20, () => ({
      task: "test.failTimes",
      input: { times: 9 },
      options: { maxAttempts: 9, retry: { backoff: "fixed", base: "1h", jitter: "none" } },
    })),
  );

  const header = many(299, (n) =>
    n === 150 ? { task: "test.fail", input: { message: "one of many", retryable: false } } : { task: "test.noop" },
  );
  const flow = bodyOf<{ id: string }>(
    await http.post("/v1/flows", { chord: { header, body: { task: "test.noop" } } }),
    202,
  );
  await untilEnded(http, `/v1/flows/${flow.id}`);
  for (const [id, cron] of [
    ["nightly-report", "30 2 * * *"],
    ["hourly-sync", "0 * * * *"],
  ])
    await put(http, id, { cron, task: "process_item", input: { name: id } });
  return { waits: flood[300], holder: holders[0], failedFlow: flow.id };
}

const many = <T>(count: number, make: (n: number) => T) => Array.from({ length: count }, (_, n) => make(n));

async function submit(http: Http, tasks: Submission[]): Promise<string[]> {
  const ids: string[] = [];
  for (let i = 0; i < tasks.length; i += BATCH) {
    const answer = await http.post("/v1/tasks/batch", { tasks: tasks.slice(i, i + BATCH) });
    ids.push(...bodyOf<{ items: { task: { id: string } }[] }>(answer, 207).items.map(({ task }) => task.id));
  }
  return ids;
}

async function untilRunning(http: Http, ids: string[]): Promise<void> {
  for (const id of ids) {
    const deadline = Date.now() + 60_000;
    while (bodyOf<{ state: string }>(await http.get(`/v1/tasks/${id}`), 200).state !== "running") {
      if (Date.now() > deadline) throw new Error(`${id} does not start`);
      await new Promise((done) => setTimeout(done, 50));
    }
  }
}

async function put(http: Http, id: string, schedule: object): Promise<void> {
  const { status, text } = await http.put(`/v1/schedules/${id}`, schedule);
  if (status !== 200 && status !== 201) throw new Error(`the schedule ${id}: ${status} ${text}`);
  bodyOf(await http.post(`/v1/schedules/${id}/run`, {}), 202);
}
