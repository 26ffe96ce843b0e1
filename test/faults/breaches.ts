/** The promise "nothing lost, nothing twice, nothing stuck", held against what really happened. */
import type { TaskResource } from "../../src/contract/task.ts";
import { LIVE } from "../http/api.ts";
import type { Hook } from "./hook-receiver.ts";

/** What happened, beside what the service says of it. */
export type Evidence = {
  hooks: readonly Hook[];
  /** When the service was killed, in ms since the epoch. */
  kills: readonly number[];
  /** Whether attempts of this task fail on purpose. */
  mayFail: (task: TaskResource) => boolean;
};

/** Whatever breaks the promise, in words; none if it was kept. The tasks are as the single-task read shows them. */
export function breachesOf(tasks: readonly TaskResource[], { hooks, kills, mayFail }: Evidence): string[] {
  const ran = Map.groupBy(hooks, (hook) => hook.id);
  return [
    ...twice(hooks),
    ...tasks.flatMap((task) => breachesOfOne(task, ran.get(task.id) ?? [], kills, mayFail(task))),
  ];
}

/** No attempt ran twice. */
function twice(hooks: readonly Hook[]): string[] {
  const runs = Map.groupBy(hooks, (hook) => `${hook.id} in attempt ${hook.attempt}`);
  return [...runs].filter(([, all]) => all.length > 1).map(([run, all]) => `${run} ran ${all.length} times`);
}

function breachesOfOne(task: TaskResource, hooks: Hook[], kills: readonly number[], mayFail: boolean): string[] {
  const breaches: string[] = [];
  const complain = (what: string) => breaches.push(`${task.id} (${task.task}, ${task.state}) ${what}`);
  if (LIVE.includes(task.state)) complain("never ended");

  const attempts = task.attempts ?? [];
  if (attempts.some((attempt, i) => attempt.number !== i + 1) || attempts.length !== task.attempt) {
    complain(`has the attempts ${attempts.map((attempt) => attempt.number).join()} of ${task.attempt}`);
  }
  for (const { number, outcome, startedAt, finishedAt } of attempts) {
    const isCutOff = kills.some((kill) => Date.parse(startedAt) <= kill && kill <= Date.parse(finishedAt));
    if (outcome === "crashed" && !isCutOff) complain(`lost its attempt ${number} although nothing was killed`);
    if (outcome === "succeeded" && number !== task.attempt) complain(`ran again after attempt ${number} had succeeded`);
    if (["failed", "timeout"].includes(outcome) && number !== task.attempt && !mayFail)
      complain(`failed in attempt ${number}`);
  }
  for (const hook of hooks) {
    if (hook.attempt > task.attempt) complain(`ran in attempt ${hook.attempt}, which it does not know`);
  }
  // Without its effect it did not succeed.
  const last = hooks.filter((hook) => hook.attempt === task.attempt).length;
  if (task.task === "test.hook" && task.state === "succeeded" && last !== 1) complain(`had its effect ${last} times`);
  return breaches;
}

/** How often attempts were cut off, over all of the tasks. */
export function cutOffs(tasks: readonly TaskResource[]): number {
  return tasks.flatMap((task) => task.attempts ?? []).filter((attempt) => attempt.outcome === "crashed").length;
}
