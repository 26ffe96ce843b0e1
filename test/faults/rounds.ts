/**
 * The fault test: load the service with a mix of tasks, kill all of it with -9 at a random moment, start it again, and so on; at the
 * end hold the promise "nothing lost, nothing twice, nothing stuck" against what really happened.
 *
 *   node test/faults/rounds.ts [ROUNDS] [SEED]
 */
import { setTimeout as pause } from "node:timers/promises";
import type { TaskResource } from "../../src/contract/task.ts";
import { apiOf, LIVE, type Answer, type Api, type BatchItem, type Submission } from "../http/api.ts";
import { startServer, type Server } from "../http/server.ts";
import { breachesOf, cutOffs } from "./breaches.ts";
import { startHookReceiver } from "./hook-receiver.ts";

/** How long before the kill the last requests are sent. */
const LAST_MOMENT_MS = 40;

/** Reads at the end that are under way at once. */
const READERS = 20;

const POLICY = { backoff: "exponential", base: 100, cap: 1_000, jitter: "full" } as const;

type Figures = {
  seed: number;
  kills: number;
  /** Requests that submit, and those whose answer was lost in a kill and that were sent again. */
  requests: number;
  resent: number;
  /** Of those, the ones that had been stored all the same. */
  replayed: number;
  tasks: number;
  states: { [state: string]: number };
  /** Attempts that the hook receiver saw. */
  hooks: number;
  /** Attempts that a kill cut off, and tasks that ran more than once. */
  cutOff: number;
  ranAgain: number;
  /** Cancels that were confirmed. */
  cancels: number;
};

/** A server that stands up again, with a key of a tenant that is nobody else's. */
export type Mortal = Pick<Server, "url" | "key" | "kill9" | "restart" | "stop">;

/** A request that submits, sent with its Idempotency-Key until it has been answered. All of its choices are made when it is drawn. */
type Request = {
  key: string;
  submissions: Submission[];
  /** Sent this long after its round has begun. */
  afterMs: number;
  /** For each submission, how long after it was accepted it is cancelled; null: never. */
  cancelAfterMs: (number | null)[];
};

/** Runs so many rounds on a server and answers what happened, and every breach of the promise in words. */
export async function runRounds(
  rounds: number,
  seed: number,
  say: (line: string) => void = () => {},
  start: () => Promise<Mortal> = startServer,
): Promise<{ breaches: string[]; figures: Figures }> {
  const random = randomOf(seed);
  const upTo = (max: number) => Math.floor(random() * max);
  // A hook whose body says so is refused: the attempt fails on purpose.
  const receiver = await startHookReceiver(({ attempt, body }) => attempt <= (body as Body).failures);
  const server = await start();
  const api = apiOf(server);

  const made = new Map<string, Submission>();
  const cancelled = new Set<string>();
  const breaches: string[] = [];
  const kills: number[] = [];
  const figures = { requests: 0, resent: 0, replayed: 0 };
  let lost: Request[] = [];

  /** Submits; what is not answered is remembered as lost. */
  async function submit(request: Request): Promise<string[]> {
    figures.requests++;
    const answer = await send(api, request).catch(() => null);
    if (answer === null || answer.status === 503) {
      lost.push({ ...request, afterMs: 0 });
      return [];
    }
    if (answer.ids.length !== request.submissions.length) {
      breaches.push(`${request.key} was answered ${answer.status} with ${answer.ids.length} tasks`);
    }
    if (answer.isReplayed) figures.replayed++;
    for (const [i, id] of answer.ids.entries()) made.set(id, request.submissions[i] ?? NONE);
    return answer.ids;
  }

  async function cancel(id: string, afterMs: number): Promise<void> {
    await pause(afterMs);
    const answer = await api.post(`/v1/tasks/${id}/cancel`).catch(() => null);
    if (answer?.status === 200 || answer?.status === 202) cancelled.add(id);
  }

  /** One round's load; ends when all of it was answered or lost. */
  async function load(round: number, requests: Request[]): Promise<void> {
    const works = requests.map(async (request) => {
      await pause(request.afterMs);
      const ids = await submit(request);
      await Promise.all(
        ids.map(async (id, i) => {
          const afterMs = request.cancelAfterMs[i] ?? null;
          if (afterMs !== null) await cancel(id, afterMs);
        }),
      );
    });
    await Promise.all(works);
    say(`round ${round}: ${made.size} tasks so far, ${lost.length} requests lost`);
  }

  try {
    for (let round = 1; round <= rounds; round++) {
      const again = lost;
      lost = [];
      figures.resent += again.length;
      // Often in the middle of it all, at times while the last round is still being picked up.
      const killAfterMs = random() < 0.2 ? upTo(150) : 200 + upTo(2_800);
      // Some come just before the kill: those are the ones that may be stored, and yet not answered.
      const fresh = Array.from({ length: 8 + upTo(24) }, (_, i) => {
        const afterMs = random() < 0.4 ? Math.max(0, killAfterMs - upTo(LAST_MOMENT_MS)) : upTo(600);
        return drawRequest(`${seed}-${round}-${i}`, afterMs, receiver.url, random);
      });
      const loading = load(round, [...again, ...fresh]);
      await pause(killAfterMs);
      await server.kill9();
      kills.push(Date.now());
      await loading;
      await server.restart();
    }
    const again = lost;
    lost = [];
    figures.resent += again.length;
    for (const request of again) await submit(request);
    for (const { key } of lost) breaches.push(`${key} was not answered although nothing was killed`);
    await api.waitUntilNoneIs(LIVE);

    const stored = await readAll(api);
    breaches.push(
      ...breachesOf(stored, { hooks: receiver.hooks, kills, mayFail: (task) => isToFail(made.get(task.id)) }),
      ...strangers(stored, made),
      ...stored.flatMap((task) => surprises(task, cancelled.has(task.id), made.get(task.id))),
    );
    return {
      breaches,
      figures: {
        ...figures,
        ...count(stored),
        seed,
        kills: kills.length,
        hooks: receiver.hooks.length,
        cancels: cancelled.size,
      },
    };
  } finally {
    await Promise.all([server.stop(), receiver.close()]);
  }
}

/** What a request made; throws where it was not answered. */
async function send(api: Api, { key, submissions }: Request) {
  const [path, body] = submissions.length === 1 ? ["", submissions[0]] : ["/batch", { tasks: submissions }];
  const answer: Answer<Partial<TaskResource & { items: BatchItem[] }>> = await api.post(`/v1/tasks${path}`, body, {
    "idempotency-key": key,
  });
  const items = answer.status === 207 ? (answer.body.items ?? []) : [];
  const ids = answer.status === 202 ? [answer.body.id ?? ""] : items.flatMap((item) => item.task?.id ?? []);
  return { status: answer.status, ids, isReplayed: answer.headers.has("idempotency-replayed") };
}

type Body = { failures: number };

const NONE: Submission = { task: "" };

function drawRequest(key: string, afterMs: number, url: string, random: () => number): Request {
  const size = random() < 0.2 ? 2 + Math.floor(random() * 30) : 1;
  const submissions = Array.from({ length: size }, () => draw(url, random));
  const cancelAfterMs = submissions.map(() => (random() < 0.1 ? random() * 500 : null));
  return { key, submissions, afterMs, cancelAfterMs };
}

/** One task of the mix. */
function draw(url: string, random: () => number): Submission {
  const upTo = (max: number) => Math.floor(random() * max);
  const hook = (ms: number, failures = 0): Submission => ({
    task: "test.hook",
    input: { url, ms, body: { failures } satisfies Body },
    options: { maxAttempts: 5, retry: POLICY },
  });
  const kinds: (() => Submission)[] = [
    () => hook(0),
    () => hook(upTo(300)),
    () => hook(upTo(1_500)),
    () => hook(upTo(200), 1 + upTo(2)),
    () => ({ ...hook(upTo(200)), options: { delay: upTo(3_000) } }),
    () => ({ ...hook(upTo(200)), options: { lane: (["high", "bulk", "long"] as const)[upTo(3)] ?? "high" } }),
    () => ({ task: "test.failTimes", input: { times: 1 + upTo(2) }, options: { maxAttempts: 5, retry: POLICY } }),
    () => ({ task: "test.fail", input: { message: "as asked", retryable: false } }),
    () => ({ task: "test.sleep", input: { ms: upTo(2_000) } }),
    () => ({ task: "test.progress", input: { steps: 1 + upTo(8), ms: 60 } }),
    () => ({ task: "test.log", input: { lines: 1 + upTo(20) } }),
    () => ({ task: "test.big", input: { bytes: upTo(200_000) } }),
    () => ({ task: "test.noop" }),
  ];
  return kinds[upTo(kinds.length)]?.() ?? NONE;
}

function isToFail(submission: Submission | undefined): boolean {
  const input = submission?.input as { body?: Body; times?: number } | undefined;
  return (input?.body?.failures ?? input?.times ?? 0) > 0;
}

/** One key makes one task however often it was sent: whatever is stored was told to a caller, and the other way round. */
function strangers(stored: TaskResource[], made: ReadonlyMap<string, Submission>): string[] {
  const ids = new Set(stored.map((task) => task.id));
  return [
    ...stored.filter((task) => !made.has(task.id)).map((task) => `${task.id} was made by no caller`),
    ...[...made.keys()].filter((id) => !ids.has(id)).map((id) => `${id} was accepted and is gone`),
  ];
}

/** A task that did not end as it must. */
function surprises(task: TaskResource, isCancelled: boolean, submission: Submission | undefined): string[] {
  const { state, error } = task;
  if (isCancelled) return state === "cancelled" ? [] : [`${task.id} (${task.task}) was cancelled, and is ${state}`];
  // Its cancel may have been accepted with the answer lost.
  if (state === "cancelled") return [];
  // Three kills hit it.
  if (state === "failed" && error?.type === "worker_lost" && task.attempt >= 3) return [];
  const expected = submission?.task === "test.fail" ? "failed" : "succeeded";
  return state === expected ? [] : [`${task.id} (${task.task}) is ${state}: ${error?.type} ${error?.message}`];
}

/** All that is stored, as the single-task read shows it. */
async function readAll(api: Api): Promise<TaskResource[]> {
  const ids = (await api.listAll()).map((task) => task.id).values();
  const tasks: TaskResource[] = [];
  const read = async () => {
    for (const id of ids) tasks.push(await api.read(id));
  };
  await Promise.all(Array.from({ length: READERS }, read));
  return tasks;
}

function count(tasks: TaskResource[]) {
  const states = Object.groupBy(tasks, (task) => task.state);
  return {
    tasks: tasks.length,
    states: Object.fromEntries(Object.entries(states).map(([state, all]) => [state, all.length])),
    cutOff: cutOffs(tasks),
    ranAgain: tasks.filter((task) => task.attempt > 1).length,
  };
}

/** Numbers in [0, 1), the same for the same seed: mulberry32. */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** A seed where none is given. */
export function newSeed(): number {
  return Math.floor(Math.random() * 1_000_000_000);
}

if (import.meta.main) {
  const [rounds = "200", seed = String(newSeed())] = process.argv.slice(2);
  console.log(`seed ${seed}`);
  const { breaches, figures } = await runRounds(Number(rounds), Number(seed), console.log);
  console.log(figures);
  for (const breach of breaches) console.error(breach);
  console.log(breaches.length === 0 ? "nothing lost, nothing twice, nothing stuck" : `${breaches.length} breaches`);
  process.exitCode = breaches.length === 0 ? 0 : 1;
}
