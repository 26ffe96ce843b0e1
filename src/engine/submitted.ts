/** What became of the items of a submission. */

import type { Problem } from "../core/problems.ts";
import type { WholeTaskRow } from "../results/task-row.ts";

/** One item: its task, or why it was refused. `isOwn`: this request has made the task, not an earlier one. */
export type Submitted = { ok: true; row: WholeTaskRow; isOwn: boolean } | { ok: false; problem: Problem };

export interface Answer {
  items: Submitted[];
  /** The request repeats an earlier one, whose items these are. */
  replayed: boolean;
}
