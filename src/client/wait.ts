/** Waits for the end of a task or a flow, by requests that the service holds until there is one. Survives its restarts. */

import type { Call, CallOptions, Connection } from "./connection.ts";
import { pause, withDeadline } from "./deadline.ts";
import { WaitTimeoutError } from "./ended-errors.ts";

export interface WaitOptions extends CallOptions {
  /**
   * Milliseconds until a `WaitTimeoutError`; without it, for as long as it takes. It does not affect the task, unlike the task's
   * option `timeout`.
   */
  within?: number | undefined;
}

/** What one request waits for: shorter than what proxies tend to allow. */
const WAIT_SECONDS = 25;

/** How long a service may be unreachable before the wait fails. */
export const PATIENCE_MS = 120_000;

/** Requests that were answered at once are this far apart. */
const LOOK_EVERY_MS = 1_000;

const MOVING = ["scheduled", "queued", "waiting", "running", "retrying"];

/** Whether a task or a flow in this state has not ended. */
export function isMoving(state: string): boolean {
  return MOVING.includes(state);
}

/** The resource at `path` as it ended. */
export async function waitForEnd<Resource extends { state: string }>(
  connection: Connection,
  path: string,
  { within: ms, signal }: WaitOptions,
  query: Call["query"] = {},
): Promise<Resource> {
  const until = ms === undefined ? Infinity : Date.now() + ms;
  const late = () => new WaitTimeoutError(`${path} has not ended within ${ms} ms`);
  return withDeadline(ms ?? Infinity, signal, late, async (signal) => {
    for (;;) {
      const askedAt = Date.now();
      const seconds = Math.max(0, Math.min(WAIT_SECONDS, Math.ceil((until - askedAt) / 1_000)));
      const resource = await connection.json<Resource>({
        method: "GET",
        path,
        query,
        headers: { prefer: `wait=${seconds}` },
        thinkingMs: seconds * 1_000,
        patienceMs: PATIENCE_MS,
        signal,
      });
      if (!isMoving(resource.state)) return resource;
      await pause(Math.max(0, askedAt + LOOK_EVERY_MS - Date.now()), signal);
    }
  });
}
