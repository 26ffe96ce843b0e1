/** What became of the items of a submission. */

import type { Problem } from "../core/problems.ts";
import type { WholeTaskRow } from "../results/task-row.ts";

/** One item's fate. It is its own where this request has made the task, and was not answered with one that another has made. */
export type Submitted = { ok: true; row: WholeTaskRow; isOwn: boolean } | { ok: false; problem: Problem };

export interface Answer {
  items: Submitted[];
  /** The request was a repetition: the items are those of the first one. */
  replayed: boolean;
}
