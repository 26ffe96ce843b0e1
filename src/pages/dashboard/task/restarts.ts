/** The steps from which a task may run again. Pure. */

import type { StepResource } from "../../../contract/step.ts";
import { shortened } from "../words.ts";

/** The steps up to and including the first that was undone: a run from a later one would build on a result that no longer holds. */
export function restartsOf(steps: readonly StepResource[]): readonly StepResource[] {
  const undone = steps.findIndex(({ undoneAt }) => typeof undoneAt === "string");
  return steps.slice(0, undone === -1 ? steps.length : undone + 1);
}

/** A step as an option: its name, and its outcome. */
export function restartWords({ name, kind, error, finishedAt }: StepResource): readonly [string, string] {
  const fate = error !== null ? `failed: ${error.type}` : finishedAt === null ? "not over" : "";
  const words = [kind === "step" ? "" : kind, fate].filter(Boolean).join(", ");
  return [name, `${shortened(name, 60)}${words === "" ? "" : ` (${words})`}`];
}
