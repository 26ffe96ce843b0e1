/**
 * `npm run serve`: the built Worker on Miniflare's own API, without the development proxy. All state is under one directory.
 * However this process ends, also by `kill -9`, the Workers runtime ends with it, and the same command continues with that state.
 */
import { randomUUID } from "node:crypto";
import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import type { V4WorkerOptions } from "miniflare";
import { migrate } from "../command/dev/database.ts";
import { growAtOnce } from "../command/dev/growing-buffer.ts";
import { endRuntimeWithThisProcess, endWhenAsked } from "../command/dev/process.ts";
import { askPulse, PULSE, pulseWorker } from "../command/dev/pulse.ts";
import { checkDatabases, keepPrivate, STATE } from "../command/dev/state-files.ts";
import { holdState } from "../command/dev/state-lock.ts";
import { dropLinesAbove } from "../command/dev/unshown-lines.ts";
import { fail } from "../command/failure.ts";
import { build, buildStrict } from "./build.ts";
import { readLocalConfig } from "./local-config.ts";
import { sealKeyIn } from "./seal-key.ts";
import { readStrictOptions, STRICT_OPTIONS, STRICT_USAGE } from "./strict/options.ts";
import { LatestReport } from "./strict/report.ts";
import {
  FRONT,
  strictWorkers,
  type StrictOptions,
  type WorkerOptions as StrictWorkerOptions,
} from "./strict/workers.ts";

/** Not imported: Node would first search six megabytes for the names of the exports, which takes as long as running them. */
const { convertV4MiniflareOptions, Log, LogLevel, Miniflare } = createRequire(import.meta.url)(
  "miniflare",
) as typeof import("miniflare");

const root = join(import.meta.dirname, "..");
const READY_WITHIN_MS = 30_000;
const USAGE = `usage: npm run serve -- --port P --persist DIR [--api-key KEY | --api-key-file FILE] [--fixtures] [--allow-loopback] [--allow-origin ORIGIN ...] [--allow-host NAME ...] [--inspector-port P]
  the key: every user of this machine can see --api-key in the list of processes, but not a key in a file or in API_KEY
${STRICT_USAGE}`;

/** The name of the Worker that serves the pages. */
const PAGES = "pages";

/** On the strict platform the cron trigger fires as it does in production. */
const CRON_EVERY_MS = 60_000;

export type ServeOptions = {
  /** 0 picks a free one. */
  port: number;
  /** The directory of all state; wrangler's `--persist-to` takes the same directory. */
  persist: string;
  apiKey: string;
  /** The key that seals secrets; if absent, a key that is kept with the state. */
  sealKey?: string;
  /** The test.* tasks exist, and webhooks may go to loopback addresses. */
  fixtures?: boolean;
  /** Every task may call loopback addresses, `http.request` too. */
  allowLoopback?: boolean;
  /** The demo page's two routes are open to everyone. */
  publicDemo?: boolean;
  /** Origins that may call from a browser. */
  allowOrigins?: string[];
  /** Host names that it answers to, beside those of loopback. */
  allowHosts?: string[];
  /** Where each isolate can be debugged and profiled, by the Chrome DevTools Protocol. */
  inspectorPort?: number;
  /** Production's limits, in several isolates. */
  strict?: StrictOptions | null;
};

/** Builds if needed, starts, and resolves to the address once the service answers. From then on SIGTERM or SIGINT ends this process. */
export async function serve(options: ServeOptions): Promise<{ url: string; stop: () => Promise<void> }> {
  const strict = options.strict ?? null;
  await build();
  if (strict !== null) await buildStrict();
  const persist = resolve(options.persist);
  keepPrivate(persist);
  holdState(persist);
  checkDatabases(persist);
  // Miniflare's temporary files stay below the directory too, so that nothing is left behind elsewhere by a kill.
  const temporary = join(persist, "tmp");
  rmSync(temporary, { recursive: true, force: true });
  mkdirSync(temporary, { recursive: true });
  process.env["TMPDIR"] = temporary;

  endRuntimeWithThisProcess();
  const createServers = dropLinesAbove(LogLevel.ERROR);
  const growAsBefore = growAtOnce();
  const secret = randomUUID();
  const miniflare = new Miniflare(miniflareOptions(options, persist, secret));
  let report: LatestReport | null = null;
  const stop = async () => {
    await report?.print();
    await miniflare.dispose();
    rmSync(temporary, { recursive: true, force: true });
  };
  endWhenAsked(stop);
  try {
    const entry = await miniflare.ready.finally(growAsBefore);
    createServers();
    const { port } = strict === null ? await miniflare.unsafeGetDirectURL() : entry;
    const url = `http://127.0.0.1:${port}`;
    const pulse = String(await miniflare.unsafeGetDirectURL(PULSE));
    const ask = async (what: { statements?: unknown }) => askPulse(pulse, secret, what);
    await migrate(async (statements) => (await ask({ statements })) as unknown[][], readLocalConfig().migrations);
    // Cron triggers never fire by themselves here: this one call wakes the clock after a restart.
    await ask({});
    await untilHealthy(url);
    if (strict !== null) {
      report = new LatestReport(url);
      setInterval(() => void ask({}).catch(() => {}), CRON_EVERY_MS).unref();
    }
    return { url, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

function miniflareOptions(options: ServeOptions, persist: string, secret: string) {
  const { config, worker } = readLocalConfig(options.strict?.plan);
  const bindings = {
    // From wrangler.toml only: .dev.vars is for `wrangler dev`.
    ...config.vars,
    API_KEY: options.apiKey,
    SEAL_KEY: options.sealKey ?? sealKeyIn(persist),
    FIXTURES: options.fixtures ? "1" : "",
    ALLOW_LOOPBACK: options.allowLoopback ? "1" : "",
    PUBLIC_DEMO: options.publicDemo ? "1" : "",
    ALLOW_ORIGINS: (options.allowOrigins ?? []).join(","),
    ALLOW_HOSTS: (options.allowHosts ?? []).join(","),
  };
  const { assets, serviceBindings, ...rest } = worker as V4WorkerOptions;
  const own: V4WorkerOptions = {
    ...rest,
    name: config.name ?? "lovage",
    modules: [{ type: "ESModule" as const, path: join(root, "dist/worker/index.js") }],
    modulesRoot: join(root, "dist/worker"),
    // Every lease that was granted before this moment belongs to a process that is gone.
    bindings: { ...bindings, BOOT_AT: String(Date.now()) },
    serviceBindings: { ...serviceBindings, [assets?.binding ?? "ASSETS"]: PAGES },
    // A socket of the script's own: Miniflare's has a Worker before it that builds each request anew, for Workers that share a port.
    unsafeDirectSockets: [{ host: "127.0.0.1", port: options.port }],
  };
  const workers = options.strict
    ? strictWorkers(config, worker as StrictWorkerOptions, bindings, options.strict)
    : [own, pagesWorker(worker as V4WorkerOptions) as V4WorkerOptions];
  const pulse = pulseWorker({
    database: "DB",
    d1Databases: worker.d1Databases,
    service: options.strict ? FRONT : own.name!,
    secret,
    compatibilityDate: config.compatibility_date,
  });
  return convertV4MiniflareOptions({
    workers: [...workers, pulse],
    host: "127.0.0.1",
    port: options.strict ? options.port : 0,
    ...(options.inspectorPort === undefined ? {} : { inspectorPort: options.inspectorPort }),
    resourcePersistencePath: join(persist, STATE),
    cf: false,
    telemetry: { enabled: false },
    logRequests: false,
    unsafeLocalExplorer: false,
    unsafeObservability: false,
    log: new ErrorLog(LogLevel.ERROR),
    handleStructuredLogs: ({ message }) => process.stderr.write(`${message}\n`),
  });
}

/**
 * A separate Worker for the pages. With assets on the service's own script, Miniflare would send each request through its two asset
 * Workers before the script, which decides itself which requests are for pages.
 */
function pagesWorker({ compatibilityDate, assets }: V4WorkerOptions) {
  const contents = `export default { fetch: (request, env) => env.${assets?.binding}.fetch(request) };`;
  return {
    name: PAGES,
    compatibilityDate,
    modules: [{ type: "ESModule" as const, path: join(root, "pages.js"), contents }],
    modulesRoot: root,
    assets,
  };
}

class ErrorLog extends Log {
  override log(message: string): void {
    process.stderr.write(`${message}\n`);
  }
}

async function untilHealthy(url: string): Promise<void> {
  const deadline = Date.now() + READY_WITHIN_MS;
  for (;;) {
    const response = await fetch(`${url}/health`, { signal: AbortSignal.timeout(READY_WITHIN_MS) });
    if (response.ok) return;
    const reason = await response.text();
    if (Date.now() > deadline)
      throw new Error(`not healthy after ${READY_WITHIN_MS / 1000} s: ${response.status} ${reason.slice(0, 500)}`);
    await new Promise((done) => setTimeout(done, 100));
  }
}

/** The API key, from exactly one source. That of the environment is not passed on to child processes. */
function readKey(argument: string | undefined, file: string | undefined): string {
  const { API_KEY: inherited } = process.env;
  delete process.env["API_KEY"];
  if (argument !== undefined && file !== undefined) throw new Error("give --api-key or --api-key-file, not both");
  const key = argument ?? (file === undefined ? inherited : readFileSync(file, "utf8").trim());
  if (key === "" && file !== undefined) throw new Error(`${file} holds no key`);
  if (!key) throw new Error(USAGE);
  return key;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      port: { type: "string" },
      persist: { type: "string" },
      "api-key": { type: "string" },
      "api-key-file": { type: "string" },
      fixtures: { type: "boolean", default: false },
      "allow-loopback": { type: "boolean", default: false },
      "allow-origin": { type: "string", multiple: true, default: [] },
      "allow-host": { type: "string", multiple: true, default: [] },
      "inspector-port": { type: "string" },
      ...STRICT_OPTIONS,
    },
  });
  const port = Number(values.port);
  if (!values.port || !values.persist || !Number.isInteger(port) || port < 0 || port > 65_535) throw new Error(USAGE);

  const apiKey = readKey(values["api-key"], values["api-key-file"]);

  const { url } = await serve({
    port,
    persist: values.persist,
    apiKey,
    ...(process.env["SEAL_KEY"] ? { sealKey: process.env["SEAL_KEY"] } : {}),
    fixtures: values.fixtures,
    allowLoopback: values["allow-loopback"],
    publicDemo: values.fixtures,
    allowOrigins: values["allow-origin"],
    allowHosts: values["allow-host"],
    ...(values["inspector-port"] === undefined ? {} : { inspectorPort: Number(values["inspector-port"]) }),
    strict: readStrictOptions(values),
  });
  process.stdout.write(`ready ${url}\n`);
}

// Node 24.0 knows no `import.meta.main`.
if (import.meta.main ?? process.argv[1] === import.meta.filename) await main().catch(fail);
