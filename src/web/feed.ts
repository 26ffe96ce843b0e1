/** `GET /v1/feed`: what changes among a tenant's tasks. */

import { feedFrameSchema } from "../contract/feed.ts";
import { followFeed } from "../engine/feed/follow.ts";
import { frameOf } from "../engine/feed/hub.ts";
import { feedName } from "../progress/feed-room.ts";
import { isWebSocket, overSse, overWebSocket } from "./live.ts";
import { preferredType } from "./negotiate.ts";
import { operation } from "./operation.ts";
import { whileValid } from "./while-valid.ts";

export const getFeed = operation({
  id: "followFeed",
  method: "get",
  path: "/v1/feed",
  tag: "operations",
  summary: "Follow what changes",
  description:
    "`Accept: text/event-stream` streams a frame at once, and then one a second while anything changes; a WebSocket upgrade gets the same as JSON text frames; otherwise the counts of this moment are answered. A frame names at most 2,000 tasks, and no task twice. It tells their states at the moment at which it is made: a state that a task has left by then may be left out. There are no numbers to resume by: a client that connects again reads again what it shows.",
  scope: "read",
  answers: {
    101: { description: "The frames as WebSocket frames" },
    200: {
      description: "A frame without changes",
      schema: feedFrameSchema,
      also: { "text/event-stream": "Each frame as `event: changes` and `data`" },
    },
  },
  problems: ["unavailable"],
  async handle({ c, env, principal }) {
    const { tenant } = principal;
    const follow = (signal: AbortSignal) => whileValid(env, principal, followFeed(env, tenant, signal));
    if (isWebSocket(c)) return overWebSocket(c, feedName(tenant), follow);
    if (preferredType(c, ["application/json", "text/event-stream"]) === "text/event-stream")
      return overSse(c, follow, (frame) => ({ event: "changes", data: JSON.stringify(frame) }));
    c.header("Cache-Control", "no-store");
    return c.json(await frameOf(env, tenant), 200);
  },
});
