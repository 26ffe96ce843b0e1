/** Lines over time. */

import { now } from "../reach.ts";
import { scaleOf, ticksOf } from "../task/scale.ts";
import { clockWords, countWords, durationWords } from "../words.ts";

interface Line {
  name: string;
  /** One for each time; null where nothing was measured. */
  values: readonly (number | null)[];
}

interface ChartProps {
  kind: "count" | "time";
  title: string;
  /** ms since the epoch, rising. */
  at: readonly number[];
  lines: readonly Line[];
  /** When something happened to the service: ms since the epoch, and what. */
  marks: readonly { at: number; kind: string }[];
  /** What the chart shows, for screen readers. */
  words: string;
}

const DAY_MS = 86_400_000;
/** A tick further right has no room for its words. */
const LAST_TICK = 0.9;
/** So much of the width stands for a single point. */
const ALONE = 1.5;

export function Chart({ kind, title, at, lines, marks, words }: ChartProps) {
  const scale = scaleOf(at[0] ?? 0, at.at(-1) ?? 1, []);
  const most = topOf(Math.max(1, ...lines.flatMap(({ values }) => values.map((value) => value ?? 0))));
  const path = ({ values }: Line) => {
    if (values.every((value) => value === null || value === 0)) return "";
    const places = values.flatMap((value, i) =>
      value === null ? [] : [[scale.at(at[i]!) * 100, 100 - (value / most) * 100] as const],
    );
    // One point alone would not be drawn.
    const [first] = places;
    if (places.length === 1) places.unshift([Math.max(0, first![0] - ALONE), first![1]]);
    return places.map((place) => place.map((each) => each.toFixed(2)).join()).join(" ");
  };
  const label = kind === "time" ? durationWords : countWords;
  return (
    <figure class="chart" data-kind={kind}>
      <figcaption>
        <b>{title}</b>
        <span class="legend">
          {lines.map(({ name }, i) => (
            <span key={name}>
              <i data-line={i} aria-hidden="true" />
              {name}
            </span>
          ))}
        </span>
      </figcaption>
      <div class="plot" role="img" aria-label={`${title}: ${words}`}>
        <span class="most">{label(most)}</span>
        <svg viewBox="0 0 100 100" preserveAspectRatio="none" aria-hidden="true">
          <line x1="0" x2="100" y1="50" y2="50" />
          <line x1="0" x2="100" y1="0" y2="0" />
          <line x1="0" x2="100" y1="100" y2="100" />
          {marks.map((mark, i) => {
            const x = scale.at(mark.at) * 100;
            return <line key={i} data-mark={mark.kind} x1={x} x2={x} y1="0" y2="100" />;
          })}
          {lines.map((line, i) => (
            <polyline key={line.name} data-line={i} points={path(line)} />
          ))}
        </svg>
      </div>
      <div class="plot-axis" aria-hidden="true">
        {ticksOf(scale, 5)
          .ticks.filter((time) => scale.at(time) < LAST_TICK)
          .map((time) => (
            <span key={time} class="tick" style={{ left: `${scale.at(time) * 100}%` }}>
              {tickWords(time, scale.end - scale.start)}
            </span>
          ))}
      </div>
    </figure>
  );
}

/** A round number at the top of the chart. */
function topOf(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value));
  return ([1, 2, 5, 10].find((each) => each * power >= value) ?? 10) * power;
}

function tickWords(time: number, span: number): string {
  if (span <= 2 * DAY_MS) return clockWords(time, now.value).replace(/:\d\d(?=\D*$)/, "");
  return new Date(time).toLocaleDateString(undefined, { month: "short", day: "numeric" });
}
