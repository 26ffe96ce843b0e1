/** A feed of events in the format that the caller asks for: server-sent events, WebSocket frames, or the past events as JSON. */

import { log } from "../core/log.ts";
import { streamSSE, type SSEMessage } from "hono/streaming";
import { z } from "zod";
import { eventListSchema, type TaskEvent } from "../contract/event.ts";
import { preferredType } from "./negotiate.ts";
import type { AppContext } from "./app-context.ts";
import type { Operation } from "./operation.ts";
import { refuse } from "./problem.ts";
import { wholeNumber } from "./request.ts";
import { AccessEndedError } from "./while-valid.ts";

/** How long a browser waits before it reconnects. */
const RECONNECT_MS = 1_000;

/** The close code of a WebSocket whose key or link is no longer valid, named after 401: a new connection would be refused. */
const ACCESS_ENDED = 4401;

/** The last header is for proxies that buffer events. */
const SSE_HEADERS = { "Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no" };

/** The headers and query parameters that all operations with a feed share. */
export const live = {
  headers: { "Last-Event-ID": "Leaves out the events up to this number; with `after` as well, the larger one counts" },
  query: z.strictObject({
    after: wholeNumber(0, Number.MAX_SAFE_INTEGER)
      .optional()
      .meta({ description: "Leaves out the events up to this number" }),
  }),
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
} satisfies Partial<Operation>;

/** A source of events. `follow` yields null when no event came for a while, and ends with the last event. */
export interface Feed {
  /** Names it in logs. */
  id: string;
  list(after: number): Promise<TaskEvent[]>;
  follow(after: number, signal: AbortSignal): AsyncIterable<TaskEvent | null>;
}

export async function answerLive(c: AppContext, feed: Feed, given: number | undefined): Promise<Response> {
  // An EventSource that reconnects sends the same address again, and so the old `after`; Last-Event-ID is newer.
  const after = Math.max(given ?? 0, lastEventId(c));
  const follow = (signal: AbortSignal) => feed.follow(after, signal);
  if (isWebSocket(c)) return overWebSocket(c, feed.id, follow);
  const type = preferredType(c, ["application/json", "text/event-stream"]);
  if (type === "text/event-stream")
    return overSse(c, follow, (event) => ({ id: String(event.seq), event: event.type, data: JSON.stringify(event) }));
  return c.json({ items: await feed.list(after) }, 200);
}

export function isWebSocket(c: AppContext): boolean {
  return c.req.header("upgrade")?.toLowerCase() === "websocket";
}

function lastEventId(c: AppContext): number {
  const header = c.req.header("last-event-id");
  if (header === undefined || header === "") return 0;
  const id = /^\d{1,16}$/.test(header) ? Number(header) : NaN;
  if (!Number.isSafeInteger(id)) refuse("invalid-request", "Last-Event-ID is the id of an event, a number.");
  return id;
}

/** What `follow` yields as server-sent events: https://html.spec.whatwg.org/multipage/server-sent-events.html */
export function overSse<T>(
  c: AppContext,
  follow: (signal: AbortSignal) => AsyncIterable<T | null>,
  write: (item: T) => SSEMessage,
): Response {
  // The body of an answer to HEAD is never read, so a stream for it would never end.
  if (c.req.raw.method === "HEAD") return c.body(null, 200, SSE_HEADERS);
  const response = streamSSE(c, async (stream) => {
    const gone = new AbortController();
    stream.onAbort(() => gone.abort());
    c.req.raw.signal.addEventListener("abort", () => gone.abort());
    await stream.write(`retry: ${RECONNECT_MS}\n\n`);
    try {
      for await (const item of follow(gone.signal)) {
        if (item === null) await stream.write(": still here\n\n");
        else await stream.writeSSE(write(item));
      }
    } catch (error) {
      if (!(error instanceof AccessEndedError)) throw error;
      // A client that reconnects gets a 401, after which an EventSource gives up.
      await stream.write(`: ${error.message}\n\n`);
    }
  });
  for (const [name, value] of Object.entries(SSE_HEADERS)) response.headers.set(name, value);
  return response;
}

/** What `follow` yields, as WebSocket frames. `id` names the stream in logs. */
export function overWebSocket(
  c: AppContext,
  id: string,
  follow: (signal: AbortSignal) => AsyncIterable<unknown>,
): Response {
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
      for await (const item of follow(gone.signal)) {
        if (item !== null) server.send(JSON.stringify(item));
      }
      if (!gone.signal.aborted) server.close(1000, "done");
    } catch (error) {
      if (error instanceof AccessEndedError) return server.close(ACCESS_ENDED, error.message);
      log("stream_failed", { id, error });
      if (!gone.signal.aborted) server.close(1011, "try again");
    }
  };
  c.executionCtx.waitUntil(relay());
  return new Response(null, { status: 101, webSocket: client });
}
