/** What is shown while something is read, where it could not be read, and where a list is empty. */

import type { ComponentChildren } from "preact";
import { faultWords } from "../acts.ts";
import type { Polled } from "../polled.ts";

/** Shows what was read; before that, that it is being read or why it cannot be. */
export function Loaded<T>({ from, children }: { from: Polled<T>; children: (data: T) => ComponentChildren }) {
  if (from.data !== undefined) return <>{children(from.data)}</>;
  if (from.error === undefined) return <p class="loading">Reading…</p>;
  return (
    <div class="empty" role="alert">
      <p>{faultWords(from.error)}</p>
      <button type="button" class="quiet" onClick={from.refresh}>
        Try again
      </button>
    </div>
  );
}

/** A list that is empty, with what to do about it. */
export function Empty({ children }: { children: ComponentChildren }) {
  return <div class="empty">{children}</div>;
}
