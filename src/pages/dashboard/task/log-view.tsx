/** The log lines and the outputs of a task, the latest last. */

import { useEffect, useRef, useState } from "preact/hooks";
import { Empty } from "../parts/loading.tsx";
import { At } from "../parts/time.tsx";
import { glance, many, shortened } from "../words.ts";
import type { TabProps } from "./tab-props.ts";

const LEVELS = ["debug", "info", "warn", "error"] as const;
/** A line of the log, or a chunk of output. */
interface LogLine {
  seq: number;
  at: string;
  level: string;
  text: string;
  data: unknown;
}

const SHOWN = 500;
const MOST_TEXT = 4_000;

export function LogView({ events }: TabProps) {
  const [least, setLeast] = useState<(typeof LEVELS)[number]>("debug");
  const [isTailing, setTailing] = useState(true);
  const box = useRef<HTMLOListElement>(null);

  const lines = events.flatMap((event): LogLine[] => {
    if (event.type === "log") {
      const { level, message, data } = event.data;
      if (LEVELS.indexOf(level) < LEVELS.indexOf(least)) return [];
      return [{ seq: event.seq, at: event.at, level, text: message, data }];
    }
    if (event.type !== "output") return [];
    const text = typeof event.data === "string" ? event.data : glance(event.data, MOST_TEXT);
    return [{ seq: event.seq, at: event.at, level: "output", text, data: undefined }];
  });

  useEffect(() => {
    if (isTailing) box.current?.scrollTo({ top: box.current.scrollHeight });
  }, [lines.length, isTailing]);

  return (
    <>
      <div class="bar">
        <label>
          Level{" "}
          <select value={least} onChange={(event) => setLeast(event.currentTarget.value as (typeof LEVELS)[number])}>
            {LEVELS.map((level) => (
              <option key={level} value={level}>
                {level} and above
              </option>
            ))}
          </select>
        </label>
        <label class="check">
          <input type="checkbox" checked={isTailing} onChange={(event) => setTailing(event.currentTarget.checked)} />
          Follow the end
        </label>
      </div>
      {lines.length === 0 && <Empty>No log lines or outputs.</Empty>}
      {lines.length > SHOWN && <p class="hint">The last {many(SHOWN, "line")}; the API has all of them.</p>}
      {lines.length > 0 && (
        <ol class="log" ref={box} tabIndex={0} aria-label="Log">
          {lines.slice(-SHOWN).map(({ seq, at, level, text, data }) => (
            <li key={seq} data-level={level}>
              <At at={at} /> <b>{level}</b> <bdi>{shortened(text, MOST_TEXT)}</bdi>{" "}
              {data !== undefined && <bdi class="soft">{glance(data, 400)}</bdi>}
            </li>
          ))}
        </ol>
      )}
    </>
  );
}
