/** The contract of bench/subjects/neutral.ts by Hono, in front of BullMQ. */
import { serve } from "@hono/node-server";
import { FlowProducer, Job, Queue, QueueEvents } from "bullmq";
import { Hono } from "hono";
import { connection, QUEUE } from "./queue.mjs";

const AN_HOUR_S = 3_600;
const KEPT = { removeOnComplete: { age: AN_HOUR_S }, removeOnFail: { age: AN_HOUR_S } };

const queue = new Queue(QUEUE, { connection, defaultJobOptions: KEPT });
const events = new QueueEvents(QUEUE, { connection });
const flows = new FlowProducer({ connection });

const countEnded = async () => {
  const { completed, failed } = await queue.getJobCounts("completed", "failed");
  return completed + failed;
};
let endedBefore = await countEnded();
let submitted = 0;

const app = new Hono();

app.post("/tasks", async (c) => {
  const { name, input = {} } = await c.req.json();
  const { id } = await queue.add(name, input);
  return c.json({ id }, 202);
});

app.get("/tasks/:id", async (c) => {
  const id = c.req.param("id");
  const waitMs = Number(c.req.query("wait") ?? 0);
  let job = await Job.fromId(queue, id);
  if (!job) return c.json({ id, state: "UNKNOWN" }, 404);
  if (waitMs > 0 && !job.finishedOn) {
    await job.waitUntilFinished(events, waitMs).catch(() => {});
    job = await Job.fromId(queue, id);
  }
  const ended = job.failedReason ? "FAILURE" : "SUCCESS";
  const open = job.processedOn ? "STARTED" : "PENDING";
  return c.json({
    id,
    state: job.finishedOn ? ended : open,
    result: job.returnvalue ?? null,
    error: job.failedReason ?? null,
  });
});

app.post("/bulk", async (c) => {
  const { n } = await c.req.json();
  const jobs = await queue.addBulk(Array.from({ length: n }, () => ({ name: "noop", data: {} })));
  submitted += jobs.length;
  return c.json({ n: jobs.length }, 202);
});

app.get("/open", async (c) => c.json({ open: submitted - ((await countEnded()) - endedBefore) }));

app.post("/forget", async (c) => {
  endedBefore = await countEnded();
  submitted = 0;
  return c.json({});
});

const node = (children) => ({ name: "noop", data: {}, queueName: QUEUE, opts: KEPT, children });

app.post("/chain", async (c) => {
  const { n } = await c.req.json();
  let last = node([]);
  for (let length = 1; length < n; length++) last = node([last]);
  const { job } = await flows.add(last);
  return c.json({ id: job.id }, 202);
});

app.post("/chord", async (c) => {
  const { n } = await c.req.json();
  const { job } = await flows.add(node(Array.from({ length: n }, () => node([]))));
  return c.json({ id: job.id }, 202);
});

serve({ fetch: app.fetch, hostname: "127.0.0.1", port: Number(process.env.PORT) });
