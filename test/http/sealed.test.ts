/** What is secret, from outside: on the wire, on the disk and through a kill of the whole service. */
import { randomUUID } from "node:crypto";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { AuditEntry } from "../../src/contract/audit.ts";
import { MASK } from "../../src/core/secret.ts";
import { apiOf, type Api } from "./api.ts";
import { startReceiver, type Receiver } from "./receiver.ts";
import { shareServer, type SharedServer } from "./shared-server.ts";
import { listenSse } from "./streams.ts";

let server: SharedServer;
let receiver: Receiver;
let api: Api;

beforeAll(async () => {
  [server, receiver] = await Promise.all([shareServer(), startReceiver()]);
  api = apiOf(server);
});

afterAll(async () => {
  await receiver?.stop();
  await server?.stop();
});

/** The files below the service's state that hold this text. */
function filesWith(text: string): string[] {
  const files = readdirSync(server.persist, { recursive: true, withFileTypes: true });
  return files
    .filter((file) => file.isFile())
    .map((file) => join(file.parentPath, file.name))
    .filter((file) => {
      try {
        return readFileSync(file).includes(text);
      } catch (error) {
        // SQLite removes files of its own at any time.
        if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
        throw error;
      }
    });
}

describe("the header Authorization of http.request", () => {
  it("reaches the target in every attempt, over a kill -9, and no other reader", async () => {
    const secret = randomUUID();
    const seen = randomUUID();
    const hook = await api.post<{ id: string; secret: string }>("/v1/webhooks", { url: `${receiver.origin}/hook` });
    receiver.reply("/api", (nth) => (nth === 1 ? 503 : 200));
    const input = {
      url: `${receiver.origin}/api`,
      method: "POST",
      headers: { AUTHORIZATION: `Bearer ${secret}`, cookie: `c=${secret}`, "x-seen": seen },
    };
    const { id } = await api.submit("http.request", input, { retry: { base: "10s", jitter: "none" } });
    await expect.poll(async () => (await api.read(id)).state).toBe("retrying");
    await server.kill9();
    await server.restart();
    const events = await listenSse(`${server.url}/v1/tasks/${id}/events`, {
      headers: { authorization: `Bearer ${server.key}` },
    });
    await expect.poll(() => receiver.at("/hook").length).toBe(1);

    const sent = receiver.at("/api").map(({ headers }) => [headers["authorization"], headers["cookie"]]);
    expect(sent).toEqual([1, 2].map(() => [`Bearer ${secret}`, `c=${secret}`]));
    const told = [await api.read(id), events.at(-1)?.data, receiver.at("/hook")[0]?.payload.data];
    for (const task of told) {
      expect(task).toMatchObject({
        state: "succeeded",
        input: { headers: { AUTHORIZATION: MASK, cookie: MASK, "x-seen": seen } },
      });
    }
    expect(JSON.stringify([events, receiver.at("/hook")])).not.toContain(secret);
    expect(filesWith(seen)).not.toEqual([]);
    expect(filesWith(secret)).toEqual([]);
    expect(filesWith(hook.body.secret)).toEqual([]);
  });
});

describe("the key that seals", () => {
  it("is kept with the state, for its owner alone", async () => {
    expect(statSync(join(server.persist, "seal-key")).mode & 0o777).toBe(0o600);
    const { body } = await api.get<{ checks: { sealing: unknown } }>("/health");
    expect(body.checks.sealing).toEqual({ ok: true });
  });
});

describe("the audit log", () => {
  it("tells from which address a change came", async () => {
    const { id } = await api.submit("test.noop", null, { delay: "1h" });
    await api.post(`/v1/tasks/${id}/cancel`);
    const { body } = await api.get<{ items: AuditEntry[] }>(`/v1/audit?target=${id}`);
    expect(body.items).toMatchObject([{ action: "task.cancel", actor: { kind: "key", id: server.keyId } }]);
    expect([null, "127.0.0.1", "::1", "::ffff:127.0.0.1"]).toContain(body.items[0]?.ip);
  });
});
