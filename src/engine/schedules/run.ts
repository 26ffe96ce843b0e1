/** Runs a schedule's task by hand, between its ticks. */

import type { Audit } from "../../results/audit.ts";
import { readSchedule } from "../../results/schedules/read.ts";
import { tickSchedules } from "../../results/schedules/tick.ts";
import { readTask } from "../../results/read-tasks.ts";
import type { WholeTaskRow } from "../../results/task-row.ts";
import { announce } from "../announce.ts";
import { demandAccepting } from "../lanes/drain.ts";
import { newTaskIds } from "../ids.ts";
import { specOf } from "./plan.ts";
import { admitTo, useOf } from "../quota.ts";
import { openSchedule } from "../sealing/schedule.ts";
import { sealTasks } from "../sealing/tasks.ts";
import { demandStorage } from "../storage.ts";
import { tickTask } from "./task.ts";

/**
 * Makes the task of a tick at `now`, whatever its overlap says and also while the schedule is paused, and answers it; null where
 * there is no such schedule. Throws a 503 problem while the task's lane drains or the database is nearly full. The next ticks
 * stay as they are.
 */
export async function runSchedule(
  env: Env,
  tenant: string,
  id: string,
  now: number,
  audit: Audit | null = null,
): Promise<WholeTaskRow | null> {
  const [taskId] = newTaskIds(1);
  await demandStorage(env, now);
  for (;;) {
    const row = await readSchedule(env.DB, tenant, id);
    if (row === null) return null;
    const secrets = await openSchedule(env, row);
    const task = tickTask(env, { tenant, id, spec: specOf(row), input: row.input, secrets }, taskId!, now, now);
    await sealTasks(env, [task]);
    await demandAccepting(env, [task.lane], now);
    const { revision, nextAt, lastTask } = row;
    const ticks = [{ at: now, task }];
    const schedule = { tenant, id, revision, nextAt, overlap: "allow" as const, manual: true, lastTask, ticks, audit };
    const use = useOf([task]);
    const make = async () => {
      await announce(env, { ...(await tickSchedules(env.DB, [schedule], now)), lookAt: task.dueAt }, now);
      return readTask(env.DB, tenant, taskId!);
    };
    const made = await admitTo(env, tenant, use, now, make, (row) => (row === null ? {} : use));
    // Nothing was made where the schedule has changed since it was read.
    if (made !== null) return made;
  }
}
