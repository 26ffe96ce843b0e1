/** The functions in which a CPU profile spent its time. */

/** `Profiler.Profile` of the Chrome DevTools Protocol. */
export type CpuProfile = {
  nodes: { id: number; callFrame: { functionName: string; url: string; lineNumber: number } }[];
  samples?: number[];
};

export type HotFunction = {
  /** Its name, and its file and line. */
  name: string;
  /** Time in the function itself, without the functions that it called. */
  selfMs: number;
};

/** The profiler's names for time in which no JavaScript ran. */
const NOT_RUNNING = new Set(["(idle)", "(root)"]);

/**
 * The functions that took most time, and how long JavaScript ran at all. Each sample counts for `everyMs`, not for the time since the
 * sample before: the runtime takes samples only while the isolate runs, so that time also contains pauses.
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
