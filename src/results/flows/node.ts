/** What a member of a flow, or a child task, has in its row beyond other tasks: its edges, and where its input comes from. */

import type { StoredSource } from "../../core/flows/share.ts";

/** JSON in the row's `node`. Ids of `needs` are in reverse order, so that a search for an unfinished one meets it soonest. */
export interface FlowNode {
  /** These must have succeeded. */
  needs?: string[];
  /** These must only have ended. */
  needsEnd?: string[];
  /** These need this one's success. */
  next?: string[];
  /** These need only its end. */
  nextOnEnd?: string[];
  /** Its failure does not fail the flow. */
  ignored?: 1;
  /** It runs because the flow has failed, and decides nothing. */
  onError?: 1;
  /** The source of its whole input. */
  passed?: StoredSource;
  /** The sources of the `$from`s in its input, by name. */
  from?: Record<string, StoredSource>;
  /** It starts this many ms after its release, and not before `runAt` (ms since the epoch). */
  delay?: number;
  runAt?: number;
  /** Of a task that is stored only when its flow fails: it expires this many ms later. */
  expiresIn?: number;
  /** Of a tick's task: how many later ticks may still queue behind it, instead of being skipped. */
  behind?: number;
  /** The task whose handler spawned this one: woken when it waits for this one's end. */
  wakes?: string;
}
