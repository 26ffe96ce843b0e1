/** The Worker before the isolates: passes requests and batches to them in turn, and lets tests read and control the platform. */

import type { Report } from "../counts.ts";
import type { DatabaseOptions, EventLimits } from "../limits.ts";
import type { D1Gate, Faults } from "./gate.ts";
import type { StrictReport } from "./entry.ts";
import { mergeRecords } from "./records.ts";

/** Its bindings are named WEB_*, CONSUMER_*, REPORT_*. */
interface FrontEnv {
  STRICT_GATE: DurableObjectNamespace<D1Gate>;
  STRICT_DATABASES: string[];
  STRICT_LIMITS: EventLimits;
  [binding: string]: unknown;
}

/** Paths that the platform answers itself; the Worker has none with this prefix. */
const OWN = "/__strict/";

/** A Worker of the same script, with the handlers that only tests may call by binding. */
interface Isolate {
  fetch(request: Request): Promise<Response>;
  queue(name: string, messages: object[]): Promise<Outcome>;
  scheduled(options: { cron: string; scheduledTime: Date }): Promise<unknown>;
}

/** The outcome of a batch. */
interface Outcome {
  outcome: string;
  ackAll: boolean;
  retryBatch: { retry: boolean; delaySeconds?: number };
  explicitAcks: string[];
  retryMessages: { msgId: string; delaySeconds?: number }[];
}

/** How many calls each kind of isolate has got. */
const turns = new Map<string, number>();

export const front: ExportedHandler<FrontEnv> = {
  async fetch(request, env) {
    const { pathname } = new URL(request.url);
    if (pathname.startsWith(OWN)) return control(pathname.slice(OWN.length), request, env);
    return inTurn(env, "WEB_").fetch(request);
  },

  async queue(batch, env) {
    const messages = batch.messages.map(({ id, timestamp, body, attempts }) => ({ id, timestamp, body, attempts }));
    const result = await inTurn(env, "CONSUMER_").queue(batch.queue, messages);
    // Messages that a consumer acknowledged stay so when it throws, as in production; the local broker would deliver them again.
    const acked = new Set(result.explicitAcks);
    const retried = new Map(result.retryMessages.map((message) => [message.msgId, message]));
    const isFailed = result.outcome !== "ok" && !result.ackAll;
    for (const message of batch.messages) {
      const retry = retried.get(message.id);
      if (acked.has(message.id)) message.ack();
      else if (retry) message.retry(delayOf(retry));
      else if (result.retryBatch.retry) message.retry(delayOf(result.retryBatch));
      else if (isFailed) message.retry();
      else message.ack();
    }
  },

  async scheduled(controller, env) {
    const { cron, scheduledTime } = controller;
    await inTurn(env, "CONSUMER_").scheduled({ cron, scheduledTime: new Date(scheduledTime) });
  },
};

async function control(path: string, request: Request, env: FrontEnv): Promise<Response> {
  const gates = env.STRICT_DATABASES.map((name) => env.STRICT_GATE.getByName(name));
  const reports = all<Service<typeof StrictReport>>(env, "REPORT_");
  switch (`${request.method} ${path}`) {
    case "GET report": {
      const kinds = mergeRecords(await Promise.all(reports.map((isolate) => isolate.read())));
      const records = await Promise.all(gates.map((gate) => gate.record()));
      const databases = Object.fromEntries(env.STRICT_DATABASES.map((name, i) => [name, records[i]!]));
      return Response.json({ limits: env.STRICT_LIMITS, kinds, databases } satisfies Report);
    }
    case "POST reset":
      await Promise.all([...reports.map((isolate) => isolate.reset()), ...gates.map((gate) => gate.reset())]);
      return new Response(null, { status: 204 });
    case "POST faults": {
      const faults: Faults = await request.json();
      await Promise.all(gates.map((gate) => gate.order(faults)));
      return new Response(null, { status: 204 });
    }
    case "POST database": {
      const options: Partial<DatabaseOptions> = await request.json();
      const [now] = await Promise.all(gates.map((gate) => gate.configure(options)));
      return Response.json(now);
    }
    default:
      return new Response("GET report, POST reset, POST faults, POST database\n", { status: 404 });
  }
}

function inTurn(env: FrontEnv, prefix: string): Isolate {
  const targets = all<Isolate>(env, prefix);
  const turn = turns.get(prefix) ?? 0;
  turns.set(prefix, turn + 1);
  return targets[turn % targets.length]!;
}

function all<T>(env: FrontEnv, prefix: string): T[] {
  return Object.keys(env)
    .filter((name) => name.startsWith(prefix))
    .map((name) => env[name] as T);
}

function delayOf({ delaySeconds }: { delaySeconds?: number }): QueueRetryOptions {
  return delaySeconds === undefined ? {} : { delaySeconds };
}
