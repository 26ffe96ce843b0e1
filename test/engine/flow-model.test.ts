/** Random flows on the real statements and the real D1, whichever actor dies, whatever gets lost or comes twice: each ends as the plain reading of its graph says. */
import { env } from "cloudflare:workers";
import { expect, inject, it } from "vitest";
import {
  blameDisagreements,
  cancelDisagreements,
  disagreements,
  isErrorKey,
  overdueDisagreements,
  pastsOf,
  toRunAgain,
  withDependents,
} from "./flow-checks.ts";
import type { FlowResource } from "../../src/contract/flow.ts";
import { FlowWorld, type Figures } from "./flow-world.ts";
import { runs } from "../setup/runs.ts";
import { look, wrongMoves, wrongWith, WITNESS, type Move } from "./witness.ts";
import { createWorlds } from "./worlds.ts";

const WORLDS = runs(8, 25);
const FLOWS_PER_WORLD = runs(6, 20);

const SEED = inject("seed");

/** Most flows are small; every twelfth has up to 200 tasks. */
function sizes(random: () => number): number {
  const dice = random();
  const most = dice < 0.6 ? 10 : dice < 0.92 ? 32 : 200;
  return 1 + Math.floor(random() * most);
}

/** Runs a world to its end, mends what failed and runs that again, or a part of what succeeded. Answers all that went wrong, in words. */
async function breachesOf(world: FlowWorld): Promise<string[]> {
  const cancelled = new Set(world.members.filter((member) => member.cancelAfter !== null));
  await world.run();
  const flows = await readAll(world);
  const breaches = await leftovers(world);
  for (const { member, flow, pasts } of flows) {
    world.figures.tasks += flow.nodes.length;
    breaches.push(...blameDisagreements(member, flow, pasts));
    if (cancelled.has(member) && flow.state === "cancelled") breaches.push(...cancelDisagreements(world, member, flow));
    else if (isOverdue(flow)) {
      world.figures.overdue++;
      breaches.push(...overdueDisagreements(world, member, flow));
    } else breaches.push(...disagreements(world, member, flow, pasts));
  }
  if (breaches.length > 0) return breaches;

  // Whatever failed has been mended, and runs again; nothing is cancelled any more.
  for (const member of world.members) member.cancelAfter = null;
  world.isImpatient = false;
  const mended = new Set<string>();
  const before = new Map<string, { again: Set<string>; attempts: Map<string, number> }>();
  for (const { member, flow } of flows) {
    const attempts = new Map(flow.nodes.map((node) => [node.task.id, node.task.attempt]));
    const from = flow.state === "cancelled" || isOverdue(flow) ? null : world.pick(flow.nodes.filter(mayBegin));
    if (from !== null) {
      before.set(member.name, { again: withDependents(flow, [from.key]), attempts });
      await world.retry(member, from.task.id);
    } else if (flow.state === "succeeded") {
      continue;
    } else {
      mended.add(member.name);
      const { all, counting } = toRunAgain(member, flow);
      before.set(member.name, { again: all, attempts });
      for (const key of counting) member.behaviours.set(key, "ok");
      const bad = flow.nodes.filter(({ key, task }) => !isErrorKey(key) && task.state !== "succeeded");
      if (world.pick([true, false])) await world.retryTasks(bad.map(({ task }) => task.id));
      else await world.retry(member);
    }
    world.figures.retries++;
  }
  await world.run();
  breaches.push(...(await leftovers(world)));
  for (const { member, flow, pasts } of await readAll(world)) {
    breaches.push(...blameDisagreements(member, flow, pasts));
    const past = before.get(member.name);
    if (!past) continue;
    const say = (what: string) => void breaches.push(`${member.name}: ${what}`);
    // A task that is cut off three times has failed, mended or not.
    const isLost = flow.nodes.some(({ task }) => task.error?.type === "worker_lost");
    if (mended.has(member.name) && flow.state !== "succeeded" && !isLost) say(`is ${flow.state} after its retry`);
    for (const { key, task } of flow.nodes) {
      const had = past.attempts.get(task.id) ?? 0;
      if (task.attempt > had && !past.again.has(key) && !isErrorKey(key)) say(`${key} ran again`);
      // Below an ignored failure it never gets its turn.
      if (task.attempt === had && past.again.has(key) && task.state === "succeeded") say(`${key} did not run again`);
    }
    const { onError: _onError, ...body } = member.body;
    const main = { ...flow, nodes: flow.nodes.filter(({ key }) => !isErrorKey(key)) };
    breaches.push(...disagreements(world, { ...member, body }, main, pasts));
  }
  return breaches;
}

const isOverdue = (flow: FlowResource) => flow.error?.type === "deadline_exceeded";

/** A flow may be restarted from a task that had all it needed. */
function mayBegin({ key, task }: FlowResource["nodes"][number]): boolean {
  return !isErrorKey(key) && (task.state === "succeeded" || task.error?.type === "Error");
}

async function readAll(world: FlowWorld) {
  return Promise.all(
    world.members.map(async (member) => {
      const flow = await world.resourceOf(member);
      return { member, flow, pasts: await pastsOf(world.db, flow) };
    }),
  );
}

/** What is still alive, what is wrong with a row, and moves that no task may make. */
async function leftovers(world: FlowWorld): Promise<string[]> {
  const { rows, moves } = await look(world.execute, 0);
  const live = [...rows.values()].filter((row) => row.finishedAt === null || row.dueAt !== null);
  const running = await world.db.prepare("SELECT id FROM flows WHERE state = 'running'").all<{ id: string }>();
  const isRestart = ({ from, to }: Move) => from === "succeeded" && (to === "waiting" || to === "queued");
  return [
    ...live.map((row) => `${row.id} (${row.nodeKey}) is left ${row.state}`),
    ...running.results.map(({ id }) => `${id} is left running`),
    ...[...rows.values()].flatMap((row) => wrongWith(row, world.now)),
    // A part of a flow may run again, even if it had succeeded.
    ...wrongMoves(
      moves.filter((move) => !isRestart(move)),
      world.now,
    ),
  ];
}

it(`${WORLDS * FLOWS_PER_WORLD} random flows end, each task runs once for each release, and the results are those of a plain reading`, async () => {
  const migrations = [...env.TEST_MIGRATIONS.flatMap((migration) => migration.queries), ...WITNESS];
  const databases = await createWorlds(env.DB, migrations, WORLDS);
  const worlds = databases.map(
    (execute, n) => new FlowWorld(execute, SEED + n, sizes, FLOWS_PER_WORLD, [0, 0.15, 0.35][n % 3]!),
  );
  const breaches = await Promise.all(
    worlds.map(async (world, n) => {
      const found = await breachesOf(world).catch((error: unknown) => [String(error)]);
      return found.map((what) => `seed ${SEED + n}: ${what}`);
    }),
  );
  const total = (name: keyof Figures) => worlds.reduce((sum, { figures }) => sum + figures[name], 0);
  console.log(
    `flow model: seed ${SEED}, ${total("flows")} flows of ${total("tasks")} tasks, ${total("starts")} attempts, ${total("retries")} flows retried, ${total("early")} tasks while their flow ran; ` +
      `${total("deaths")} died, ${total("errors")} met an error, ${total("lostMessages")} messages were lost, ` +
      `${total("repeatedMessages")} came twice, ${total("lateEnds")} times ends came late, ${total("overdue")} flows missed their deadline`,
  );
  expect(breaches.flat().slice(0, 30)).toEqual([]);
  expect(total("overdue")).toBeGreaterThan(0);
  expect(total("early")).toBeGreaterThan(0);
});
