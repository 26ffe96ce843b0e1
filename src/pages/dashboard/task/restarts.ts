/** The steps from which a task may run again. Pure. */

import type { StepResource } from "../../../contract/step.ts";
import { shortened } from "../words.ts";

/** Those from which it may: what is behind a step that was undone would build on what holds no longer. */
export function restartsOf(steps: readonly StepResource[]): readonly StepResource[] {
  const undone = steps.findIndex(({ undoneAt }) => typeof undoneAt === "string");
  return steps.slice(0, undone === -1 ? steps.length : undone + 1);
}

/** A step as an option: its name, and what came of it. */
export function restartWords({ name, kind, error, finishedAt }: StepResource): readonly [string, string] {
  const fate = error !== null ? `failed: ${error.type}` : finishedAt === null ? "not over" : "";
  const words = [kind === "step" ? "" : kind, fate].filter(Boolean).join(", ");
  return [name, `${shortened(name, 60)}${words === "" ? "" : ` (${words})`}`];
}
