/** Waits until no task is left to do. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Client } from "./client.ts";

const LIVE = "/v1/tasks?limit=1&state=scheduled&state=queued&state=waiting&state=running&state=retrying";

/** Seldom enough that the question does not slow down the answer. */
const ASK_EVERY_MS = 200;
const WITHIN_MS = 30_000;

export async function drain(client: Client): Promise<void> {
  const deadline = Date.now() + WITHIN_MS;
  for (;;) {
    const { items } = JSON.parse((await client.get(LIVE)).body) as { items: unknown[] };
    if (items.length === 0) return;
    if (Date.now() > deadline) throw new Error(`tasks are still alive after ${WITHIN_MS / 1000} s`);
    await sleep(ASK_EVERY_MS);
  }
}
