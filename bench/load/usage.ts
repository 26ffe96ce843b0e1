/** The CPU time and memory of processes, from Linux' /proc. Without /proc, the report leaves them out. */
import { existsSync, readdirSync, readFileSync } from "node:fs";

/** `getconf CLK_TCK`, which is 100 on every Linux that Node runs on. */
const TICKS_PER_S = 100;

export const canMeasureUsage = existsSync("/proc/self/smaps_rollup");

type Status = { parent: number; cpuS: number };

/** The processes with these ids and all their descendants. */
export function processesBelow(roots: readonly number[]): number[] {
  if (!canMeasureUsage) return [];
  const children = new Map<number, number[]>();
  for (const name of readdirSync("/proc")) {
    const pid = Number(name);
    const status = Number.isInteger(pid) ? statusOf(pid) : null;
    if (status === null) continue;
    children.set(status.parent, [...(children.get(status.parent) ?? []), pid]);
  }
  const below: number[] = [];
  for (const open = [...roots]; open.length > 0;) {
    const pid = open.pop()!;
    below.push(pid);
    open.push(...(children.get(pid) ?? []));
  }
  return below;
}

/** Seconds of CPU, user and system, that they and their ended children have used so far. */
export function cpuSecondsOf(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => sum + (statusOf(pid)?.cpuS ?? 0), 0);
}

/** Their proportional set size in MB: each process counts its share of shared memory. */
export function pssMbOf(pids: readonly number[]): number {
  const kilobytes = pids.map((pid) => Number(/^Pss:\s+(\d+)/m.exec(textOf(`/proc/${pid}/smaps_rollup`))?.[1] ?? 0));
  return kilobytes.reduce((sum, each) => sum + each, 0) / 1024;
}

/** Seconds for which the machine's cores together were busy since it started. */
export function busySeconds(): number {
  const [user = 0, nice = 0, system = 0, , , interrupts = 0, softInterrupts = 0] = textOf("/proc/stat")
    .slice(0, 200)
    .split("\n", 1)[0]
    .trim()
    .split(/\s+/)
    .slice(1)
    .map(Number);
  return (user + nice + system + interrupts + softInterrupts) / TICKS_PER_S;
}

function statusOf(pid: number): Status | null {
  const text = textOf(`/proc/${pid}/stat`);
  if (text === "") return null;
  // The name, in parentheses, may hold anything.
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  const [user, system, childUser, childSystem] = fields.slice(11, 15).map(Number);
  return { parent: Number(fields[1]), cpuS: (user + system + childUser + childSystem) / TICKS_PER_S };
}

/** Empty for a process that is gone. */
function textOf(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
