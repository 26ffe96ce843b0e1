/** A server beside the service that `test.hook` and the durable fixtures report to: it outlives every kill, and so knows which attempts really ran. */
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { json } from "node:stream/consumers";

/** One attempt that ran. */
export type Hook = {
  id: string;
  attempt: number;
  body: unknown;
  /** Of a durable task: the step that told. */
  step?: string;
  /** When it came, in ms since the epoch. */ at: number;
};

export type HookReceiver = {
  url: string;
  /** All that came, in order. */
  hooks: readonly Hook[];
  of(id: string): Hook[];
  close(): Promise<void>;
};

/** `isRefused` makes an attempt fail on purpose; its promise holds the attempt. */
export async function startHookReceiver(
  isRefused: (hook: Hook) => boolean | Promise<boolean> = () => false,
): Promise<HookReceiver> {
  const hooks: Hook[] = [];
  const server = createServer(async (request, response) => {
    const at = Date.now();
    try {
      const hook = { ...((await json(request)) as Omit<Hook, "at">), at };
      hooks.push(hook);
      const status = (await isRefused(hook)) ? 500 : 204;
      response.writeHead(status).end();
    } catch {
      // The sender was killed in the middle of it, so it was not sent.
      response.destroy();
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    hooks,
    of: (id) => hooks.filter((hook) => hook.id === id),
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}
