/** A webhook receiver on this machine: it keeps every request and answers as the test says. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { Webhook } from "standardwebhooks";
import type { TaskResource } from "../../src/contract/task.ts";
import { poll } from "./api.ts";

export type Payload = { type: string; timestamp: string; data: TaskResource };

/** A request as it came. */
export type Received = {
  path: string;
  method: string | undefined;
  headers: Record<string, string>;
  body: string;
  /** `webhook-id`. */
  id: string;
  payload: Payload;
  at: number;
};

/** What to answer to the n-th request (1 is the first) of a path; a status, or all of it, or nothing: it stays open. A promise holds the request open. */
export type Reply = number | { status: number; headers: Record<string, string> } | null;

type How = (nth: number, request: Received) => Reply | Promise<Reply>;

export type Receiver = Awaited<ReturnType<typeof startReceiver>>;

export async function startReceiver() {
  const received: Received[] = [];
  const replies = new Map<string, How>();

  async function take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await text(request);
    const headers = request.headers as Record<string, string>;
    const path = request.url ?? "";
    const one = {
      path,
      method: request.method,
      headers,
      body,
      id: headers["webhook-id"] ?? "",
      payload: JSON.parse(body || "null") as Payload,
      at: Date.now(),
    };
    received.push(one);
    const how = replies.get(path) ?? (() => 204);
    const reply = await how(at(path).length, one);
    if (reply === null) return;
    const { status, headers: more } = typeof reply === "number" ? { status: reply, headers: {} } : reply;
    response.writeHead(status, more).end();
  }

  const server = createServer((request, response) => void take(request, response));
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

  const at = (path: string) => received.filter((one) => one.path === path);

  return {
    origin,
    /** The requests that came to a path, oldest first. */
    at,
    /** Answers 204 to everything unless told otherwise. */
    reply(path: string, how: How): void {
      replies.set(path, how);
    },
    /** The first `count` requests of a path, once so many have come. */
    async next(path: string, count = 1): Promise<[Received, ...Received[]]> {
      return poll(
        () => `only ${at(path).length} of ${count} requests came to ${path}`,
        () => (at(path).length >= count ? (at(path).slice(0, count) as [Received, ...Received[]]) : null),
      );
    },
    async stop(): Promise<void> {
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    },
  };
}

/** What the published library makes of a request: its payload, or a `WebhookVerificationError`. */
export function verify(secret: string, { headers, body }: Pick<Received, "headers" | "body">): Payload {
  return new Webhook(secret).verify(body, headers) as Payload;
}
