/** How the tests listen: server-sent events and WebSocket frames, both as the contract's events. */
import { EventSourceParserStream } from "eventsource-parser/stream";
import type { TaskEvent } from "../../src/contract/event.ts";

export type Listening = {
  /** Resume after this event. */
  after?: number;
  /** Leaves as soon as it has heard this. Without it the stream is heard to its end. */
  until?: (event: TaskEvent) => boolean;
  headers?: Record<string, string>;
};

/** The events of a stream, until it ends or the listener leaves. Throws where the connection breaks. */
export async function listenSse(url: string, { after, until, headers = {} }: Listening = {}): Promise<TaskEvent[]> {
  const gone = new AbortController();
  const response = await fetch(url, {
    headers: {
      accept: "text/event-stream",
      ...headers,
      ...(after === undefined ? {} : { "last-event-id": String(after) }),
    },
    signal: gone.signal,
  });
  if (!response.ok || !response.body)
    throw new Error(`the stream answered ${response.status} ${await response.text()}`);
  const events: TaskEvent[] = [];
  const frames = response.body.pipeThrough(new TextDecoderStream()).pipeThrough(new EventSourceParserStream());
  for await (const frame of frames) {
    const event = JSON.parse(frame.data) as TaskEvent;
    if (frame.id !== String(event.seq) || frame.event !== event.type) {
      throw new Error(`the frame's id and event are not those of its data: ${JSON.stringify(frame)}`);
    }
    events.push(event);
    if (until?.(event)) break;
  }
  gone.abort();
  return events;
}

/** The same over WebSocket; `url` carries a token, because a browser's WebSocket sends no key. */
export async function listenWebSocket(url: string, { after, until }: Listening = {}): Promise<TaskEvent[]> {
  const address = new URL(url);
  address.protocol = "ws:";
  if (after !== undefined) address.searchParams.set("after", String(after));
  const socket = new WebSocket(address);
  const events: TaskEvent[] = [];
  return new Promise((resolve, reject) => {
    socket.addEventListener("message", (message) => {
      const event = JSON.parse(message.data as string) as TaskEvent;
      events.push(event);
      if (until?.(event)) socket.close();
    });
    socket.addEventListener("close", () => resolve(events));
    socket.addEventListener("error", () => reject(new Error("the WebSocket broke")));
  });
}

/** What the tests compare: everything of an event but when it was. */
export function outline(events: TaskEvent[]): string[] {
  return events.map(({ seq, type, data }) => {
    const { state, done } = data as { state?: string; done?: number };
    return `${seq} ${type} ${type === "progress" ? done : (state ?? "")}`.trim();
  });
}
