/** Servers that the test files of one process use one after another: a start costs several seconds of CPU. */

import { randomUUID } from "node:crypto";
import { mkdtemp } from "node:fs/promises";
import { join } from "node:path";
import { inject } from "vitest";
import { startServer, type Server } from "./server.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** The directory that the state of these servers goes to; it is removed when the tests are over. */
    sharedState: string;
  }
}

/** A server that one test file has for itself while it runs; what earlier files have left belongs to tenants of theirs. */
export type SharedServer = {
  url: string;
  /** With every scope, of a tenant that is this file's own. */
  key: string;
  /** What the audit log calls that key. */
  keyId: string;
  /** The same with the deployment's key: for lanes, and for keys of other tenants. */
  root: { url: string; key: string };
  /** The directory of its state, which earlier files have used too. */
  persist: string;
  /** What it has written to its error output in its whole life, the last of it. */
  stderr: () => string;
  /** Ends every process of it at once, with no chance to tidy. */
  kill9(): Promise<void>;
  /** Starts it again on the same port and state. */
  restart(): Promise<void>;
  /** Leaves it to the next file. */
  stop(): Promise<void>;
};

/** Those that no file uses at the moment. They end with this process. */
const idle: Server[] = [];

/** For test files that need no options. Tenants that one names beside its own are in no other file. */
export async function shareServer(): Promise<SharedServer> {
  const server = idle.pop() ?? (await startNew());
  const { url, persist } = server;
  const tenant = `file-${randomUUID()}`;
  const made = await fetch(`${url}/v1/keys`, {
    method: "POST",
    headers: { authorization: `Bearer ${server.key}`, "content-type": "application/json" },
    body: JSON.stringify({ name: tenant, tenant, scopes: ["admin"] }),
  });
  if (made.status !== 201) throw new Error(`no key for a test file: ${made.status} ${await made.text()}`);
  const { key, id: keyId } = (await made.json()) as { key: string; id: string };
  let isDead = false;
  return {
    url,
    key,
    keyId,
    root: server,
    persist,
    stderr: () => server.stderr(),
    kill9: async () => {
      isDead = true;
      await server.kill9();
    },
    restart: async () => {
      await server.restart();
      isDead = false;
    },
    // One that a failing test has left dead is for nobody.
    stop: async () => void (isDead || idle.push(server)),
  };
}

async function startNew(): Promise<Server> {
  // Some send their own receivers requests by `http.request`.
  return startServer({ persist: await mkdtemp(join(inject("sharedState"), "server-")), allowLoopback: true });
}
