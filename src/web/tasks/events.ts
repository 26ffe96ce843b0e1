/** `GET /v1/tasks/{id}/events`: the same events as JSON, server-sent events or WebSocket frames. */

import { streamSSE } from "hono/streaming";
import { z } from "zod";
import { eventListSchema } from "../../contract/event.ts";
import { follow, listEvents } from "../../engine/follow.ts";
import type { WholeTaskRow } from "../../results/task-row.ts";
import { operation, type AppContext } from "../operation.ts";
import { refuse } from "../problem.ts";
import { wholeNumber } from "../request.ts";
import { findRow } from "./shared.ts";

/** What a browser waits before it reconnects, in ms. */
const RECONNECT_MS = 1_000;

const afterQuery = wholeNumber(0, Number.MAX_SAFE_INTEGER)
  .optional()
  .meta({ description: "Leaves out the events up to this number" });

export const getEvents = operation({
  id: "getTaskEvents",
  method: "get",
  path: "/v1/tasks/{id}/events",
  tag: "tasks",
  summary: "Follow a task",
  description:
    "`Accept: text/event-stream` streams events until `done`, and `Last-Event-ID` resumes; a WebSocket upgrade gets the same events as JSON text frames; otherwise the kept events are listed.",
  scope: "read",
  link: "read",
  headers: { "Last-Event-ID": "Resumes a stream after this event" },
  query: z.strictObject({ after: afterQuery }),
  answers: {
    101: { description: "The events as WebSocket frames" },
    200: {
      description: "The events",
      schema: eventListSchema,
      also: {
        "text/event-stream": "Each event as `id` (its `seq`), `event` (its `type`) and `data` (the whole event)",
      },
    },
  },
  problems: ["invalid-request", "not-found"],
  async handle({ c, env, principal, params, query }) {
    const row = await findRow(env, principal, params["id"]!);
    const after = query.after ?? lastEventId(c);
    if (c.req.header("upgrade")?.toLowerCase() === "websocket") return overWebSocket(c, env, row, after);
    const wantsStream = c.req.header("accept")?.includes("text/event-stream");
    // Nobody reads the body of an answer to HEAD, so a stream for it would never end.
    if (wantsStream && c.req.raw.method !== "HEAD") return overSse(c, env, row, after);
    return c.json({ items: await listEvents(env, row, after) }, 200);
  },
});

function lastEventId(c: AppContext): number {
  const header = c.req.header("last-event-id");
  if (header === undefined || header === "") return 0;
  if (!/^\d{1,15}$/.test(header)) refuse("invalid-request", "Last-Event-ID is the id of an event, a number.");
  return Number(header);
}

/** https://html.spec.whatwg.org/multipage/server-sent-events.html */
function overSse(c: AppContext, env: Env, row: WholeTaskRow, after: number): Response {
  const response = streamSSE(c, async (stream) => {
    const gone = new AbortController();
    stream.onAbort(() => gone.abort());
    c.req.raw.signal.addEventListener("abort", () => gone.abort());
    await stream.write(`retry: ${RECONNECT_MS}\n\n`);
    for await (const event of follow(env, row, after, gone.signal)) {
      if (event === null) await stream.write(": still here\n\n");
      else await stream.writeSSE({ id: String(event.seq), event: event.type, data: JSON.stringify(event) });
    }
  });
  response.headers.set("Cache-Control", "no-store");
  response.headers.set("X-Accel-Buffering", "no");
  return response;
}

function overWebSocket(c: AppContext, env: Env, row: WholeTaskRow, after: number): Response {
  const { 0: client, 1: server } = new WebSocketPair();
  const gone = new AbortController();
  server.accept();
  server.addEventListener("close", () => gone.abort());
  server.addEventListener("error", () => gone.abort());
  server.addEventListener("message", (message) => {
    if (message.data === "ping") server.send("pong");
  });
  const relay = async () => {
    try {
      for await (const event of follow(env, row, after, gone.signal)) {
        if (event !== null) server.send(JSON.stringify(event));
      }
      if (!gone.signal.aborted) server.close(1000, "done");
    } catch (error) {
      console.warn(JSON.stringify({ event: "stream_failed", taskId: row.id, error: String(error) }));
      if (!gone.signal.aborted) server.close(1011, "try again");
    }
  };
  c.executionCtx.waitUntil(relay());
  return new Response(null, { status: 101, webSocket: client });
}
