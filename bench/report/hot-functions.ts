/** Where a CPU profile spent its time. */

/** Of the Chrome DevTools Protocol: `Profiler.Profile`. */
export type CpuProfile = {
  nodes: { id: number; callFrame: { functionName: string; url: string; lineNumber: number } }[];
  samples?: number[];
};

export type HotFunction = {
  /** Its name, and its file and line. */
  name: string;
  /** In the function itself, without what it called. */
  selfMs: number;
};

/** What the profiler calls the time in which no JavaScript ran. */
const NOT_RUNNING = new Set(["(idle)", "(root)"]);

/**
 * The functions that took most, and how long JavaScript ran at all. A sample stands for the `everyMs` between two samples: the runtime takes
 * them only while the isolate runs, so what the profile says of the time since the one before also holds when it did not run.
 */
export function hotFunctions({ nodes, samples = [] }: CpuProfile, everyMs: number, count: number) {
  const frames = new Map(nodes.map(({ id, callFrame }) => [id, callFrame]));
  const taken = new Map<string, number>();
  for (const id of samples) {
    const frame = frames.get(id);
    if (frame === undefined || NOT_RUNNING.has(frame.functionName)) continue;
    const name = nameOf(frame);
    taken.set(name, (taken.get(name) ?? 0) + 1);
  }
  const all = [...taken].map(([name, times]): HotFunction => ({ name, selfMs: times * everyMs }));
  const runMs = all.reduce((sum, { selfMs }) => sum + selfMs, 0);
  return { runMs, hottest: all.toSorted((a, b) => b.selfMs - a.selfMs).slice(0, count) };
}

function nameOf({ functionName, url, lineNumber }: CpuProfile["nodes"][number]["callFrame"]): string {
  const name = functionName === "" ? "(anonymous)" : functionName;
  return url === "" ? name : `${name} ${url.replace(/^.*\//, "")}:${lineNumber + 1}`;
}
