/** Follows the feed of a tenant, over as many sockets to its object as it takes. */

import type { FeedFrame } from "../../contract/feed.ts";
import { log } from "../../core/log.ts";
import { feedName } from "../../progress/feed-room.ts";
import { ObjectSocket, REOPEN_MS } from "../events/object-socket.ts";
import { progressObject } from "../events/tell.ts";

/** How often, in ms, a feed without changes yields null. */
const IDLE_MS = 10_000;

/** A listener that is this many frames behind gets a new socket. */
const MAX_BEHIND = 20;

/** Yields a frame at once, one a second while anything changes, and null where nothing did for a while. Ends with the signal. */
export async function* followFeed(env: Env, tenant: string, signal: AbortSignal): AsyncGenerator<FeedFrame | null> {
  let pause = REOPEN_MS.first;
  let hasMissed = false;
  while (!signal.aborted) {
    const socket = await open(env, tenant);
    try {
      while (socket !== null) {
        const frame = await socket.next(IDLE_MS, signal);
        if (frame === "closed") break;
        if (frame === "idle") {
          yield null;
          continue;
        }
        pause = REOPEN_MS.first;
        yield hasMissed ? { ...frame, missed: true } : frame;
        hasMissed = false;
      }
    } finally {
      socket?.close();
    }
    if (signal.aborted) return;
    hasMissed = true;
    yield null;
    await scheduler.wait(pause);
    pause = Math.min(pause * 2, REOPEN_MS.longest);
  }
}

async function open(env: Env, tenant: string): Promise<ObjectSocket<FeedFrame> | null> {
  try {
    const object = progressObject(env, feedName(tenant));
    return await ObjectSocket.open<FeedFrame>(object, "https://progress/feed", MAX_BEHIND);
  } catch (error) {
    log("feed_not_read", { tenant, error });
    return null;
  }
}
