/** Brings the stored schedules in line with those that the deployment declares. */

import { log } from "../../core/log.ts";
import { putScheduleSchema, scheduleIdSchema, type DeclaredSchedule } from "../../contract/schedule.ts";
import { ProblemError } from "../../core/problems.ts";
import { DECLARED_TENANT } from "../../core/schedule.ts";
import type { AuditAction } from "../../contract/audit.ts";
import type { Audit } from "../../results/audit.ts";
import { RefusalError } from "../../results/d1.ts";
import { deleteSchedule } from "../../results/schedules/put.ts";
import { listDeclared } from "../../results/schedules/read.ts";
import { auditOf, systemActor } from "../audit.ts";
import { putSchedule } from "./put.ts";

/**
 * Makes, changes and removes schedules; one stays paused or not unless its declaration says so. A
 * declaration that does not fit is logged and left out. Throws where the database does not answer.
 */
export async function declareSchedules(env: Env, declared: readonly DeclaredSchedule[], now: number): Promise<void> {
  for (const { id, ...raw } of declared) {
    const parsed = putScheduleSchema.safeParse(raw);
    const fault = scheduleIdSchema.safeParse(id).error ?? parsed.error;
    if (!parsed.success || fault) {
      note(id, fault);
      continue;
    }
    try {
      const entry = entryOf("schedule.put", id, now, { task: raw.task });
      await putSchedule(env, { tenant: DECLARED_TENANT, source: "code" }, id, { raw, parsed: parsed.data }, now, entry);
    } catch (error) {
      if (!(error instanceof ProblemError) || error instanceof RefusalError) throw error;
      note(id, error);
    }
  }
  const wanted = new Set(declared.map(({ id }) => id));
  for (const id of await listDeclared(env.DB, DECLARED_TENANT)) {
    if (!wanted.has(id)) {
      await deleteSchedule(env.DB, DECLARED_TENANT, id, "code", entryOf("schedule.delete", id, now));
    }
  }
}

function entryOf(action: AuditAction, target: string, now: number, detail?: Record<string, unknown>): Audit {
  const changed = { tenant: DECLARED_TENANT, target, ...(detail === undefined ? {} : { detail }) };
  return auditOf(systemActor("deployment"), action, changed, now);
}

function note(schedule: string, error: unknown): void {
  log("schedule_not_declared", { schedule, error });
}
