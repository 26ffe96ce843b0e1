/** `npm run destroy`: asks, then removes a deployment from its account with all its data. It can be repeated. */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline/promises";
import { parseArgs } from "node:util";
import { CloudflareError, connectCloudflare, type Cloudflare } from "./cloudflare.ts";
import { optionsOf, prepareDeployment, type Deployment } from "./deployment.ts";

const USAGE = "usage: npm run destroy [-- [--env NAME] [--yes]]";

interface Queue {
  queue_id: string;
  queue_name: string;
  consumers?: { consumer_id: string; script?: string; service?: string }[];
}

/** Removes the deployment's resources: first the triggers of the Worker, then the Worker, then its storage. Returns what it removed. */
export async function destroy({ name, queues, database }: Deployment, cloudflare: Cloudflare): Promise<string[]> {
  const removed: string[] = [];
  const remove = async (what: string, path: string) => {
    try {
      await cloudflare.send("DELETE", path);
    } catch (error) {
      if (error instanceof CloudflareError && error.status === 404) return;
      throw error;
    }
    removed.push(what);
  };
  const isOurs = ({ script, service }: { script?: string; service?: string }) => (script ?? service) === name;
  // A queue that also has another Worker as its consumer is not this deployment's alone.
  const ours = (await cloudflare.list<Queue>("/queues")).filter(
    (queue) => queues.includes(queue.queue_name) && (queue.consumers ?? []).every(isOurs),
  );
  for (const { queue_id: id, queue_name: queue, consumers = [] } of ours) {
    for (const { consumer_id: consumer } of consumers) {
      await remove(`consumer of ${queue}`, `/queues/${id}/consumers/${consumer}`);
    }
  }
  await remove(`Worker ${name}`, `/workers/services/${name}?force=true`);
  for (const { queue_id: id, queue_name: queue } of ours) await remove(`queue ${queue}`, `/queues/${id}`);
  const databases = await cloudflare.list<{ uuid: string; name: string }>("/d1/database");
  const found = databases.find((each) => each.name === database);
  if (found !== undefined) await remove(`database ${database}`, `/d1/database/${found.uuid}`);
  return removed;
}

async function isMeant(name: string): Promise<boolean> {
  if (!process.stdin.isTTY) throw new Error(`nobody is there to ask: --yes removes ${name} without a question`);
  const asking = createInterface({ input: process.stdin, output: process.stdout });
  const answer = await asking.question(
    `This removes the Worker ${name} with its database and all tasks in it. Type ${name} to go on: `,
  );
  asking.close();
  return answer.trim() === name;
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { env: { type: "string" }, yes: { type: "boolean" } } });
  const deployment = prepareDeployment(optionsOf({ env: values.env }, USAGE));
  if (!values.yes && !(await isMeant(deployment.name))) return;
  const cloudflare = await connectCloudflare();
  const removed = await destroy(deployment, cloudflare);
  rmSync(join(import.meta.dirname, "../.wrangler/deployed", `${cloudflare.accountId}.${deployment.name}`), {
    force: true,
  });
  const told = removed.map((what) => `Removed the ${what}\n`).join("");
  process.stdout.write(told === "" ? `There is nothing called ${deployment.name}\n` : told);
}

if (import.meta.main) {
  await main().catch((error: unknown) => {
    process.stderr.write(`lovage: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(1);
  });
}
