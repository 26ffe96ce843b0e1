/**
 * Waits for the end of a task or a flow, for a caller that does not poll. The progress object notifies the caller; slow reads
 * of the state find an end of which it did not. A wait of 60 s for a task makes three statements at most, from the first to
 * the one that reads the answer.
 */

import { isTerminal, type State } from "../../core/states.ts";
import { markAwaited, markFlowAwaited, readFlowState, readState } from "../../results/await-ends.ts";
import { readFlow, type FlowRow } from "../../results/flows/flows.ts";
import { readTask } from "../../results/read-tasks.ts";
import type { WholeTaskRow } from "../../results/task-row.ts";
import { Waiter } from "./end-listener.ts";

const LOOK_EVERY_MS = 30_000;

/** How long a caller waits. */
export interface Patience {
  ms: number;
  /** Aborted when the caller is gone. */
  signal: AbortSignal | undefined;
  /** The longest time between two reads of the state, in ms; 30 s unless given. */
  lookEveryMs?: number;
}

/** The tenant's task as soon as it has ended, or as it is once the time has passed; null where there is none. */
export async function waitForEnd(
  env: Env,
  tenant: string,
  id: string,
  patience: Patience,
): Promise<WholeTaskRow | null> {
  const marked = await markAwaited(env.DB, tenant, id);
  const row = marked ?? (await readTask(env.DB, tenant, id));
  if (row === null || isTerminal(row.state)) return row;
  const waiter = new Waiter(env, id);
  try {
    // Where another caller waits already, this wait has made one statement more, so it relies on that caller's reads of the state.
    return await waitAt(env, row, waiter, marked ? patience : { ...patience, lookEveryMs: patience.ms });
  } finally {
    waiter.close();
  }
}

/** The same for a task whose row is already marked as awaited; `waiter` began to register before that. */
export async function waitAt(
  env: Env,
  row: WholeTaskRow,
  waiter: Waiter,
  patience: Patience,
): Promise<WholeTaskRow | null> {
  return untilEnd(row, waiter, patience, {
    look: () => readState(env.DB, row.id),
    read: () => readTask(env.DB, row.tenant, row.id),
  });
}

/** The tenant's flow as soon as it has ended, or as it is once the time has passed; null where there is none. */
export async function waitForFlow(env: Env, tenant: string, id: string, patience: Patience): Promise<FlowRow | null> {
  const flow = await markFlowAwaited(env.DB, tenant, id);
  if (flow === null || flow.state !== "running") return flow;
  const waiter = new Waiter(env, id);
  try {
    return await untilEnd(flow, waiter, patience, {
      look: () => readFlowState(env.DB, id),
      read: () => readFlow(env.DB, tenant, id),
    });
  } finally {
    waiter.close();
  }
}

interface Reading<Row> {
  look: () => Promise<State | null>;
  read: () => Promise<Row | null>;
}

async function untilEnd<Row extends { state: State }>(
  before: Row,
  waiter: Waiter,
  { ms, signal, lookEveryMs = LOOK_EVERY_MS }: Patience,
  { look, read }: Reading<Row>,
): Promise<Row | null> {
  const began = Date.now();
  // Equal parts with a read of the state between them, so that the number of reads does not depend on when a timer fires.
  const parts = Math.max(1, Math.ceil(ms / lookEveryMs));
  for (let part = 1; part <= parts; part++) {
    const until = began + (ms * part) / parts;
    while (await waiter.told(Math.max(0, until - Date.now()), signal)) {
      const row = await read();
      if (row === null || isTerminal(row.state)) return row;
      waiter.again();
    }
    if (signal?.aborted) return before;
    if (part === parts) break;
    // A failed read is ignored: another one follows, or the one that reads the answer.
    const state = await look().catch(() => before.state);
    if (state === null || isTerminal(state)) break;
  }
  return read();
}
