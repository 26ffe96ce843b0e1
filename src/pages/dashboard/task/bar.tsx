/** The rows of a timeline, and what lies on them. */

import type { ComponentChildren } from "preact";
import type { Scale } from "./scale.ts";

/** A row of the timeline: its name, what lies on it, and the same in words. */
export function Line({ name, href, children }: { name: string; href?: string; children: ComponentChildren }) {
  return (
    <div class="line">
      <div class="line-name">{href === undefined ? <bdi>{name}</bdi> : <a href={href}>{name}</a>}</div>
      <div class="line-track">{children}</div>
    </div>
  );
}

interface BarProps {
  scale: Scale;
  state: string;
  start: number;
  end: number;
  kind: string;
  words: string;
}

export function Bar({ scale, state, start, end, kind, words }: BarProps) {
  const left = scale.at(start);
  const width = Math.max(0, scale.at(end) - left);
  return (
    <span
      class="stretch"
      data-kind={kind}
      data-state={state}
      title={words}
      role="img"
      aria-label={words}
      style={{ left: `${left * 100}%`, width: `${width * 100}%` }}
    >
      {width > 0.22 && <span class="stretch-words">{words}</span>}
    </span>
  );
}
