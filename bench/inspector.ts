/** The inspector of the Workers runtime: each Worker and each namespace of objects is a target of its own. */
import { freePort } from "./subjects/processes.ts";
import { startLovage, type LovageOptions } from "./subjects/lovage.ts";
import type { Running } from "./subjects/service.ts";

export type Target = {
  title: string;
  /** Calls a method of the Chrome DevTools Protocol. */
  call<T>(method: string, params?: object): Promise<T>;
  close(): void;
};

type Listed = { id: string; title: string; webSocketDebuggerUrl: string };
type Message = { id?: number; result?: unknown; error?: { message: string } };

/** Starts the service with the inspector enabled, and finds each isolate's target. */
export async function startInspected(
  connections: number,
  { args = [], ...rest }: LovageOptions = {},
): Promise<{ running: Running; targets: () => Promise<Target[]> }> {
  const port = await freePort();
  const running = await startLovage(connections, { ...rest, args: [...args, "--inspector-port", String(port)] });
  const targets = async () => {
    const listed = (await (await fetch(`http://127.0.0.1:${port}/json`)).json()) as Listed[];
    return Promise.all(listed.map(connect));
  };
  return { running, targets };
}

async function connect({ id, title, webSocketDebuggerUrl }: Listed): Promise<Target> {
  const socket = new WebSocket(webSocketDebuggerUrl);
  const waiting = new Map<number, PromiseWithResolvers<unknown>>();
  await new Promise<void>((resolve, reject) => {
    socket.addEventListener("open", () => resolve(), { once: true });
    socket.addEventListener("error", () => reject(new Error(`${id} cannot be looked into`)), { once: true });
  });
  socket.addEventListener("message", ({ data }) => {
    const { id: of, result, error } = JSON.parse(data as string) as Message;
    const asked = of === undefined ? undefined : waiting.get(of);
    if (asked === undefined) return;
    waiting.delete(of!);
    if (error === undefined) asked.resolve(result);
    else asked.reject(new Error(`${id}: ${error.message}`));
  });
  socket.addEventListener("close", () => {
    for (const asked of waiting.values()) asked.reject(new Error(`${id}: the inspector has closed`));
  });
  let calls = 0;
  return {
    title: title === "" ? id : title,
    call: async <T>(method: string, params: object = {}) => {
      const asked = Promise.withResolvers<unknown>();
      waiting.set(++calls, asked);
      socket.send(JSON.stringify({ id: calls, method, params }));
      return (await asked.promise) as T;
    },
    close: () => socket.close(),
  };
}
