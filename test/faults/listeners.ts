/**
 * Many listeners: `node test/faults/listeners.ts [count]` follows one task with that many streams, half
 * of them server-sent events and half WebSockets, beside one that reads nothing; then half as many
 * tasks with a stream each. Prints what they heard; ends with 1 if a listener missed the end.
 */
import { connect } from "node:net";
import { performance } from "node:perf_hooks";
import type { TaskEvent } from "../../src/contract/event.ts";
import type { TaskResource } from "../../src/contract/task.ts";
import { apiOf } from "../http/api.ts";
import { startServer } from "../http/server.ts";
import { listenSse, listenWebSocket } from "../http/streams.ts";

/** What came out of it. */
export type Hearing = {
  listeners: number;
  /** How many got the last progress, and how many the end. */
  lastProgress: number;
  done: number;
  broken: number;
  ms: number;
};

type Served = { url: string; key: string };

const STEPS = 20;

/** `count` listeners on one task, and one more that never reads. */
export async function listenToOne(server: Served, count: number): Promise<Hearing> {
  const task = await submitLinked(server, STEPS, 400);
  const url = server.url + task.links.events;
  const deaf = listenWithoutReading(url);
  const hearing = await hear(
    Array.from({ length: count }, (_, i) => (i % 2 === 0 ? listenSse(url) : listenWebSocket(url))),
  );
  deaf.destroy();
  return hearing;
}

/** `count` tasks, each with a stream of its own. */
export async function listenToMany(server: Served, count: number): Promise<Hearing> {
  const streams = Array.from({ length: count }, async (_, i) => {
    const task = await submitLinked(server, STEPS, 400);
    const url = server.url + task.links.events;
    return i % 2 === 0 ? listenSse(url) : listenWebSocket(url);
  });
  return hear(streams);
}

async function submitLinked(server: Served, steps: number, ms: number): Promise<TaskResource> {
  const { status, body } = await apiOf(server).post<TaskResource>("/v1/tasks?links=signed", {
    task: "test.progress",
    input: { steps, ms },
  });
  if (status !== 202) throw new Error(`not accepted: ${status} ${JSON.stringify(body)}`);
  return body;
}

async function hear(streams: Promise<TaskEvent[]>[]): Promise<Hearing> {
  const began = performance.now();
  const heard = await Promise.allSettled(streams);
  const all = heard.flatMap((each) => (each.status === "fulfilled" ? [each.value] : []));
  const isLast = (event: TaskEvent) => event.type === "progress" && (event.data as { done: number }).done === STEPS;
  return {
    listeners: streams.length,
    lastProgress: all.filter((events) => events.some(isLast)).length,
    done: all.filter((events) => events.at(-1)?.type === "done").length,
    broken: heard.length - all.length,
    ms: Math.round(performance.now() - began),
  };
}

function listenWithoutReading(url: string) {
  const { hostname, port, pathname, search } = new URL(url);
  const socket = connect(Number(port), hostname);
  socket.write(`GET ${pathname}${search} HTTP/1.1\r\nHost: ${hostname}:${port}\r\nAccept: text/event-stream\r\n\r\n`);
  socket.on("error", () => undefined);
  socket.pause();
  return socket;
}

if (import.meta.main) {
  const count = Number(process.argv[2] ?? 1_000);
  const server = await startServer();
  const one = await listenToOne(server, count);
  console.log(`${count} listeners on one task:`, one);
  const many = await listenToMany(server, count / 2);
  console.log(`${count / 2} tasks with a listener each:`, many);
  await server.stop();
  const missed = [one, many].some(
    (hearing) => hearing.done < hearing.listeners || hearing.lastProgress < hearing.listeners,
  );
  process.exit(missed ? 1 : 0);
}
