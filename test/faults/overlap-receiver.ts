/** A server beside the service that holds every request for a while, and so sees for itself how many attempts run at once. */
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { json } from "node:stream/consumers";

export type OverlapReceiver = {
  url: string;
  /** The most requests of one body that were ever open at once. */
  most(body: string): number;
  /** How many requests of one body were answered to their end. */
  answered(body: string): number;
  /** Bodies in the order of their answers. */
  order: readonly string[];
  close(): Promise<void>;
};

/** A request is open from its arrival to its answer, or to the death of its sender. */
export async function startOverlapReceiver(holdMs: number): Promise<OverlapReceiver> {
  const open = new Map<string, number>();
  const most = new Map<string, number>();
  const order: string[] = [];
  const take = async (request: IncomingMessage, response: ServerResponse) => {
    const { body } = (await json(request).catch(() => ({ body: null }))) as { body: string | null };
    if (body === null) return void response.destroy();
    const now = (open.get(body) ?? 0) + 1;
    open.set(body, now);
    most.set(body, Math.max(most.get(body) ?? 0, now));
    const timer = setTimeout(() => response.writeHead(204).end(), holdMs);
    response.once("finish", () => order.push(body));
    response.once("close", () => {
      clearTimeout(timer);
      open.set(body, open.get(body)! - 1);
    });
  };
  const server = createServer((request, response) => void take(request, response));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    most: (body) => most.get(body) ?? 0,
    answered: (body) => order.filter((each) => each === body).length,
    order,
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}
