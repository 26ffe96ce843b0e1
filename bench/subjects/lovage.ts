/** The service itself, started and called as its users do. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bodyOf, openHttp, type Http } from "../load/http.ts";
import { startProgram } from "./processes.ts";
import type { Running, Service, Subject } from "./service.ts";

const root = join(import.meta.dirname, "../..");

export const KEY = "bench";

const RUN = String(Date.now());

const ENDS: { [state: string]: "succeeded" | "other" } = {
  succeeded: "succeeded",
  failed: "other",
  cancelled: "other",
  expired: "other",
};

type Node = { key: string; task: { id: string } };
type Lane = { queued: number; running: number };

export type LovageOptions = {
  /** A directory in which the state is kept; without it the state is deleted when the service stops. */
  persist?: string;
  /** More of the command's arguments, such as `["--strict"]`. */
  args?: string[];
};

export const lovage: Subject = {
  name: "lovage",
  title: "Lovage",
  about: "`npm run serve`, all state on disk",
  prepare: async () => null,
  versions: () => [],
  start: (connections) => startLovage(connections),
  measures: ["submit", "latency", "sleeps", "bulk", "progress", "flows"],
  bulkShare: 1,
};

export async function startLovage(connections: number, options: LovageOptions = {}): Promise<Running> {
  const persist = options.persist ?? (await mkdtemp(join(tmpdir(), "lovage-bench-")));
  const args = ["scripts/serve.ts", "--port", "0", "--persist", persist, "--api-key", KEY, "--fixtures"];
  const program = await startProgram(
    {
      file: process.execPath,
      args: [...args, ...(options.args ?? [])],
      cwd: root,
      // As under npm: it ends with the process that started it.
      env: { npm_lifecycle_event: "serve", NODE_COMPILE_CACHE: join(tmpdir(), "lovage-compile-cache") },
    },
    (printed) => /^ready /m.test(printed),
  );
  const url = /^ready (\S+)$/m.exec(program.printed())![1];
  const service = openLovage(url, connections);
  return {
    service,
    url,
    roots: [program.pid],
    stop: async () => {
      await service.close();
      await program.stop();
      if (options.persist === undefined) await rm(persist, { recursive: true, force: true });
    },
  };
}

export function authorized(url: string, connections: number): Http {
  return openHttp(url, connections, { authorization: `Bearer ${KEY}` });
}

function openLovage(url: string, connections: number): Service {
  const http = authorized(url, connections);
  const flow = async (graph: object, last: (nodes: Node[]) => Node | undefined) => {
    const { nodes } = bodyOf<{ nodes: Node[] }>(await http.post("/v1/flows", graph), 202);
    return last(nodes)!.task.id;
  };
  const noops = (count: number) => Array.from({ length: count }, () => ({ task: "test.noop", input: {} }));
  return {
    submit: async (name, input = {}) => {
      const submission = { task: `test.${name}`, input };
      return bodyOf<{ id: string }>(await http.post("/v1/tasks", submission), 202).id;
    },
    canWait: true,
    look: async (id, waitMs = 0) => {
      const headers: Record<string, string> = waitMs > 0 ? { prefer: `wait=${Math.ceil(waitMs / 1_000)}` } : {};
      return ENDS[bodyOf<{ state: string }>(await http.get(`/v1/tasks/${id}`, headers), 200).state] ?? null;
    },
    submitMany: async (count) => {
      // With a tag, by which callers find their tasks again.
      const tasks = noops(count).map((noop) => ({ ...noop, options: { tags: { run: RUN } } }));
      const answer = await http.post("/v1/tasks/batch", { tasks });
      return bodyOf<{ items: { status: number }[] }>(answer, 207).items.filter(({ status }) => status === 202).length;
    },
    openOf: async () => {
      const { items } = bodyOf<{ items: Lane[] }>(await http.get("/v1/lanes"), 200);
      return items.reduce((sum, { queued, running }) => sum + queued + running, 0);
    },
    forgetMany: async () => {},
    // The count costs more than a peer's, and must not slow down the tasks.
    askEveryMs: 100,
    flows: {
      chain: (length) => flow({ chain: noops(length) }, (nodes) => nodes.at(-1)),
      chord: (width) =>
        flow({ chord: { header: noops(width), body: { task: "test.noop", input: {} } } }, (nodes) =>
          nodes.find(({ key }) => key === "body"),
        ),
    },
    close: () => http.close(),
  };
}
