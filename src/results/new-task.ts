/** A task before it has a row. */

import type { Secrets } from "../core/secret.ts";
import type { State } from "../core/states.ts";

/** A task that is about to be stored. Instants are ms since the epoch. */
export interface NewTask {
  id: string;
  tenant: string;
  task: string;
  lane: string;
  state: State;
  maxAttempts: number;
  dueAt: number | null;
  leaseMs: number | null;
  createdAt: number;
  runAt: number;
  expiresAt: number | null;
  retentionMs: number;
  parentId: string | null;
  rootId: string;
  flowId: string | null;
  nodeKey: string | null;
  /** JSON text of a {@link FlowNode}. */
  node: string | null;
  waitingFor: string | null;
  /** JSON text of its {@link KeyLimit}s. */
  concurrency: string | null;
  /** JSON text of its {@link Rate}s. */
  rates: string | null;
  /** JSON text of its {@link Circuit}. */
  circuit: string | null;
  /** JSON text of `size` and `wait` (ms) of its batch. */
  batch: string | null;
  traceparent: string | null;
  options: string | null;
  tags: string | null;
  /** Bits of {@link OBJECT}; none unless given. */
  object?: number;
  /** JSON text, without what is secret in it; null where the submission gave none. */
  input: string | null;
  /** What is secret in it, for as long as it is not sealed. */
  secrets?: Secrets;
  /** The same, sealed; null: nothing is secret. A task with secrets is stored only where this is set. */
  sealed?: string | null;
}
