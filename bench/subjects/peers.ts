/** Other task queues behind the neutral contract, with Redis as broker and as results backend. Their programs are under `bench/peers`. */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { openNeutral } from "./neutral.ts";
import { answers, freePort, startProgram, type Command, type Program } from "./processes.ts";
import type { Running, Service, Subject } from "./service.ts";

const peers = join(import.meta.dirname, "../peers");

/** Debian's Python, for which its packages of Celery and FastAPI are installed. */
const PYTHON = "/usr/bin/python3";
const PYTHON_PACKAGES = ["celery", "fastapi", "redis", "uvicorn"];
const DEBIAN_PACKAGES = "redis-server python3-celery python3-fastapi python3-uvicorn python3-redis";
const FIRST_TASK_WITHIN_MS = 30_000;

/** Durable within a second, as the peers' documentation recommends. */
const redis = (port: number, dir: string): Command => ({
  file: "redis-server",
  args: [
    ["--bind", "127.0.0.1", "--port", String(port), "--dir", dir, "--daemonize", "no"],
    ["--save", "", "--appendonly", "yes", "--appendfsync", "everysec", "--maxmemory-policy", "noeviction"],
  ].flat(),
});

/** Starts Redis and the programs that use it; resolves once a task has ended. The last program is the API, which listens on `port`. */
async function startPeer(
  programs: (redisPort: number, port: number) => Command[],
  connections: number,
): Promise<Running> {
  const dir = await mkdtemp(join(tmpdir(), "lovage-bench-peer-"));
  const [redisPort, port] = [await freePort(), await freePort()];
  const started: Program[] = [];
  const stop = async () => {
    for (const program of started.toReversed()) await program.stop();
    await rm(dir, { recursive: true, force: true });
  };
  try {
    started.push(await startProgram(redis(redisPort, dir), () => answers(redisPort)));
    const commands = programs(redisPort, port);
    for (const [i, command] of commands.entries()) {
      started.push(await startProgram(command, () => i < commands.length - 1 || answers(port)));
    }
    const url = `http://127.0.0.1:${port}`;
    const service = openNeutral(url, connections, { wait: true, flows: true });
    await firstTask(service);
    const stopAll = async () => {
      await service.close();
      await stop();
    };
    return { service, url, roots: started.map(({ pid }) => pid), stop: stopAll };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function firstTask(service: Service): Promise<void> {
  const deadline = Date.now() + FIRST_TASK_WITHIN_MS;
  const id = await service.submit("noop");
  while ((await service.look(id)) === null) {
    if (Date.now() > deadline) throw new Error("its first task has not ended");
    await pause(50);
  }
}

const printedBy = (file: string, args: string[], cwd?: string) =>
  spawnSync(file, args, { encoding: "utf8", ...(cwd === undefined ? {} : { cwd }) });

function redisVersion(): string | null {
  const { status, stdout } = printedBy("redis-server", ["--version"]);
  return status === 0 ? `redis ${/v=(\S+)/.exec(stdout)?.[1]}` : null;
}

function pythonVersions(): string[] | null {
  const script = `import importlib.metadata as m; [__import__(p) for p in ${JSON.stringify(PYTHON_PACKAGES)}]; print(*(f"{p} {m.version(p)}" for p in ${JSON.stringify(PYTHON_PACKAGES)}), sep="\\n")`;
  const { status, stdout } = printedBy(PYTHON, ["-c", script]);
  return status === 0 ? stdout.trim().split("\n") : null;
}

const NO_REDIS = `redis-server is not installed (\`apt-get install ${DEBIAN_PACKAGES}\`)`;

export const celery: Subject = {
  name: "celery",
  title: "FastAPI + Celery + Redis",
  about: "one uvicorn process, Celery's own worker with two forked processes, Redis that writes its log every second",
  prepare: async () => {
    if (redisVersion() === null) return NO_REDIS;
    return pythonVersions() === null
      ? `${PYTHON} lacks one of ${PYTHON_PACKAGES.join(", ")} (\`apt-get install ${DEBIAN_PACKAGES}\`)`
      : null;
  },
  versions: () => [...(pythonVersions() ?? []), redisVersion() ?? ""],
  start: (connections) =>
    startPeer((redisPort, port) => {
      const rest = {
        file: PYTHON,
        cwd: join(peers, "celery"),
        env: {
          REDIS_URL: `redis://127.0.0.1:${redisPort}`,
          C_FORCE_ROOT: "1",
          PYTHONDONTWRITEBYTECODE: "1",
        },
      };
      const worker = "-m celery -A tasks worker -P prefork -c 2 --loglevel=WARNING --without-gossip --without-mingle";
      const api = `-m uvicorn api:api --host 127.0.0.1 --port ${port} --workers 1 --log-level warning --no-access-log`;
      return [worker, api].map((args) => ({ ...rest, args: args.split(" ") }));
    }, connections),
  measures: ["submit", "latency", "sleeps", "bulk", "flows"],
  bulkShare: 0.3,
};

export const bullmq: Subject = {
  name: "bullmq",
  title: "BullMQ + Hono + Redis",
  about:
    "one process for the API and one for the worker, which runs a hundred at once, Redis that writes its log every second",
  prepare: async () => {
    if (redisVersion() === null) return NO_REDIS;
    if (existsSync(join(peers, "node_modules/bullmq"))) return null;
    const { status, stderr } = printedBy("npm", ["ci", "--no-audit", "--no-fund", "--ignore-scripts"], peers);
    return status === 0 ? null : `\`npm ci\` in bench/peers failed: ${stderr.trim().split("\n")[0]}`;
  },
  versions: () => {
    const { stdout } = printedBy(process.execPath, [
      "-p",
      `"bullmq " + require(${JSON.stringify(join(peers, "node_modules/bullmq/package.json"))}).version`,
    ]);
    return [stdout.trim(), redisVersion() ?? ""];
  },
  start: (connections) =>
    startPeer(
      (redisPort, port) =>
        ["worker.mjs", "api.mjs"].map((name) => ({
          file: process.execPath,
          args: [join(peers, "bullmq", name)],
          env: { REDIS_PORT: String(redisPort), PORT: String(port), NODE_ENV: "production" },
        })),
      connections,
    ),
  measures: ["submit", "latency", "sleeps", "bulk", "flows"],
  bulkShare: 1,
};
