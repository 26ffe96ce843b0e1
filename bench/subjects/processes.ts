/** Programs that a measure starts: each in its own process group, which ends with this process, however that ends. */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { connect, createServer, type AddressInfo } from "node:net";
import { setTimeout as pause } from "node:timers/promises";

const READY_WITHIN_MS = 180_000;
const STOP_WITHIN_MS = 8_000;

export type Program = { pid: number; stop(): Promise<void>; printed(): string };

export type Command = {
  file: string;
  args: string[];
  cwd?: string;
  env?: Record<string, string>;
};

const running = new Set<ChildProcess>();

process.on("exit", () => {
  for (const child of running) signalGroup(child, "SIGKILL");
});
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1));

/** Resolves once `isReady`, which gets the printed text, returns true; rejects when the program ends before. */
export async function startProgram(
  { file, args, cwd, env }: Command,
  isReady: (printed: string) => boolean | Promise<boolean>,
): Promise<Program> {
  const child = spawn(file, args, {
    ...(cwd === undefined ? {} : { cwd }),
    env: { ...process.env, ...env },
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
  });
  running.add(child);
  let printed = "";
  const keep = (text: string) => (printed = (printed + text).slice(-20_000));
  child.stdout.setEncoding("utf8").on("data", keep);
  child.stderr.setEncoding("utf8").on("data", keep);
  let failure: string | null = null;
  child.once("error", (error) => (failure = error.message));
  child.once("exit", (code, signal) => {
    running.delete(child);
    failure ??= `ended with ${code ?? signal}`;
  });
  const deadline = Date.now() + READY_WITHIN_MS;
  while (!(await isReady(printed))) {
    if (Date.now() > deadline) failure ??= `was not ready within ${READY_WITHIN_MS / 1000} s`;
    if (failure !== null) {
      signalGroup(child, "SIGKILL");
      throw new Error(`${file} ${failure}\n${printed}`);
    }
    await pause(20);
  }
  return { pid: child.pid!, printed: () => printed, stop: () => stopProgram(child) };
}

async function stopProgram(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, "exit");
  signalGroup(child, "SIGTERM");
  const timer = setTimeout(() => signalGroup(child, "SIGKILL"), STOP_WITHIN_MS);
  await exited;
  clearTimeout(timer);
  // Children that still run are ended too.
  signalGroup(child, "SIGKILL");
}

function signalGroup({ pid }: ChildProcess, signal: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, signal);
  } catch {
    // The whole group has ended.
  }
}

/** A free port on loopback. */
export async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

/** Whether a process listens on the port. */
export async function answers(port: number): Promise<boolean> {
  const socket = connect(port, "127.0.0.1");
  try {
    await once(socket, "connect");
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
