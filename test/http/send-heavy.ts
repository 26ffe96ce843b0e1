/** Sends heavy bodies one by one, while a second client asks how the service is. */
import { Agent, request } from "node:http";
import { apiOf } from "./api.ts";
import type { Ground, Heavy } from "./heavy-bodies.ts";
import type { Server } from "./server.ts";

export interface Sent {
  name: string;
  status: number;
  /** What came back, in characters. */
  length: number;
  /** Faults that the answer lists, those of a batch's items together. */
  faults: number;
  /** Until the whole answer was there. */
  ms: number;
  /** The longest that the second client waited meanwhile. */
  healthMs: number;
}

/** Pauses between two questions of the second client. */
const ASK_EVERY_MS = 10;

export async function prepareGround(server: Pick<Server, "url" | "key">): Promise<Ground> {
  const api = apiOf(server);
  const { id: task } = await api.submit("test.signal", { name: "never" });
  const { id: ended } = await api.submit("test.noop", null, { delay: "1h" });
  await api.post(`/v1/tasks/${ended}/cancel`);
  const flow = await api.post<{ id: string }>("/v1/flows", { task: "test.noop", options: { delay: "1h" } });
  const webhook = await api.post<{ id: string }>("/v1/webhooks", { url: "https://example.com/" });
  return { task, ended, flow: flow.body.id, webhook: webhook.body.id };
}

export async function sendHeavy(
  server: Pick<Server, "url" | "key">,
  { name, method, path, body, headers }: Heavy,
): Promise<Sent> {
  const sent = body();
  const health = watch(server.url);
  const startedAt = performance.now();
  const { status, text } = await send(server, method, path, sent, headers);
  const ms = performance.now() - startedAt;
  const faults = text.length < 4_000_000 ? (text.match(/"pointer":/g) ?? []).length : 0;
  return { name, status, length: text.length, faults, ms, healthMs: await health.stop() };
}

async function send(
  { url, key }: Pick<Server, "url" | "key">,
  method: string,
  path: string,
  body: string,
  headers: Record<string, string> = {},
): Promise<{ status: number; text: string }> {
  const response = await fetch(url + path, {
    method,
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json", ...headers },
    body,
  });
  return { status: response.status, text: await response.text() };
}

/** Asks for `/health` again and again over a connection of its own. */
function watch(url: string): { stop(): Promise<number> } {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  let worst = 0;
  let isOver = false;
  const asking = (async () => {
    while (!isOver) {
      const startedAt = performance.now();
      await ask(`${url}/health`, agent);
      worst = Math.max(worst, performance.now() - startedAt);
      await new Promise((done) => setTimeout(done, ASK_EVERY_MS));
    }
  })();
  return {
    async stop() {
      isOver = true;
      await asking;
      agent.destroy();
      return worst;
    },
  };
}

/** A connection that the service has closed between two questions is opened anew. */
async function ask(url: string, agent: Agent): Promise<void> {
  for (let tries = 0; ; tries++) {
    try {
      await new Promise<void>((resolve, reject) => {
        request(url, { agent }, (response) => response.resume().on("end", resolve).on("error", reject))
          .on("error", reject)
          .end();
      });
      return;
    } catch (error) {
      if (tries === 3) throw error;
    }
  }
}
