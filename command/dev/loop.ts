/** The development loop: builds, runs, watches, and swaps the Worker when a file is saved. The state stays. */

import { join, relative, resolve } from "node:path";
import { Failure, sentenceOf } from "../failure.ts";
import { findProject, loadProject, loadTools, type Loaded, type Project, type Tools } from "../project.ts";
import { createBundler, type Bundle, type Bundler } from "./bundle.ts";
import { migrateFiles } from "./database.ts";
import { endRuntimeWithThisProcess, endWhenAsked } from "./process.ts";
import { readRunning, type Running } from "./running-rows.ts";
import { Runtime } from "./runtime.ts";
import { Stacks } from "./stacks.ts";
import { explainStart } from "./start-faults.ts";
import { checkDatabases, keepPrivate, STATE } from "./state-files.ts";
import { holdState } from "./state-lock.ts";
import { refuseAt, watchState } from "./state-watch.ts";
import { Terminal } from "./terminal.ts";
import { TypeCheck } from "./types.ts";
import { watchFiles, type FileWatch } from "./watch-files.ts";
import { MEMORY_BYTES, watchOver, type Trouble } from "./watchdog.ts";

export interface LoopOptions {
  /** The project's folder. */
  root: string;
  /** 0 picks a free one. */
  port: number;
  /** The directory of all state; `.wrangler/state` of the project, which `wrangler dev` shares, unless given. */
  persist?: string;
  /** Shows failures and warnings alone. */
  quiet?: boolean;
  /** Checks types in the background. */
  types?: boolean;
  /** Bindings beside those of the configuration and `.dev.vars`, and before them. */
  vars?: Record<string, string>;
}

export interface Loop {
  url: string;
  /** The path below it that the service is mounted at: `""` or such as `/jobs`. */
  base: string;
  /** The names of the tasks that can be submitted. */
  tasks: readonly string[];
  stop(): Promise<void>;
}

/** Runs the project, and resolves once the service answers. SIGTERM or SIGINT ends this process. */
export async function startLoop(options: LoopOptions): Promise<Loop> {
  const project = findProject(options.root);
  const { root, configPath } = project;
  const stacks = new Stacks(root);
  const terminal = new Terminal(stacks, options.quiet ?? false);
  terminal.say(`Lovage: building ${relative(process.cwd(), configPath) || configPath} ...`);
  const persist = resolve(options.persist ?? join(root, ".wrangler/state"));
  keepPrivate(persist);
  holdState(persist);
  checkDatabases(persist);
  let session: Session | null = null;
  const runtimeProcess = endRuntimeWithThisProcess(() => session?.hasEnded());
  const end = async () => {
    // Killed first, so that nothing waits for a runtime that is held up.
    runtimeProcess.kill();
    await session?.stop();
  };
  const listen = endWhenAsked(end);
  const tools = await loadTools(project);
  const runtime = new Runtime(
    tools,
    { port: options.port, persist, vars: options.vars ?? {}, started: listen },
    terminal,
    runtimeProcess,
  );
  session = new Session({ tools, project, runtime, terminal, stacks, persist, checksTypes: options.types ?? false });
  try {
    await session.start();
  } catch (error) {
    await session.stop();
    throw error;
  }
  return { url: runtime.url, base: terminal.base, tasks: terminal.tasks, stop: () => session.stop() };
}

interface Parts {
  tools: Tools;
  project: Project;
  runtime: Runtime;
  terminal: Terminal;
  stacks: Stacks;
  persist: string;
  checksTypes: boolean;
}

class Session {
  readonly #parts: Parts;
  readonly #types: TypeCheck | null;
  #bundler: Bundler | null = null;
  #loaded: Loaded | null = null;
  /** The bundle that runs. */
  #bundle: Bundle | null = null;
  #files: FileWatch | null = null;
  #turn: Promise<unknown> = Promise.resolve();
  /** How often this process has killed the runtime because it was in trouble, or the runtime has crashed. */
  #troubles = 0;
  /** Whether the last save could not be swapped in. */
  #isBroken = false;
  #endWatch = () => {};
  #endStateWatch = () => {};
  #isOver = false;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#types = parts.checksTypes ? new TypeCheck(parts.project.root, parts.terminal) : null;
  }

  async start(): Promise<void> {
    const { runtime, persist, terminal, project } = this.#parts;
    await this.#load();
    await migrateFiles(persist, this.#loaded!.migrations);
    const bundle = await this.#bundler!.bundle();
    this.#files = watchFiles(project, (isConfig) => void this.#inTurn(() => this.#swap(isConfig)));
    const running = async () => readRunning(persist, runtime.bootAt, terminal.limits);
    this.#endWatch = watchOver(runtime, running, (trouble, suspects) => this.#inTrouble(trouble, suspects));
    await this.#inTurn(() => this.#untilOpen(bundle));
    if (this.#isOver) throw new Failure("it was asked to end before it was open");
    this.#endStateWatch = watchState(persist, () => this.#refuse());
    this.#types?.begin();
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    this.#endWatch();
    this.#endStateWatch();
    this.#types?.stop();
    this.#files?.stop();
    await Promise.all([this.#parts.runtime.stop(), this.#bundler?.stop()]);
  }

  /** Called when the runtime's process has ended. */
  hasEnded(): void {
    const { runtime, persist, terminal } = this.#parts;
    if (this.#isOver || !runtime.isUp) return;
    this.#inTrouble("crash", readRunning(persist, runtime.bootAt, terminal.limits));
  }

  /** An attempt that was running when the last server ended may hold up this one too: the runtime is started until it is open. */
  async #untilOpen(bundle: Bundle): Promise<void> {
    for (;;) {
      const troubles = this.#troubles;
      try {
        await this.#run(bundle, false);
        await this.#open();
        return;
      } catch (error) {
        if (this.#isOver || this.#troubles === troubles) throw error;
        this.#parts.runtime.abandon();
      }
    }
  }

  async #load(): Promise<void> {
    const { project, tools, terminal } = this.#parts;
    this.#loaded = loadProject(project, tools);
    for (const note of notDone(this.#loaded)) terminal.warn(note);
    await this.#bundler?.stop();
    this.#bundler = await createBundler(tools, project.root, this.#loaded.main, this.#loaded.config);
  }

  /** Runs the bundle. If the runtime refuses it, the one before runs again. */
  async #run(bundle: Bundle, isSwap: boolean): Promise<void> {
    const { runtime, stacks, project } = this.#parts;
    this.#files!.watch(bundle.inputs);
    const before = this.#bundle;
    stacks.use(bundle.map);
    try {
      await runtime.run(this.#loaded!, bundle, isSwap);
      this.#bundle = bundle;
    } catch (error) {
      const failure = explainStart(error, stacks, project.root, bundle.inputs);
      if (before !== null && before !== bundle) {
        stacks.use(before.map);
        await runtime.run(this.#loaded!, before, isSwap).catch(() => {});
      }
      throw failure;
    }
  }

  async #open(): Promise<void> {
    const { runtime, stacks, project, persist } = this.#parts;
    try {
      await runtime.open(this.#loaded!);
    } catch (error) {
      throw explainStart(error, stacks, project.root, [], persist);
    }
  }

  async #swap(isConfig: boolean): Promise<void> {
    const { runtime, terminal } = this.#parts;
    const startedAt = Date.now();
    const troubles = this.#troubles;
    try {
      if (isConfig) await this.#load();
      const bundle = await this.#bundler!.bundle();
      if (this.#isOver) return;
      if (bundle.code === this.#bundle?.code && !isConfig) {
        if (this.#isBroken) terminal.say("Lovage: the build succeeds again; this code is already running");
        this.#isBroken = false;
        this.#files!.watch(bundle.inputs);
        this.#types?.begin();
        return;
      }
      const cutOff = [...terminal.running.values()];
      await this.#run(bundle, true);
      await this.#open();
      this.#isBroken = false;
      const seconds = ((Date.now() - startedAt) / 1_000).toFixed(1);
      terminal.say(`Lovage: swapped in ${seconds} s${continued(cutOff)}`);
      this.#types?.begin();
    } catch (error) {
      // The watchdog has killed the runtime: the next turn starts it.
      if (this.#isOver || this.#troubles !== troubles) return;
      this.#isBroken = true;
      const goesOn = runtime.isUp ? "\n    the code from before continues to run" : "";
      terminal.fault(`${sentenceOf(error)}${goesOn}`);
    }
  }

  #inTrouble(trouble: Trouble | "crash", suspects: Running[]): void {
    this.#troubles++;
    this.#parts.terminal.fault(sentenceFor(trouble, suspects));
    // A turn that waits for the runtime fails now.
    this.#parts.runtime.kill();
    void this.#inTurn(() => this.#restart(this.#troubles));
  }

  /** Starts the runtime anew, unless a turn that was under way has done so since. */
  async #restart(trouble: number): Promise<void> {
    const { runtime, terminal } = this.#parts;
    if (trouble !== this.#troubles || this.#bundle === null || runtime.isUp) return;
    runtime.abandon();
    try {
      await this.#run(this.#bundle, false);
      await this.#open();
    } catch (error) {
      if (!this.#isOver && this.#troubles === trouble) terminal.fault(sentenceOf(error));
    }
  }

  /** Makes one change of the runtime after the other. */
  async #inTurn(change: () => Promise<void>): Promise<void> {
    const turn = this.#turn.then(async () => (this.#isOver ? undefined : change()));
    this.#turn = turn.catch(() => {});
    return turn;
  }

  #refuse(): void {
    const { runtime, terminal, persist } = this.#parts;
    const { url } = runtime;
    runtime.kill();
    void this.stop().finally(() => refuseAt(url));
    terminal.fault(`${join(persist, STATE)} was deleted while the server ran: it answers 503 now; start it again`);
  }
}

/** Warnings of what the configuration asks for and the loop does not do. */
function notDone({ config: { build, no_bundle: isBundled } }: Loaded): string[] {
  const keys = [...(build.command === undefined ? [] : ["build.command"]), ...(isBundled ? ["no_bundle"] : [])];
  return keys.map((key) => `the configuration has ${key}, which is passed over here: \`npx wrangler dev\` knows it`);
}

function continued({ length }: Running[]): string {
  if (length === 0) return "";
  return length === 1
    ? "; 1 running task continues in a new attempt"
    : `; ${length} running tasks continue in new attempts`;
}

const TROUBLES: Record<Trouble | "crash", string> = {
  silent: "blocks the thread: its handler computes without ever awaiting, such as in an endless loop",
  memory: `fills the memory: the runtime takes more than ${MEMORY_BYTES / 1e9} GB, of which a deployment gives 128 MB`,
  crash: "was running when the runtime crashed",
};

const NOBODY: Record<Trouble | "crash", string> = {
  silent: "the runtime does not answer any more, and no task runs in it: look for an endless loop in a route",
  memory: `the runtime takes more than ${MEMORY_BYTES / 1e9} GB of memory, and no task runs in it: look at the routes`,
  crash: "the runtime crashed while no task ran",
};

function sentenceFor(trouble: Trouble | "crash", [suspect, ...others]: Running[]): string {
  if (suspect === undefined) return `${NOBODY[trouble]}. It is started anew`;
  const also = others.length === 0 ? "" : ` (or one of ${others.length} beside it: ${namesOf(others)})`;
  const counted = "The runtime is started anew, and the attempt counts as a crash";
  return `${suspect.task}, task ${suspect.id}, attempt ${suspect.attempt}${also} ${TROUBLES[trouble]}. ${counted}`;
}

function namesOf(running: Running[]): string {
  return [...new Set(running.map(({ task }) => task))].join(", ");
}
