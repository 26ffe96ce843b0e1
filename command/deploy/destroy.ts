/** Removes a deployment from its account with all its data. It can be repeated. */
import { CloudflareError, type Cloudflare } from "./cloudflare.ts";
import type { Deployment } from "./deployment.ts";
import { isLovageQueue } from "./plan-config.ts";

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
  // A queue of the application's own stays, and so does one that also has another Worker as its consumer.
  const ours = (await cloudflare.list<Queue>("/queues")).filter(
    (queue) =>
      queues.includes(queue.queue_name) && isLovageQueue(queue.queue_name) && (queue.consumers ?? []).every(isOurs),
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
