/** What a definition calls secret: whole to the handler, and nowhere else. */
import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, it, onTestFinished } from "vitest";
import type { FlowResource } from "../../src/contract/flow.ts";
import type { TaskResource } from "../../src/contract/task.ts";
import { MASK } from "../../src/core/secret.ts";
import { runSchedule } from "../../src/engine/schedules/run.ts";
import { open, seal } from "../../src/engine/sealing/seal.ts";
import { sealEndpoints } from "../../src/clock/sealing.ts";
import { endpointSecrets } from "../../src/engine/webhooks/secret.ts";
import { readWebhook } from "../../src/results/webhooks/read.ts";
import { AssembledWorker } from "./assembled-worker.ts";
import type { Execute } from "./database-over.ts";
import { isOfSums } from "./isolate-sums.ts";

let service: AssembledWorker;
let secret: string;
let told: string[];

beforeEach(() => {
  service = new AssembledWorker();
  secret = `s3cret-${crypto.randomUUID()}`;
  told = [];
});

/** All that lies in D1, as text. */
async function stored(): Promise<string> {
  const { results: tables } = await env.DB.prepare(
    "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE '\\_%' ESCAPE '\\' AND name NOT LIKE 'sqlite%'",
  ).all<{ name: string }>();
  const all = await env.DB.batch(
    tables.map(({ name }) =>
      env.DB.prepare(name === "tasks" ? "SELECT *, json(node) AS node FROM tasks" : `SELECT * FROM ${name}`),
    ),
  );
  return JSON.stringify(all.map(({ results }) => results));
}

/** A request whose answer is remembered, whatever it is. */
async function ask<T>(
  path: string,
  init: Parameters<AssembledWorker["fetch"]>[1] = {},
): Promise<{ status: number; body: T }> {
  const response = await service.fetch(path, init);
  const text = await response.text();
  told.push(text);
  return { status: response.status, body: (text === "" ? null : JSON.parse(text)) as T };
}

const post = <T>(path: string, body?: unknown, headers: Record<string, string> = {}) =>
  ask<T>(path, { method: "POST", body, headers });

async function submit(input: unknown, options: unknown = {}, task = "test.secret"): Promise<TaskResource> {
  const { status, body } = await post<TaskResource>("/v1/tasks", { task, input, options });
  expect({ status, body }).toMatchObject({ status: 202 });
  return body;
}

async function run(rounds = 6): Promise<void> {
  for (let i = 0; i < rounds; i++) {
    await service.deliver();
    await service.tick(Date.now() + 60_000);
  }
}

const read = async (id: string) => (await ask<TaskResource>(`/v1/tasks/${id}`)).body;

/** The secret is in nothing that was stored or told. */
async function expectHidden(): Promise<void> {
  expect(await stored()).not.toContain(secret);
  expect(told.join("\n")).not.toContain(secret);
}

describe("a secret field", () => {
  it("is whole to the handler, and masked to every reader of the task", async () => {
    const { id, input } = await submit({ token: secret, pins: [{ pin: `${secret}-1` }], note: "seen" });
    expect(input).toEqual({ token: MASK, pins: [{ pin: MASK }], note: "seen" });
    await run();
    expect(await read(id)).toMatchObject({
      state: "succeeded",
      input: { token: MASK, pins: [{ pin: MASK }], note: "seen" },
      result: { token: MASK, length: secret.length, pins: 1 },
    });
    await ask("/v1/tasks?limit=200");
    await ask(`/v1/tasks/${id}/explain`);
    const { body } = await ask<{ items: { type: string; data: unknown }[] }>(`/v1/tasks/${id}/events`);
    expect(body.items.find(({ type }) => type === "log")?.data).toMatchObject({ message: `the token is ${MASK}` });
    await expectHidden();
  });

  it("is in no error, of whatever attempt, and is kept by a retry", async () => {
    const { id } = await submit({ token: secret, failures: 1 }, { maxAttempts: 1 });
    await run();
    expect(await read(id)).toMatchObject({ state: "failed", error: { message: `the token ${MASK} is refused` } });
    expect((await post(`/v1/tasks/${id}/retry`)).status).toBe(202);
    await run();
    expect(await read(id)).toMatchObject({ state: "succeeded", result: { length: secret.length } });
    await expectHidden();
  });

  it("is replaced by that of a new input", async () => {
    const { id } = await submit({ token: secret, failures: 1 }, { maxAttempts: 1 });
    await run();
    expect((await post(`/v1/tasks/${id}/retry`, { input: { token: `${secret}${secret}` } })).status).toBe(202);
    await run();
    expect(await read(id)).toMatchObject({ result: { length: 2 * secret.length } });
    await expectHidden();
  });

  it("is not quoted where the input is refused", async () => {
    secret = "abc";
    const { status, body } = await post<{ errors: unknown[] }>("/v1/tasks", {
      task: "test.secret",
      input: { token: secret },
    });
    expect([status, body.errors]).toEqual([422, [{ pointer: "/input/token", detail: "too short: abc" }]]);
    const long = "x".repeat(17_000);
    expect((await post("/v1/tasks", { task: "test.secret", input: { token: long } })).status).toBe(413);
  });

  it("costs no row: the four of a plain task are all", async () => {
    const rowsOf = async (task: string, input: unknown) => {
      let rows = 0;
      const counted =
        (execute: Execute): Execute =>
        async (statements) => {
          const results = await execute(statements);
          for (const [i, { meta }] of results.entries()) {
            if (!isOfSums(statements[i]!.sql)) rows += meta.rows_written;
          }
          return results;
        };
      service = new AssembledWorker({ database: counted });
      await submit(input, {}, task);
      await service.deliver();
      return rows;
    };
    expect(await rowsOf("test.noop", null)).toBe(4);
    expect(await rowsOf("test.secret", { token: secret, quiet: true })).toBe(4);
  });

  it("of members of a batch, of children and of flows goes where it belongs, and nowhere else", async () => {
    const node = (input: unknown) => ({ task: "test.secret", input });
    const batch = await post<{ items: { task: TaskResource }[] }>("/v1/tasks/batch", {
      tasks: [node({ token: secret }), { task: "test.noop" }, node({ token: "no" })],
    });
    const { body: flow } = await post<FlowResource>("/v1/flows", {
      chain: [
        node({ token: secret }),
        // Sealed beside a reference, and passed on from a sealed result.
        { task: "test.secret", input: { token: { $from: "previous", path: "/token" }, pins: [{ pin: `${secret}!` }] } },
      ],
      onError: node({ token: secret }),
    });
    const parent = await submit({ task: "test.vault", input: { token: secret, owner: "o" }, n: 1 }, {}, "test.spawn");
    await run(10);
    expect(await read(batch.body.items[0]!.task.id)).toMatchObject({ result: { length: secret.length } });
    expect((await ask<FlowResource>(`/v1/flows/${flow.id}`)).body).toMatchObject({
      state: "succeeded",
      result: { token: MASK, length: secret.length, pins: 1 },
      nodes: [
        { task: { input: { token: MASK } } },
        { task: { input: { token: { $from: "previous" }, pins: [{ pin: MASK }] } } },
      ],
    });
    expect(await read(parent.id)).toMatchObject({ state: "succeeded", result: [{ length: secret.length }] });
    await ask(`/v1/flows/${flow.id}/events`);
    // The parent itself calls nothing secret, so it shows what it was given.
    told = told.filter((text) => !text.includes(parent.id));
    await env.DB.prepare("DELETE FROM tasks WHERE id = ?1").bind(parent.id).run();
    await expectHidden();
  });

  it("of the task that runs when a flow fails is there when it does", async () => {
    const { body: flow } = await post<FlowResource>("/v1/flows", {
      chain: [{ task: "test.fail", input: { message: "no", retryable: false } }],
      onError: { task: "test.secret", input: { token: secret } },
    });
    await run(10);
    const { body } = await ask<FlowResource>(`/v1/flows/${flow.id}`);
    expect(body.nodes.map(({ task }) => task.result)).toContainEqual({ token: MASK, length: secret.length, pins: 0 });
    await expectHidden();
  });

  it("is the last one's where submissions are debounced", async () => {
    const options = { debounce: { key: crypto.randomUUID(), wait: "1s" } };
    const { id } = await submit({ token: "the first one" }, options);
    expect((await submit({ token: secret }, options)).id).toBe(id);
    await run();
    expect(await read(id)).toMatchObject({ state: "succeeded", result: { length: secret.length } });
    await expectHidden();
  });

  it("tells nothing by the names under which runs are shared and limited", async () => {
    const input = { token: secret, owner: "ada" };
    const { id } = await submit(input, {}, "test.vault");
    expect((await submit(input, {}, "test.vault")).id).toBe(id);
    expect((await submit({ ...input, token: `${secret}?` }, {}, "test.vault")).id).not.toBe(id);
    // The name is made with the key, so that secrets cannot be tried without it.
    service.env.SEAL_KEY = `next:${new Uint8Array(32).fill(1).toBase64()},${env.SEAL_KEY}`;
    expect((await submit(input, {}, "test.vault")).id).not.toBe(id);
    service.env.SEAL_KEY = env.SEAL_KEY!;
    const { body } = await ask<{ items: { key: string }[] }>("/v1/limits?task=test.vault");
    const keys = body.items.map(({ key }) => key);
    expect(keys).toContain("ada");
    expect(keys.filter((key) => key?.startsWith("test:"))).toHaveLength(2);
    await expectHidden();
  });

  it("is compared in a repeated request, by a digest from which it cannot be guessed", async () => {
    const body = { task: "test.secret", input: { token: secret } };
    const key = { "idempotency-key": crypto.randomUUID() };
    const first = await post<TaskResource>("/v1/tasks", body, key);
    expect((await post<TaskResource>("/v1/tasks", body, key)).body.id).toBe(first.body.id);
    expect((await post("/v1/tasks", { ...body, input: { token: `${secret}!` } }, key)).status).toBe(422);
    // As the key before the first one has written it.
    service.env.SEAL_KEY = `next:${new Uint8Array(32).fill(1).toBase64()},${env.SEAL_KEY}`;
    expect((await post<TaskResource>("/v1/tasks", body, key)).body.id).toBe(first.body.id);
    const plain = JSON.stringify(body, (_, value: unknown) =>
      typeof value === "object" && value !== null
        ? Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1)))
        : value,
    );
    const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(`/v1/tasks\n${plain}`));
    expect(await stored()).not.toContain(new Uint8Array(digest).toBase64());
    await expectHidden();
  });

  it("of a schedule is its ticks', and putting the same again changes nothing", async () => {
    const id = `s-${crypto.randomUUID()}`;
    const put = () =>
      ask<{ input: unknown; updatedAt: string }>(`/v1/schedules/${id}`, {
        method: "PUT",
        body: {
          every: "1h",
          task: "test.secret",
          input: { token: secret },
          options: { webhook: { url: "http://127.0.0.1:9/", secret: whsec } },
        },
      });
    const whsec = `whsec_${crypto.getRandomValues(new Uint8Array(24)).toBase64()}`;
    const made = await put();
    expect([made.status, made.body.input]).toEqual([201, { token: MASK }]);
    expect(await put()).toEqual({ status: 200, body: made.body });
    const task = await runSchedule(service.env, "default", id, Date.now());
    await run();
    expect(await read(task!.id)).toMatchObject({ state: "succeeded", result: { length: secret.length } });
    await service.tick(Date.now() + 3_600_000);
    await run();
    const { body } = await ask<{ items: TaskResource[] }>(`/v1/tasks?tag.schedule=${id}&state=succeeded`);
    expect(body.items).toHaveLength(2);
    expect(await stored()).not.toContain(whsec);
    await expectHidden();
  });

  it("is refused where there is no key, and everything else goes on", async () => {
    service.env.SEAL_KEY = "";
    const body = { task: "http.request", input: { url: "https://example.com/", headers: { AUTHORIZATION: secret } } };
    expect(await post("/v1/tasks", body)).toMatchObject({ status: 503, body: { type: "/problems/seal-key-missing" } });
    expect((await post("/v1/flows", { chain: [body] })).status).toBe(503);
    expect((await ask("/v1/schedules/x", { method: "PUT", body: { ...body, every: "1h" } })).status).toBe(503);
    const without = { ...body, input: { url: "https://example.com/" } };
    const { body: batch } = await post<{ items: { status: number }[] }>("/v1/tasks/batch", { tasks: [body, without] });
    expect(batch.items.map(({ status }) => status)).toEqual([503, 202]);
    await expectHidden();
  });
});

describe("what is sealed", () => {
  it("opens beside the words that it was taken out of, and nowhere else", async () => {
    const sealed = await seal(env, ["input", "t", "x", "{}"], "text");
    expect(await open(env, ["input", "t", "x", "{}"], sealed)).toBe("text");
    for (const binding of [
      ["input", "u", "x", "{}"],
      ["input", "t", "y", "{}"],
      ["input", "t", "x", "[]"],
      ["result", "t", "x", "{}"],
    ] as const) {
      await expect(open(env, [...binding], sealed)).rejects.toThrow("belongs to something else");
    }
  });

  it("opens under an older key, and waits where its key is missing", async () => {
    const { id } = await submit({ token: secret });
    service.env.SEAL_KEY = `next:${new Uint8Array(32).fill(1).toBase64()}`;
    await service.deliver();
    expect(await read(id)).toMatchObject({ state: "scheduled", attempts: [{ outcome: "snoozed" }] });
    service.env.SEAL_KEY = `${env.SEAL_KEY},${service.env.SEAL_KEY}`;
    await run();
    expect(await read(id)).toMatchObject({ state: "succeeded", result: { length: secret.length } });
  });

  it("fails at once where it was moved to another input", async () => {
    const { id } = await submit({ token: secret, note: "mine" });
    await env.DB.prepare("UPDATE tasks SET input = replace(input, 'mine', 'theirs') WHERE id = ?1").bind(id).run();
    await run();
    expect(await read(id)).toMatchObject({ state: "failed", attempt: 1, error: { type: "SealError" } });
  });
});

describe("the secrets of webhooks", () => {
  const whsec = () => `whsec_${crypto.getRandomValues(new Uint8Array(32)).toBase64()}`;

  it("are sealed where they are stored, and known where messages are signed", async () => {
    const made = await post<{ id: string; secret: string }>("/v1/webhooks", { url: "http://127.0.0.1:9/" });
    const { body: standard } = await ask<{ secret: string }>("/v1/webhooks/default");
    const rotated = await post<{ secret: string }>(`/v1/webhooks/${made.body.id}/rotate`);
    const own = whsec();
    await submit({ token: "whatever" }, { webhook: { url: "http://127.0.0.1:9/", secret: own } });
    await run();
    const all = await stored();
    for (const each of [made.body.secret, standard.secret, rotated.body.secret, own]) {
      expect(each).toMatch(/^whsec_/);
      expect(all).not.toContain(each);
    }
    const row = (await readWebhook(env.DB, "default", made.body.id))!;
    const known = (await endpointSecrets(env, row)).map((each) => each.secret);
    expect(known).toEqual([rotated.body.secret, made.body.secret]);
    expect((await ask<{ secret: string }>("/v1/webhooks/default")).body).toEqual(standard);
    // The delivery reached for the receiver: it was signed.
    const { body } = await ask<{ items: { attempts: { error: string }[] }[] }>("/v1/webhooks/default/deliveries");
    expect(body.items[0]!.attempts[0]!.error).not.toContain("seal");
  });

  it("from before there was a key, or under an older one, are sealed by the clock in pieces", async () => {
    const tenant = `t-${crypto.randomUUID()}`;
    const secrets = Array.from({ length: 25 }, whsec);
    const insert = env.DB.prepare(
      "INSERT INTO webhooks (tenant, id, url, events, description, payload, secrets, created_at) VALUES (?1, ?2, '', '[]', '', 'full', ?3, 0)",
    );
    await env.DB.batch(
      secrets.map((each, i) => insert.bind(tenant, `whk_${i}`, JSON.stringify([{ secret: each, expiresAt: null }]))),
    );
    onTestFinished(
      async () => void (await env.DB.prepare("DELETE FROM webhooks WHERE tenant = ?1").bind(tenant).run()),
    );
    const kv = new Map<string, unknown>();
    const memory = { get: (key: string) => kv.get(key), put: (key: string, value: unknown) => void kv.set(key, value) };
    const sealAll = async (sealing: Env) => {
      let rounds = 1;
      while ((await sealEndpoints(sealing, memory as unknown as SyncKvStorage, Date.now())) !== null) rounds++;
      return rounds;
    };
    expect(await sealAll(env)).toBeGreaterThan(2);
    for (const each of secrets) expect(await stored()).not.toContain(each);
    const rotated = { ...env, SEAL_KEY: `next:${new Uint8Array(32).fill(1).toBase64()},${env.SEAL_KEY}` };
    await sealAll(rotated);
    const last = { ...env, SEAL_KEY: rotated.SEAL_KEY.split(",")[0]! };
    const row = (await readWebhook(env.DB, tenant, "whk_7"))!;
    expect((await endpointSecrets(last, row))[0]!.secret).toBe(secrets[7]);
  });
});
