/** The floor: what the same local runtime does when there is nothing, or almost nothing, to do. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openNeutral } from "./neutral.ts";
import { startProgram } from "./processes.ts";
import type { Subject } from "./service.ts";

/** Both run in a process of their own, as `npm run serve` does. */
function floor(name: "bare" | "plain", title: string, about: string, measures: string[]): Subject {
  return {
    name,
    title,
    about,
    prepare: async () => null,
    versions: () => [],
    start: async (connections) => {
      const persist = await mkdtemp(join(tmpdir(), `lovage-bench-${name}-`));
      const args = [join(import.meta.dirname, "serve-floor.ts"), name, persist];
      const program = await startProgram({ file: process.execPath, args }, (printed) => /^ready /m.test(printed));
      const url = /^ready (\S+)$/m.exec(program.printed())![1];
      const service = openNeutral(url, connections, { wait: false, flows: false });
      return {
        service,
        url,
        roots: [program.pid],
        stop: async () => {
          await service.close();
          await program.stop();
          await rm(persist, { recursive: true, force: true });
        },
      };
    },
    measures,
    bulkShare: 1,
  };
}

export const bare = floor(
  "bare",
  "bare Worker",
  "a Worker with Hono on the same runtime that answers 202 and stores nothing; each task has ended at the first look",
  ["submit", "latency"],
);

export const plain = floor(
  "plain",
  "plain Worker",
  "a Worker on the same runtime with a D1 and a queue that does one INSERT, one send, one claim and one commit, and nothing else: no key, no schema, no retry, no lease, no limit",
  ["submit", "latency", "bulk"],
);
