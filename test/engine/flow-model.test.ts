/** Random flows on the real statements and the real D1, whatever dies, gets lost or comes twice: each ends as the plain reading of its graph says. */
import { env } from "cloudflare:workers";
import { afterEach, expect, it } from "vitest";
import { cancelDisagreements, disagreements, isErrorKey, pastsOf, toRunAgain } from "./flow-checks.ts";
import { FlowWorld, type Figures } from "./flow-world.ts";

/** A seed to look at again, in place of a new one. */
const SEED: number | null = null;

const WORLDS = 20;
const FLOWS_PER_WORLD = 25;

/** Most flows are small; every twelfth has up to 200 tasks. */
function sizes(random: () => number): number {
  const dice = random();
  const most = dice < 0.6 ? 10 : dice < 0.92 ? 32 : 200;
  return 1 + Math.floor(random() * most);
}

async function forget(): Promise<void> {
  await env.DB.batch(["tasks", "flows", "idempotency"].map((table) => env.DB.prepare(`DELETE FROM ${table}`)));
}

afterEach(forget);

async function live(): Promise<number> {
  const sql = `SELECT (SELECT COUNT(*) FROM tasks WHERE state NOT IN ('succeeded', 'failed', 'cancelled') OR due_at IS NOT NULL)
    + (SELECT COUNT(*) FROM flows WHERE state = 'running') AS count`;
  return (await env.DB.prepare(sql).first<number>("count"))!;
}

/** Answers all that went wrong in a world. */
async function breachesOf(seed: number, faultRate: number): Promise<{ breaches: string[]; figures: Figures }> {
  const world = new FlowWorld(seed, sizes, FLOWS_PER_WORLD, faultRate);
  const breaches: string[] = [];
  const cancelled = new Set(world.members.filter((member) => member.cancelAfter !== null));
  const say = (found: string[]) => void breaches.push(...found.map((what) => `seed ${seed}: ${what}`));
  try {
    await world.run();
    if ((await live()) > 0) say(["something is left alive"]);
    const flows = await readAll(world);
    for (const { member, flow, pasts } of flows) {
      world.figures.tasks += flow.nodes.length;
      if (cancelled.has(member) && flow.state === "cancelled") say(cancelDisagreements(world, member, flow));
      else say(disagreements(world, member, flow, pasts));
    }
    if (breaches.length > 0) return { breaches, figures: world.figures };

    // Whatever failed has been mended, and runs again; nobody is cancelled any more.
    for (const member of world.members) member.cancelAfter = null;
    const before = new Map<string, { again: Set<string>; attempts: Map<string, number> }>();
    for (const { member, flow } of flows) {
      if (flow.state === "succeeded") continue;
      const attempts = new Map(flow.nodes.map((node) => [node.task.id, node.task.attempt]));
      const { all, counting } = toRunAgain(member, flow);
      before.set(member.name, { again: all, attempts });
      for (const key of counting) member.behaviours.set(key, "ok");
      await world.retry(member);
    }
    await world.run();
    if ((await live()) > 0) say(["something is left alive after the retry"]);
    for (const { member, flow, pasts } of await readAll(world)) {
      const past = before.get(member.name);
      if (!past) continue;
      // Who is cut off three times has failed, mended or not.
      const isLost = flow.nodes.some(({ task }) => task.error?.type === "worker_lost");
      if (flow.state !== "succeeded" && !isLost) say([`${member.name}: is ${flow.state} after its retry`]);
      for (const { key, task } of flow.nodes) {
        const had = past.attempts.get(task.id) ?? 0;
        if (task.attempt > had && !past.again.has(key)) say([`${member.name}: ${key} ran again`]);
        // Below an ignored failure it never gets its turn.
        if (task.attempt === had && past.again.has(key) && task.state === "succeeded")
          say([`${member.name}: ${key} did not run again`]);
      }
      const main = { ...flow, nodes: flow.nodes.filter(({ key }) => !isErrorKey(key)) };
      const { onError: _onError, ...body } = member.body;
      say(disagreements(world, { ...member, body }, main, pasts));
    }
  } catch (error) {
    say([String(error)]);
  }
  return { breaches, figures: world.figures };
}

async function readAll(world: FlowWorld) {
  return Promise.all(
    world.members.map(async (member) => {
      const flow = await world.resourceOf(member);
      return { member, flow, pasts: await pastsOf(flow) };
    }),
  );
}

it("every flow ends, each of its tasks runs once for each release, and its result is that of a plain reading", async () => {
  const base = SEED ?? Math.floor(Math.random() * 1_000_000_000);
  const total: Partial<Figures> = {};
  console.log(`seed ${base}`);
  const began = Date.now();
  for (let n = 0; n < WORLDS; n++) {
    const { breaches, figures } = await breachesOf(base + n, [0, 0.05, 0.15][n % 3]!);
    for (const [name, value] of Object.entries(figures))
      total[name as keyof Figures] = (total[name as keyof Figures] ?? 0) + value;
    expect(breaches.slice(0, 20)).toEqual([]);
    await forget();
  }
  console.log(`${Date.now() - began} ms`, total);
}, 400_000);
