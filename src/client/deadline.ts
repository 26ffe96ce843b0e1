/** Deadlines and pauses, which a caller's `AbortSignal` can end early. */

/** The longest that a timer can count; more is for ever. */
const MAX_TIMER_MS = 2_147_483_647;

/** Runs `act` with a signal that aborts with the caller's, or for `late()` when the time is up. */
export async function withDeadline<T>(
  ms: number,
  signal: AbortSignal | undefined,
  late: () => Error,
  act: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const abort = new AbortController();
  const stop = () => abort.abort(signal?.reason);
  const timer = ms > MAX_TIMER_MS ? undefined : setTimeout(() => abort.abort(late()), ms);
  signal?.addEventListener("abort", stop);
  if (signal?.aborted) stop();
  try {
    return await act(abort.signal);
  } finally {
    if (timer !== undefined) clearTimeout(timer);
    signal?.removeEventListener("abort", stop);
  }
}

/** Resolves after the time; throws the signal's reason when that aborts first. */
export async function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  signal?.throwIfAborted();
  let stop = () => {};
  const timer = new Promise<void>((resolve) => {
    const id = setTimeout(resolve, ms);
    stop = () => {
      clearTimeout(id);
      resolve();
    };
  });
  signal?.addEventListener("abort", stop);
  await timer;
  signal?.removeEventListener("abort", stop);
  signal?.throwIfAborted();
}
