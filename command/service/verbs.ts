/** `lovage submit`, `explain` and `keys`: one call each. */

import { text } from "node:stream/consumers";
import type { NewKey } from "../../src/contract/key.ts";
import type { TaskResource } from "../../src/contract/task.ts";
import { Failure } from "../failure.ts";
import { defineVerb } from "../verb.ts";
import { SERVICE, talk, type Service } from "./connect.ts";
import { eventLine, stateText, table, taskLine } from "./lines.ts";

export const submit = defineVerb({
  name: "submit",
  description: "Submits a task",
  args: {
    task: { type: "positional", description: "The task's name", required: true },
    input: {
      type: "positional",
      description: "Its input as JSON; - reads it from the standard input",
      required: false,
    },
    wait: { type: "boolean", description: "Waits for the end, and prints the result alone", default: false },
    follow: { type: "boolean", description: "Prints what happens until the end", default: false },
    lane: { type: "string", description: "high, default, bulk or long" },
    delay: { type: "string", description: "When to start, such as 10m" },
    "idempotency-key": { type: "string", description: "Makes repeated commands one task" },
    ...SERVICE,
  },
  run: async ({ task, input, wait, follow, lane, delay, "idempotency-key": key, ...service }) => {
    const value = await inputOf(input);
    const options = { ...given({ lane, delay }), ...given({ idempotencyKey: key }) };
    await talk(service, async ({ client }) => {
      const submitted = (await client.submit(task, ...([value, options] as unknown as []))) as TaskResource;
      if (!wait && !follow) {
        console.log(taskLine({ ...submitted, updatedAt: submitted.createdAt }));
        return;
      }
      let ended: TaskResource | null = null;
      for await (const event of client.events(submitted.id)) {
        if (follow) console.log(eventLine(event));
        if (event.type === "done") ended = event.data;
      }
      if (ended?.state !== "succeeded") throw new Failure(whyEnded(ended, submitted.id));
      if (wait) console.log(JSON.stringify(ended.result, null, 2));
    });
  },
});

function whyEnded(ended: TaskResource | null, id: string): string {
  if (ended === null) return `the event stream of ${id} ended before the task did`;
  return `${id} ended ${ended.state}${ended.error === null ? "" : `: ${ended.error.type}: ${ended.error.message}`}`;
}

async function inputOf(given: string | undefined): Promise<unknown> {
  if (given === undefined) return undefined;
  const json = given === "-" ? await text(process.stdin) : given;
  try {
    return JSON.parse(json) as unknown;
  } catch (error) {
    throw new Failure(
      `the input is not valid JSON (${(error as Error).message}): write it as '{"name": "Ada"}', or - to read it`,
    );
  }
}

/** The values without those that were not given. */
function given<T extends Record<string, string | undefined>>(values: T): Partial<Record<keyof T, string>> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as never;
}

export const explain = defineVerb({
  name: "explain",
  description: "Says why a task is where it is",
  args: { task: { type: "positional", description: "The task's id", required: true }, ...SERVICE },
  run: async ({ task, ...service }) =>
    talk(service, async ({ client }) => {
      const { state, summary, reasons, estimatedStartAt, estimatedEndAt } = await client.explain(task);
      console.log(`${stateText(state)}  ${summary}`);
      for (const { code, ...more } of reasons) console.log(`  ${code}  ${JSON.stringify(more)}`);
      if (estimatedStartAt !== null) console.log(`  likely to start at ${estimatedStartAt}`);
      if (estimatedEndAt !== null) console.log(`  likely to end at ${estimatedEndAt}`);
    }),
});

export const keys = defineVerb({
  name: "keys",
  description: "Lists the keys, makes one or revokes one",
  args: {
    action: { type: "positional", description: "list, create or revoke", default: "list" },
    id: { type: "positional", description: "The id of the key to revoke", required: false },
    name: { type: "string", description: "What the new key is for" },
    scopes: { type: "string", description: "What it may do, such as submit,read" },
    tenant: { type: "string", description: "The key's tenant; `default` unless given" },
    expires: { type: "string", description: "Until when it holds, such as 2027-01-31T00:00:00Z" },
    ...SERVICE,
  },
  run: async ({ action, id, name, scopes, tenant, expires, ...service }) => {
    const known = { list: listKeys, create: createKey, revoke: revokeKey };
    if (!Object.hasOwn(known, action))
      throw new Failure(
        `lovage keys has no ${JSON.stringify(action)}: list, create or revoke, as in lovage keys revoke key_…`,
      );
    const verb = known[action as keyof typeof known];
    if (verb === createKey && (name === undefined || scopes === undefined)) {
      throw new Failure("a new key needs --name and --scopes, such as --name checkout --scopes submit,read");
    }
    if (verb === revokeKey && id === undefined) throw new Failure("say which key: lovage keys revoke key_…");
    const asked = {
      ...given({ name, tenant, expiresAt: expires }),
      scopes: (scopes ?? "").split(",").map((scope) => scope.trim()),
    } as NewKey;
    await talk(service, async (found) => verb(found, { id: id ?? "", asked }));
  },
});

interface KeyCall {
  id: string;
  asked: NewKey;
}

async function listKeys({ client }: Service): Promise<void> {
  const rows: string[][] = [];
  for await (const key of client.keys.list()) {
    const state = key.revokedAt === null ? (key.expiresAt ?? "") : "revoked";
    rows.push([key.id, key.name, key.tenant, key.scopes.join(","), key.createdAt.slice(0, 10), state]);
  }
  console.log(
    rows.length === 0
      ? "There are no keys but the service's own"
      : table(["key", "name", "tenant", "scopes", "made", "ends"], rows),
  );
}

async function createKey({ client }: Service, { asked }: KeyCall): Promise<void> {
  const { id, key } = await client.keys.create(asked);
  console.log(`${key}\n`);
  console.error(`That is the key ${id}, shown this once.`);
}

async function revokeKey({ client }: Service, { id }: KeyCall): Promise<void> {
  await client.keys.revoke(id);
  console.log(`Revoked ${id}`);
}
