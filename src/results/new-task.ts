/** A task before it has a row. */

import type { Secrets } from "../core/secret.ts";
import type { SubmittedMember, TaskColumns } from "./task-row.ts";

/** A task that is about to be stored. Instants are ms since the epoch. */
export interface NewTask extends Pick<
  TaskColumns,
  Exclude<SubmittedMember, "rootId" | "object" | "overflow" | "sealed">
> {
  rootId: string;
  /** Bits of {@link OBJECT}; none unless given. */
  object?: number;
  /** What is secret in its input, for as long as it is not sealed. */
  secrets?: Secrets;
  /** The same, sealed; null: nothing is secret. A task with secrets is stored only where this is set. */
  sealed?: string | null;
}
