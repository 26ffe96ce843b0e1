/** A small Worker beside the service. It shows whether the runtime answers, and runs statements and the cron trigger for this process. */

import type { V4WorkerOptions } from "miniflare";

/** Its name among the Workers of the runtime. */
export const PULSE = "lovage-pulse";

/**
 * Miniflare's own proxies of a database and of a Worker make one call after the other and block this process meanwhile: that
 * takes half of a start, and a runtime that is held up never answers.
 */
const scriptFor = (database: string) => `export default {
  async fetch(request, env) {
    if (request.method === "GET") return new Response("alive");
    if (request.headers.get("authorization") !== env.SECRET) return new Response("", { status: 403 });
    try {
      const { statements } = await request.json();
      if (statements === undefined) return Response.json(await env.SERVICE.scheduled({ cron: "* * * * *" }));
      const db = env[${JSON.stringify(database)}];
      const answers = await db.batch(statements.map(([sql, ...values]) => db.prepare(sql).bind(...values)));
      return Response.json(answers.map(({ results }) => results));
    } catch (error) {
      return new Response(String(error.message), { status: 500 });
    }
  },
};`;

export interface PulseOptions {
  /** The binding of the database. */
  database: string;
  d1Databases: unknown;
  /** The name of the Worker whose cron trigger it fires. */
  service: string;
  /** Shows that a request comes from this process: the port is open to every program on this machine. */
  secret: string;
  compatibilityDate: string | undefined;
}

export function pulseWorker(options: PulseOptions): V4WorkerOptions {
  const { database, d1Databases, service, secret, compatibilityDate } = options;
  return {
    name: PULSE,
    modules: true,
    script: scriptFor(database),
    compatibilityDate,
    compatibilityFlags: ["service_binding_extra_handlers"],
    bindings: { SECRET: secret },
    serviceBindings: { SERVICE: service },
    d1Databases,
    unsafeDirectSockets: [{ host: "127.0.0.1", port: 0 }],
  } as V4WorkerOptions;
}

/** Runs statements in one transaction and answers the rows of each; without statements, fires the cron trigger. */
export async function askPulse(url: string, secret: string, what: { statements?: unknown }): Promise<unknown> {
  const response = await fetch(url, {
    method: "POST",
    headers: { authorization: secret },
    body: JSON.stringify(what),
  });
  if (!response.ok) throw new Error(await response.text());
  return response.json();
}
