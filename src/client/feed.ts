/** The client's way to follow what changes among a tenant's tasks. */

import type { FeedFrame } from "../contract/feed.ts";
import { backoff, type CallOptions, type Connection } from "./connection.ts";
import { pause } from "./deadline.ts";
import { listen } from "./events.ts";

/** Yields frames until the signal aborts, over any number of connections; after a broken one `missed` is true. */
export async function* followFeed(
  connection: Connection,
  { signal }: CallOptions = {},
): AsyncGenerator<FeedFrame, void, undefined> {
  let hasMissed = false;
  for (let tries = 1; ; tries++) {
    for await (const frame of listen<FeedFrame>(connection, "/v1/feed", {}, signal)) {
      tries = 1;
      yield hasMissed ? { ...frame, missed: true } : frame;
      hasMissed = false;
    }
    hasMissed = true;
    await pause(backoff(tries), signal);
  }
}
