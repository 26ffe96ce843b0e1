/** BullMQ's worker, in a process of its own. */
import { setTimeout as pause } from "node:timers/promises";
import { Worker } from "bullmq";
import { connection, QUEUE } from "./queue.mjs";

const TASKS = {
  noop: async () => null,
  sleep: async ({ ms }) => {
    await pause(ms);
    return null;
  },
};

const worker = new Worker(QUEUE, (job) => TASKS[job.name](job.data), { connection, concurrency: 100 });
worker.on("error", (error) => console.error(error));
