/** Seals what is secret in a schedule, and opens it for the tasks that its ticks make. */

import type { Secrets, Taken } from "../../core/secret.ts";
import type { ScheduleRow } from "../../results/schedules/row.ts";
import { open, seal, type Binding } from "./seal.ts";

/** What is secret in the input, and what signs the webhook of its options. */
export interface OpenedSecrets {
  taken: readonly Taken[];
  webhook: string | null;
}

export const NO_SECRETS: OpenedSecrets = { taken: [], webhook: null };

type Bound = Pick<ScheduleRow, "tenant" | "id" | "spec" | "input">;

export async function sealSchedule(env: Env, schedule: Bound, { taken, webhook }: Secrets): Promise<string> {
  return seal(env, bindingOf(schedule), JSON.stringify({ taken, webhook } satisfies OpenedSecrets));
}

/** Throws a `SealError` where it cannot be opened. */
export async function openSchedule(env: Env, schedule: Bound & Pick<ScheduleRow, "sealed">): Promise<OpenedSecrets> {
  if (schedule.sealed === null) return NO_SECRETS;
  return JSON.parse(await open(env, bindingOf(schedule), schedule.sealed)) as OpenedSecrets;
}

function bindingOf({ tenant, id, spec, input }: Bound): Binding {
  return ["schedule", tenant, id, spec, input];
}
