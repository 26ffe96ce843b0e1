/** `npm run bench`: measures the service on loopback, under its own closed-loop load, and prints what came out. Ends within two minutes. */
import { cpus, loadavg } from "node:os";
import { startServer } from "../test/http/server.ts";
import { type Client, createClient } from "./client.ts";
import { closedLoop } from "./closed-loop.ts";
import { drain } from "./drain.ts";
import { measureEndToEnd } from "./end-to-end.ts";
import { measureCosts } from "./rows.ts";
import { measureSubmit } from "./submit.ts";
import { align, type Line, tableOf } from "./table.ts";

const WARM_UP = { concurrency: 16, count: 500, maxMs: 5_000 };

/** A server of its own, in a temporary directory, as `npm run serve` starts it. */
async function measureSpeed(): Promise<Line[]> {
  const server = await startServer();
  const client = createClient(server.url, server.key);
  try {
    await warmUp(client);
    return [...(await measureSubmit(client)), ...(await measureEndToEnd(client))];
  } finally {
    client.close();
    await server.stop();
  }
}

async function warmUp(client: Client): Promise<void> {
  await closedLoop(WARM_UP, () => client.post("/v1/tasks", { task: "test.noop", input: null }));
  await drain(client);
}

const date = new Date().toISOString().slice(0, 10);
const [cpu] = cpus();
const [load] = loadavg();
console.log(
  `${date}, Node ${process.versions.node}, ${cpus().length} x ${cpu?.model}, load ${load?.toFixed(1)} before\n`,
);
console.log(tableOf(await measureSpeed()));

const costs = await measureCosts();
const head = ["per task", "n", "D1 rows written", "D1 rows read", "D1 statements", "queue messages"];
const rows = costs.map(({ what, n, ...counts }) => [
  what,
  n.toLocaleString("en"),
  ...[counts.rowsWritten, counts.rowsRead, counts.statements, counts.messages].map((count) => count.toFixed(2)),
]);
console.log(`\n${align([head, ...rows])}`);
