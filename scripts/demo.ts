/** `npm run demo`: starts the service with temporary state, submits the example task and draws its progress until it ends. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { EventSourceParserStream } from "eventsource-parser/stream";
import { fail } from "../command/failure.ts";
import { serve } from "./serve.ts";

type Task = { id: string; state: string; result: unknown; error: { message: string } | null };
type Progress = { done: number; total: number | null; percent: number | null; message: string | null };

const WIDTH = 30;
const persist = mkdtempSync(join(tmpdir(), "lovage-demo-"));
process.once("exit", () => rmSync(persist, { recursive: true, force: true }));

async function run(url: string, key: string): Promise<Task> {
  const headers = { authorization: `Bearer ${key}`, "content-type": "application/json" };
  const body = JSON.stringify({ task: "process_item", input: { name: "demo", pause: "200ms" } });
  const submitted = await fetch(`${url}/v1/tasks`, { method: "POST", headers, body });
  if (submitted.status !== 202)
    throw new Error(`the submission was answered ${submitted.status}: ${await submitted.text()}`);
  const { id } = (await submitted.json()) as Task;
  console.log(`submitted process_item as ${id}`);

  const stream = await fetch(`${url}/v1/tasks/${id}/events`, { headers: { ...headers, accept: "text/event-stream" } });
  if (!stream.ok || stream.body === null)
    throw new Error(`the event stream was answered ${stream.status}: ${await stream.text()}`);
  for await (const message of stream.body
    .pipeThrough(new TextDecoderStream())
    .pipeThrough(new EventSourceParserStream())) {
    const { type, data } = JSON.parse(message.data) as { type: string; data: unknown };
    if (type === "progress") draw(data as Progress);
    if (type === "done") return data as Task;
  }
  throw new Error("the event stream ended before the task did");
}

function draw({ done, total, percent, message }: Progress): void {
  const share = percent ?? 0;
  const filled = Math.round((WIDTH * share) / 100);
  const bar = "█".repeat(filled) + "░".repeat(WIDTH - filled);
  const line = `${bar} ${String(Math.round(share)).padStart(3)} %  ${done}/${total ?? "?"}  ${message ?? ""}`.trimEnd();
  // On a terminal the line is redrawn; a file or a pipe gets one line for each change.
  process.stdout.write(process.stdout.isTTY ? `\r\u001b[K${line}` : `${line}\n`);
}

async function main(): Promise<void> {
  const key = crypto.randomUUID();
  const { url, stop } = await serve({ port: 0, persist, apiKey: key, publicDemo: true });
  try {
    const task = await run(url, key);
    if (process.stdout.isTTY) process.stdout.write("\n");
    if (task.state !== "succeeded")
      throw new Error(`the task ended ${task.state}: ${task.error?.message ?? "no reason given"}`);
    console.log(JSON.stringify(task.result));
  } finally {
    await stop();
  }
}

await main().then(() => process.exit(0), fail);
