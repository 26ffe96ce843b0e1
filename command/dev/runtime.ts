/** The Workers runtime of the loop: a Worker that can be swapped, and a pulse that tells whether the runtime answers. */

import { randomUUID } from "node:crypto";
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Miniflare, V4WorkerOptions } from "miniflare";
import { Failure } from "../failure.ts";
import { databaseOf, type Loaded, type Tools } from "../project.ts";
import { MODULE, type Bundle } from "./bundle.ts";
import { migrate } from "./database.ts";
import { growAtOnce } from "./growing-buffer.ts";
import type { RuntimeProcess } from "./process.ts";
import { askPulse, PULSE, pulseWorker } from "./pulse.ts";
import { STATE } from "./state-files.ts";
import type { Terminal } from "./terminal.ts";

const HEALTHY_WITHIN_MS = 60_000;

/** The modules of a Worker are loaded within this time, or not at all. */
const LOADED_WITHIN_MS = 60_000;

const ENDED_WITHIN_MS = 3_000;

/** The name of the Worker that serves the pages. */
const PAGES = "lovage-pages";

export interface RuntimeOptions {
  port: number;
  persist: string;
  /** Bindings beside those of the configuration. */
  vars: Record<string, string>;
  /** Called when Miniflare was started. */
  started: () => void;
}

export class Runtime {
  /** Increases with each start. */
  generation = 0;
  /** When it was started, in ms since the epoch. */
  bootAt = 0;
  /** Whether the service was healthy since the first start. */
  wasOpen = false;
  readonly #tools: Tools;
  readonly #options: RuntimeOptions;
  readonly #terminal: Terminal;
  readonly #process: RuntimeProcess;
  #miniflare: Miniflare | null = null;
  #gone: Promise<unknown> = Promise.resolve();
  #port: number;
  #pulse = "";
  /** Shows the pulse that a request comes from this process: its port is open to every program on this machine. */
  readonly #secret = randomUUID();
  #isUp = false;
  /** The migrations that were applied to the database. */
  #applied: Loaded["migrations"] | null = null;

  constructor(tools: Tools, options: RuntimeOptions, terminal: Terminal, process: RuntimeProcess) {
    this.#tools = tools;
    this.#options = options;
    this.#terminal = terminal;
    this.#process = process;
    this.#port = options.port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  get pid(): number {
    return this.#process.pid;
  }

  /** Whether it has loaded its Worker, and was not ended since: if its process ends now, it has crashed. */
  get isUp(): boolean {
    return this.#isUp;
  }

  /**
   * Runs this bundle from now on. Attempts that run are cut off, as by a deployment; their tasks continue in new attempts.
   * `isSwap`: it replaces other code. Throws the runtime's error where it refuses the bundle.
   */
  async run(loaded: Loaded, bundle: Bundle, isSwap: boolean): Promise<void> {
    this.#isUp = false;
    this.generation++;
    this.bootAt = Date.now();
    this.#terminal.running.clear();
    await this.#gone;
    const temporary = join(this.#options.persist, "tmp");
    mkdirSync(temporary, { recursive: true });
    process.env["TMPDIR"] = temporary;
    const options = this.#miniflareOptions(loaded, bundle, isSwap);
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      this.#process.kill();
    }, LOADED_WITHIN_MS);
    const growAsBefore = growAtOnce();
    try {
      if (this.#miniflare === null) this.#miniflare = new this.#tools.miniflare.Miniflare(options);
      else await this.#miniflare.setOptions(options);
      this.#options.started();
      this.#port = Number((await this.#miniflare.ready).port);
      this.#pulse = String(await this.#miniflare.unsafeGetDirectURL(PULSE));
      this.#isUp = true;
    } catch (error) {
      if (!isLate) throw error;
      const seconds = LOADED_WITHIN_MS / 1_000;
      throw new Failure(
        `the Worker's modules were not loaded within ${seconds} s: look for an endless loop outside of the handlers`,
      );
    } finally {
      growAsBefore();
      clearTimeout(timer);
    }
  }

  /** Ends the runtime's process at once. Calls that wait for an answer of it fail. */
  kill(): void {
    this.#isUp = false;
    this.#process.kill();
  }

  /** Gives up a runtime that does not answer. The next `run` begins a new one. */
  abandon(): void {
    const miniflare = this.#miniflare;
    this.#miniflare = null;
    this.#pulse = "";
    this.kill();
    // Only then is the port free: meanwhile Miniflare may have begun to start it anew.
    const disposed = miniflare?.dispose().catch(() => {});
    const late = new Promise((done) => setTimeout(done, ENDED_WITHIN_MS));
    this.#gone = Promise.race([disposed, late]).then(() => this.#process.kill());
  }

  /** Brings the database to the schema, wakes the clock, and resolves once the service is healthy. */
  async open({ migrations }: Loaded): Promise<void> {
    if (this.#applied !== migrations) {
      await migrate(async (statements) => (await this.#ask({ statements })) as unknown[][], migrations);
      this.#applied = migrations;
    }
    // Cron triggers never fire by themselves here.
    const waking = this.#ask({});
    if (!this.wasOpen) {
      await waking;
      // Only now it is known at which path the service is mounted.
      await this.#terminal.introduced();
    }
    await Promise.all([waking, this.#untilHealthy()]);
    this.wasOpen = true;
  }

  async answers(withinMs: number): Promise<boolean> {
    try {
      const response = await fetch(this.#pulse, { signal: AbortSignal.timeout(withinMs) });
      return (await response.text()) === "alive";
    } catch {
      return false;
    }
  }

  async stop(): Promise<void> {
    this.#isUp = false;
    this.generation++;
    const miniflare = this.#miniflare;
    this.#miniflare = null;
    // One that could not be started also fails to end.
    await Promise.all([this.#gone, miniflare?.dispose().catch(() => {})]);
    rmSync(join(this.#options.persist, "tmp"), { recursive: true, force: true });
  }

  async #ask(what: { statements?: unknown }): Promise<unknown> {
    return askPulse(this.#pulse, this.#secret, what);
  }

  async #untilHealthy(): Promise<void> {
    const deadline = Date.now() + HEALTHY_WITHIN_MS;
    for (;;) {
      const response = await fetch(`${this.url}${this.#terminal.base}/health`, {
        signal: AbortSignal.timeout(HEALTHY_WITHIN_MS),
      });
      // With 404 the application itself answers this address.
      if (response.ok || response.status === 404) return;
      const reason = await response.text();
      if (Date.now() > deadline) throw new Error(`not healthy: ${response.status} ${reason.slice(0, 300)}`);
      await new Promise((done) => setTimeout(done, 100));
    }
  }

  #miniflareOptions({ config, worker }: Loaded, bundle: Bundle, isSwap: boolean) {
    const { assets, bindings, serviceBindings, ...rest } = worker as V4WorkerOptions;
    const { modulesRules: _, rootPath: __, ...options } = rest as Record<string, unknown>;
    const name = config.name ?? "worker";
    const own = {
      ...options,
      name,
      modulesRoot: "/lovage-bundle",
      modules: [
        { type: "ESModule", path: `/lovage-bundle/${MODULE}`, contents: bundle.code },
        ...bundle.modules.map(({ path, contents }) => ({ type: "ESModule", path: `/lovage-bundle/${path}`, contents })),
        ...bundle.assets.map((asset) => ({ ...asset, path: `/lovage-bundle/${asset.name}` })),
      ],
      bindings: {
        ALLOW_HOSTS: "localhost",
        ...bindings,
        ...this.#options.vars,
        NARRATE: "1",
        // Every lease that was granted before this moment belongs to a process that is gone.
        BOOT_AT: String(this.bootAt),
        SWAP: isSwap ? "1" : "",
      },
      serviceBindings: {
        ...this.#services(serviceBindings, name),
        ...(assets === undefined ? {} : { [assets.binding ?? "ASSETS"]: PAGES }),
      },
    } as V4WorkerOptions;
    const pulse = pulseWorker({
      database: databaseOf(config)!.binding,
      d1Databases: options["d1Databases"],
      service: name,
      secret: this.#secret,
      compatibilityDate: config.compatibility_date,
    });
    const workers = [own, ...(assets === undefined ? [] : [pagesWorker(worker as V4WorkerOptions)]), pulse];
    const { convertV4MiniflareOptions, Log, LogLevel } = this.#tools.miniflare;
    return convertV4MiniflareOptions({
      workers,
      host: "127.0.0.1",
      port: this.#port,
      resourcePersistencePath: join(this.#options.persist, STATE),
      cf: false,
      telemetry: { enabled: false },
      logRequests: false,
      unsafeLocalExplorer: false,
      unsafeObservability: false,
      log: new Log(LogLevel.NONE),
      handleStructuredLogs: ({ level, message }: { level: string; message: string }) => {
        // Lines from before it is up are in the error of the start.
        if (this.#isUp || message.startsWith("{")) this.#terminal.line(level, message);
      },
    });
  }

  /** Workers that are bound by name and do not run here answer with what is missing. */
  #services(given: V4WorkerOptions["serviceBindings"], own: string): V4WorkerOptions["serviceBindings"] {
    const isHere = (service: unknown) =>
      typeof service === "string" ? service === own : (service as { name?: unknown }).name === own;
    const entries = Object.entries(given ?? {}).map(([binding, service]) => {
      if (isHere(service) || typeof service === "function") return [binding, service] as const;
      const { Response } = this.#tools.miniflare;
      const answer = () => new Response(`the Worker bound as ${binding} does not run on this machine`, { status: 503 });
      return [binding, answer] as const;
    });
    return Object.fromEntries(entries) as V4WorkerOptions["serviceBindings"];
  }
}

/**
 * A separate Worker for the pages. With assets on the service's own script, Miniflare would send each request through its two asset
 * Workers before the script, which decides itself which requests are for pages.
 */
function pagesWorker({ compatibilityDate, assets }: V4WorkerOptions): V4WorkerOptions {
  const binding = assets?.binding ?? "ASSETS";
  const script = `export default { fetch: (request, env) => env.${binding}.fetch(request) };`;
  return { name: PAGES, compatibilityDate, modules: true, script, assets: { ...assets, binding } } as V4WorkerOptions;
}
