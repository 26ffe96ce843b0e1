/** A handler's context that does nothing but remember what it was told. */

import type { LogLevel, TaskContext } from "../../../src/core/task.ts";

/** What a handler reported through a {@link fakeContext}. */
export interface Reports {
  progress: { done: number; total: number | null | undefined }[];
  logs: { message: string; data: unknown; level: LogLevel | undefined }[];
  outputs: unknown[];
}

export function fakeContext(told: Partial<TaskContext> = {}): TaskContext & { reports: Reports } {
  const reports: Reports = { progress: [], logs: [], outputs: [] };
  return Object.assign(
    // The context grows with the engine; what these tests need of it follows.
    {} as TaskContext,
    {
      id: "task_1",
      attempt: 1,
      maxAttempts: 3,
      signal: new AbortController().signal,
      env: { FIXTURES: "1" } as Env,
      tenant: "tests",
      tags: {},
      parentId: null,
      rootId: "task_1",
      flowId: null,
      traceparent: null,
      progress: (done: number, total?: number | null) => void reports.progress.push({ done, total }),
      log: (message: string, data?: unknown, level?: LogLevel) => void reports.logs.push({ message, data, level }),
      output: (chunk: unknown) => void reports.outputs.push(chunk),
      reports,
    },
    told,
  );
}
