/** A state: a word, and a mark that differs in shape as well as in colour. */

import type { ComponentChildren } from "preact";

export function Badge({ state, children }: { state: string; children?: ComponentChildren }) {
  return (
    <span class="badge" data-state={state}>
      {children ?? state}
    </span>
  );
}
