/** Sends a submission, and holds the task that it made. */

import { useCallback, useRef, useState } from "react";

interface Sent<Task> {
  /** What the last submission made. */
  task: Task | undefined;
  /** Why the last submission made no task. */
  error: Error | undefined;
  /** A submission is on its way: disable the button. */
  isSubmitting: boolean;
}

export interface UsedSubmit<Args extends unknown[], Task> extends Sent<Task> {
  /** Answers the task; undefined where it failed, which `error` tells. */
  submit: (...args: Args) => Promise<Task | undefined>;
}

const NONE = { task: undefined, error: undefined, isSubmitting: false };

/**
 * Holds the task that a call makes. The call goes to your own server, which has the key and answers the task with signed links.
 *
 * @example
 * const { submit, task, isSubmitting } = useSubmit(async (csv: string) => {
 *   const response = await fetch("/reports", { method: "POST", body: csv });
 *   if (!response.ok) throw new Error(await response.text());
 *   return (await response.json()) as SignedTask;
 * });
 */
export function useSubmit<Args extends unknown[], Task>(
  send: (...args: Args) => Promise<Task>,
): UsedSubmit<Args, Task> {
  const [sent, hold] = useState<Sent<Task>>(NONE);
  const latest = useRef(send);
  latest.current = send;
  const count = useRef(0);
  const submit = useCallback(async (...args: Args) => {
    const mine = ++count.current;
    const settle = (now: Partial<Sent<Task>>) => {
      // Only the latest submission is shown.
      if (mine === count.current) hold({ ...NONE, ...now });
    };
    settle({ isSubmitting: true });
    try {
      const task = await latest.current(...args);
      settle({ task });
      return task;
    } catch (error) {
      settle({ error: error instanceof Error ? error : new Error(String(error)) });
      return undefined;
    }
  }, []);
  return { ...sent, submit };
}
