/** The client as its users make it, for the tasks that the tests drive. */
import { createClient, type Client } from "../../src/client/index.ts";
import type { ClientOptions } from "../../src/client/index.ts";
import type { fixtures } from "../../src/app/fixtures/index.ts";
import type { processItem } from "../../src/app/tasks/process-item.ts";

export type TestTasks = readonly [typeof processItem, ...typeof fixtures];

export function clientOf(
  { url, key }: { url: string; key: string },
  options: Partial<ClientOptions> = {},
): Client<TestTasks> {
  return createClient<TestTasks>({ baseUrl: url, apiKey: key, ...options });
}

/** All of an iteration. */
export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}
