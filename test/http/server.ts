/** Starts the service as its users do, in a process group of its own, so that a test can stop it, kill it with -9, and start it again on the same state. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

const root = join(import.meta.dirname, "../..");
const READY_WITHIN_MS = 180_000;
const KEPT_STDERR = 20_000;

/** Saves a tenth of each start. */
const compileCache = join(tmpdir(), "lovage-compile-cache");

export type ServerOptions = {
  /** The test.* tasks; on unless told otherwise. */
  fixtures?: boolean;
  /** A directory to keep; without one the state goes with the server. */
  persist?: string;
  port?: number;
  key?: string;
  /** How it gets the key: on its command line unless told otherwise. */
  keyBy?: "argument" | "environment" | "file";
  allowOrigins?: string[];
  /** `http.request` too may call this machine. */
  allowLoopback?: boolean;
  /** More of the command's arguments, such as `["--strict"]`; those of the environment's SERVE_ARGS are added to them. */
  args?: string[];
  /** The directory of another release, whose server is started. */
  release?: string;
  env?: Record<string, string>;
};

export type Server = {
  url: string;
  key: string;
  persist: string;
  /** What the service has written to its error output, the last of it. */
  stderr(): string;
  /** Ends it as a deployment would (SIGTERM), and removes its state unless the caller named the directory. */
  stop(): Promise<void>;
  /** Ends every process of it at once, with no chance to tidy. The state stays. */
  kill9(): Promise<void>;
  /** Starts it again on the same port and state; the address stays the same. */
  restart(): Promise<void>;
};

/** Resolves once the service answers. */
export async function startServer(options: ServerOptions = {}): Promise<Server> {
  const key = options.key ?? "test-key";
  const persist = options.persist ?? (await mkdtemp(join(tmpdir(), "lovage-test-")));
  let running = await launch(options, key, persist, options.port ?? 0);
  const { url } = running;

  const end = async (signal: "SIGTERM" | "SIGKILL") => {
    if (running.child.exitCode === null && running.child.signalCode === null) {
      const exited = once(running.child, "exit");
      process.kill(-running.child.pid!, signal);
      await exited;
    }
  };
  return {
    url,
    key,
    persist,
    stderr: () => running.stderr(),
    kill9: () => end("SIGKILL"),
    stop: async () => {
      await end("SIGTERM");
      if (options.persist === undefined) await rm(persist, { recursive: true, force: true });
    },
    restart: async () => {
      await end("SIGTERM");
      running = await launch(options, key, persist, Number(new URL(url).port));
    },
  };
}

function keyOf({ keyBy }: ServerOptions, key: string): Record<string, string> {
  return keyBy === "environment" ? { API_KEY: key } : {};
}

async function launch(options: ServerOptions, key: string, persist: string, port: number) {
  const args = ["scripts/serve.ts", "--port", String(port), "--persist", persist];
  if (options.keyBy === "file") {
    const file = join(persist, "key");
    await writeFile(file, `${key}\n`);
    args.push("--api-key-file", file);
  } else if (options.keyBy !== "environment") args.push("--api-key", key);
  if (options.fixtures ?? true) args.push("--fixtures");
  if (options.allowLoopback) args.push("--allow-loopback");
  args.push(...(options.args ?? []), ...(process.env["SERVE_ARGS"] ?? "").split(" ").filter(Boolean));
  for (const origin of options.allowOrigins ?? []) args.push("--allow-origin", origin);
  const child = spawn("node", args, {
    cwd: options.release ?? root,
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
    // As under npm: the service ends with the process that started it, so a test run that dies leaves nothing behind.
    env: {
      ...process.env,
      npm_lifecycle_event: "serve",
      NODE_COMPILE_CACHE: compileCache,
      ...keyOf(options, key),
      ...options.env,
    },
  });
  let stdout = "";
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr = (stderr + text).slice(-KEPT_STDERR);
  });
  const url = await new Promise<string>((resolve, reject) => {
    const fail = (why: string) => reject(new Error(`the service ${why}\n${stderr}`));
    const timer = setTimeout(() => {
      process.kill(-child.pid!, "SIGKILL");
      fail(`was not ready within ${READY_WITHIN_MS / 1000} s`);
    }, READY_WITHIN_MS);
    child.once("exit", (code, signal) => {
      clearTimeout(timer);
      fail(`ended before it was ready (${code ?? signal})`);
    });
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      stdout += text;
      const ready = /^ready (\S+)$/m.exec(stdout);
      if (ready?.[1] === undefined) return;
      clearTimeout(timer);
      resolve(ready[1]);
    });
  });
  return { child, url, stderr: () => stderr };
}
