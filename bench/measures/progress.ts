/** One task whose progress many listeners follow as server-sent events, which only the service itself offers. */
import { createParser } from "eventsource-parser";
import { Agent, request } from "undici";
import { startMeter, usageFigures } from "../load/meter.ts";
import { percentile } from "../report/statistics.ts";
import { KEY } from "../subjects/lovage.ts";
import type { Running } from "../subjects/service.ts";
import { demand, type Found, type Measure } from "./measure.ts";

type Heard = { type: string; at: string };

/** The lane that is paused until all listeners are connected, so that the task waits in it. */
const LANE = "high";

const PATIENCE_MS = 120_000;

export const progress: Measure = async (running, sizes) => {
  const found: Found[] = [];
  for (const listeners of sizes.progress.listeners) found.push(await listen(running, listeners, sizes.progress));
  return found;
};

/** How long after the event's own time each progress event reached each listener. The task starts when all listeners are connected. */
async function listen(
  { url, roots }: Running,
  listeners: number,
  { steps, everyMs }: { steps: number; everyMs: number },
): Promise<Found> {
  const agent = new Agent({ connections: null, pipelining: 1, headersTimeout: PATIENCE_MS, bodyTimeout: PATIENCE_MS });
  const send = (method: "GET" | "POST", path: string, more: { body?: string; accept?: string } = {}) => {
    const { body = null, accept = "application/json" } = more;
    const headers = {
      authorization: `Bearer ${KEY}`,
      accept,
      ...(body === null ? {} : { "content-type": "application/json" }),
    };
    return request(url + path, { dispatcher: agent, method, headers, body });
  };
  try {
    const change = async (verb: "pause" | "resume") => {
      const { statusCode, body } = await send("POST", `/v1/lanes/${LANE}/${verb}`);
      demand(statusCode < 300, `the lane did not ${verb}: ${await body.text()}`);
    };
    const submission = { task: "test.progress", input: { steps, ms: everyMs }, options: { lane: LANE } };
    await change("pause");
    const submitted = await send("POST", "/v1/tasks", { body: JSON.stringify(submission) });
    const { id } = (await submitted.body.json()) as { id: string };
    const open = () => send("GET", `/v1/tasks/${id}/events`, { accept: "text/event-stream" });
    const streams = await Promise.all(Array.from({ length: listeners }, open));
    demand(
      streams.every(({ statusCode }) => statusCode === 200),
      "not every stream was opened",
    );

    const lateMs: number[] = [];
    let ends = 0;
    const hear = async ({ body }: (typeof streams)[number]) => {
      const parser = createParser({
        onEvent: ({ data }) => {
          const { type, at } = JSON.parse(data) as Heard;
          if (type === "progress") lateMs.push(Date.now() - Date.parse(at));
          if (type === "done") ends++;
        },
      });
      const decoder = new TextDecoder();
      for await (const bytes of body) parser.feed(decoder.decode(bytes as Uint8Array, { stream: true }));
    };
    const hearing = Promise.all(streams.map(hear));
    const stop = startMeter(roots);
    await Promise.all([change("resume"), hearing]);
    demand(ends === listeners, `${ends} of ${listeners} listeners heard the end`);

    const { cpuMsPerTask, ...usage } = usageFigures(stop(), 1);
    return {
      measure: `progress-${listeners}`,
      figures: {
        listeners,
        heard: lateMs.length / (listeners * steps),
        p50Ms: percentile(lateMs, 50),
        p95Ms: percentile(lateMs, 95),
        p99Ms: percentile(lateMs, 99),
        ...(cpuMsPerTask === undefined ? {} : { cpuMsPerEvent: cpuMsPerTask / lateMs.length }),
        ...usage,
      },
    };
  } finally {
    await agent.destroy();
  }
}
