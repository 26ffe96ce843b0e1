/** Follows a task or a flow: one stream of events out of as many connections as it takes. */

import { createParser } from "eventsource-parser";
import type { TaskEvent as WireEvent } from "../contract/event.ts";
import type { FlowResource } from "../contract/flow.ts";
import type { StepEventData } from "../contract/step.ts";
import type { TaskResource } from "../contract/task.ts";
import { backoff, type Call, type CallOptions, type Connection } from "./connection.ts";
import { pause } from "./deadline.ts";
import { isMoving, PATIENCE_MS } from "./wait.ts";

export interface FollowOptions extends CallOptions {
  /** Leaves out the events up to this `seq`; what comes later has a larger one, over retries and restarts too. */
  after?: number | undefined;
}

/** An event of a task, told apart by its `type`. */
export type TaskEvent<Task = TaskResource> = { seq: number; at: string } & (
  | { type: "state"; data: { state: TaskResource["state"]; attempt: number; cancelRequestedAt?: string } }
  | { type: "step"; data: StepEventData }
  | { type: "progress"; data: NonNullable<TaskResource["progress"]> }
  | { type: "log"; data: { level: "debug" | "info" | "warn" | "error"; message: string; data?: unknown } }
  | { type: "output"; data: unknown }
  | { type: "signal"; data: { name: string; body: unknown } }
  | { type: "done"; data: Task }
);

/** The service sends something at least every 15 s; a connection that is silent for longer than this is dead. */
const SILENT_MS = 45_000;

/** An event of a flow: a member has changed, or all is done. */
export type FlowEvent<Flow = FlowResource> = { seq: number; at: string } & (
  | {
      type: "state";
      data: { key: string; taskId: string; state: TaskResource["state"]; attempt: number; cancelRequestedAt?: string };
    }
  | { type: "done"; data: Flow }
);

/** Yields every event of a task or a flow after `after` once and in order, until `done` or the signal. */
export async function* follow<Event extends WireEvent>(
  connection: Connection,
  path: string,
  { after = 0, signal, query }: FollowOptions & Pick<Call, "query">,
): AsyncGenerator<Event, void, undefined> {
  let seen = after;
  for (let tries = 1; ; tries++) {
    const before = seen;
    for await (const event of listen<WireEvent>(connection, `${path}/events`, since(seen), signal, query)) {
      if (event.seq <= seen && event.type !== "done") continue;
      seen = event.seq;
      tries = 1;
      yield event as Event;
      if (event.type === "done") return;
    }
    if (seen === before) {
      // Nothing follows number `seen` where the caller named that of `done` or a later one: the resource itself tells its end.
      const call = { method: "GET", path, query, patienceMs: PATIENCE_MS, signal } as const;
      const data = await connection.json<TaskResource | FlowResource>(call);
      if (!isMoving(data.state)) {
        yield { seq: seen, at: data.finishedAt ?? data.createdAt, type: "done", data } as WireEvent as Event;
        return;
      }
    }
    await pause(backoff(tries), signal);
  }
}

const since = (seq: number) => ({ "last-event-id": String(seq) });

/** The events of one connection, until the connection ends in any way. */
export async function* listen<Event>(
  connection: Connection,
  path: string,
  more: Record<string, string>,
  signal: AbortSignal | undefined,
  query?: Call["query"],
): AsyncGenerator<Event, void, undefined> {
  const headers = { accept: "text/event-stream", ...more };
  const body = await connection.stream({ method: "GET", path, query, headers, patienceMs: PATIENCE_MS, signal });
  const reader = body.getReader();
  const decoder = new TextDecoder();
  const events: Event[] = [];
  const parser = createParser({ onEvent: ({ data }) => events.push(JSON.parse(data) as Event) });
  const hangUp = () => void reader.cancel().catch(() => undefined);
  signal?.addEventListener("abort", hangUp);
  try {
    for (;;) {
      const silence = setTimeout(hangUp, SILENT_MS);
      const { done, value } = await reader.read().catch(() => ({ done: true, value: undefined }));
      clearTimeout(silence);
      signal?.throwIfAborted();
      if (done) return;
      parser.feed(decoder.decode(value, { stream: true }));
      yield* events.splice(0);
    }
  } finally {
    signal?.removeEventListener("abort", hangUp);
    hangUp();
  }
}
