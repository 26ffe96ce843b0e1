/** What a task emits with `ctx.output`. */

import { useMemo } from "react";
import { useFollowed, type FollowOptions, type SignedTask } from "./followed.ts";
import { hasEnded } from "./use-task.ts";

export interface UsedOutput<Chunk> {
  /** In order; another array whenever there is more. */
  output: readonly Chunk[];
  isEnded: boolean;
  error: Error | undefined;
}

/**
 * The chunks that a task emits, as they come. An attempt that runs after another one emits its own: `lastAttempt` leaves out
 * those of the attempts before.
 *
 * @example
 * const { output } = useOutput<string>(given, { lastAttempt: true });
 * return <pre>{output.join("")}</pre>;
 */
export function useOutput<Chunk = unknown>(
  given: SignedTask | null | undefined,
  options: FollowOptions & { lastAttempt?: boolean } = {},
): UsedOutput<Chunk> {
  const { task, output, error } = useFollowed(given, options);
  const { lastAttempt = false } = options;
  const chunks = useMemo(() => {
    const last = output.at(-1)?.attempt;
    const shown = lastAttempt ? output.filter(({ attempt }) => attempt === last) : output;
    return shown.map(({ chunk }) => chunk as Chunk);
  }, [output, lastAttempt]);
  return { output: chunks, isEnded: hasEnded(task), error };
}
