/** All that happened to a task on one line of time, to scale: its states, its attempts, and the tasks that it started. */

import type { TaskEvent } from "../../../client/index.ts";
import type { AttemptResource, TaskResource } from "../../../contract/task.ts";
import { hrefTo } from "../address.ts";
import { now } from "../reach.ts";
import { clockWords, durationWords, shortened } from "../words.ts";
import { Bar, Line } from "./bar.tsx";
import { scaleOf, ticksOf, type Scale } from "./scale.ts";
import { segmentsOf, totalsOf, type Segment } from "./segments.ts";
import { StepRows } from "./step-rows.tsx";
import type { Step } from "./step.ts";

interface TimelineProps {
  task: TaskResource;
  events: readonly TaskEvent[];
  steps: readonly Step[];
  children: readonly TaskResource[];
}

/** A tick further right has no room for its words, in a narrow window and in any. */
const LATE_TICK = 0.7;
const LAST_TICK = 0.92;

const CAUSES: Record<string, string> = {
  scheduled: "waits for its time",
  queued: "waits for a worker or a limit",
  waiting: "waits for tasks, a signal or a sleep",
  retrying: "waits for its next attempt",
  running: "runs",
};

export function Timeline({ task, events, steps, children }: TimelineProps) {
  const segments = segmentsOf(task, events, now.value);
  const attempts = task.attempts ?? [];
  const lates = attempts.flatMap((each) => (each.late ? [Date.parse(each.late.at)] : []));
  const start = Math.min(Date.parse(task.createdAt), ...segments.map((each) => each.start));
  const end = Math.max(start + 1, ...segments.map((each) => each.end), ...lates);
  const idle = segments.filter((each) => each.state !== "running");
  const scale = scaleOf(start, end, idle);
  const running = segments.find((each) => each.state === "running" && each.isOpen);

  return (
    <section class="timeline" aria-labelledby="timeline-title">
      <h2 id="timeline-title">Timeline</h2>
      <p class="totals">
        {[...totalsOf(segments)].map(([state, ms]) => (
          <span key={state} data-state={state}>
            <span class="swatch" aria-hidden="true" /> {state} {durationWords(ms)}
          </span>
        ))}
      </p>
      <div class="lines">
        <Axis scale={scale} />
        <Line name="States">
          {segments.map((each) => (
            <Bar key={`${each.start} ${each.state}`} scale={scale} {...each} kind="state" words={segmentWords(each)} />
          ))}
        </Line>
        {attempts.map((each) => (
          <AttemptLine key={each.number} attempt={each} scale={scale} />
        ))}
        {running !== undefined && (
          <Line name={`Attempt ${task.attempt}`}>
            <Bar
              scale={scale}
              {...running}
              kind="attempt"
              words={`runs for ${durationWords(running.end - running.start)}`}
            />
          </Line>
        )}
        <StepRows steps={steps} scale={scale} />
        {children.map((child) => (
          <Line key={child.id} name={shortened(child.task, 30)} href={hrefTo("tasks", child.id)}>
            <Bar
              scale={scale}
              state={child.state}
              start={Date.parse(child.startedAt ?? child.createdAt)}
              end={child.finishedAt === null ? now.value : Date.parse(child.finishedAt)}
              kind="child"
              words={`${child.task}: ${child.state}`}
            />
          </Line>
        ))}
      </div>
    </section>
  );
}

function AttemptLine({ attempt, scale }: { attempt: AttemptResource; scale: Scale }) {
  const { number, outcome, error, startedAt, finishedAt, late } = attempt;
  const [start, end] = [Date.parse(startedAt), Date.parse(finishedAt)];
  const why = error === null ? "" : `: ${error.type}: ${shortened(error.message, 100)}`;
  return (
    <Line name={`Attempt ${number}`}>
      <Bar
        scale={scale}
        state={outcome}
        start={start}
        end={end}
        kind="attempt"
        words={`${outcome} after ${durationWords(end - start)}${why}`}
      />
      {late !== undefined && (
        <Bar
          scale={scale}
          state="ghost"
          start={end}
          end={Date.parse(late.at)}
          kind="ghost"
          words={`it went on after its lease had ended: ${late.outcome}, which changed nothing`}
        />
      )}
    </Line>
  );
}

function Axis({ scale }: { scale: Scale }) {
  const { ticks: all, isFine } = ticksOf(scale);
  const ticks = all.filter((time) => scale.at(time) < LAST_TICK && !(isFine && time === scale.start));
  return (
    <div class="line axis" aria-hidden="true">
      <div class="line-name" />
      <div class="line-track">
        {ticks.map((time) => (
          <span
            key={time}
            class={scale.at(time) > LATE_TICK ? "tick late" : "tick"}
            style={{ left: `${scale.at(time) * 100}%` }}
          >
            {isFine ? `after ${durationWords(time - scale.start)}` : clockWords(time, now.value)}
          </span>
        ))}
        {scale.folds.map((fold) => (
          <span
            key={fold.start}
            class="fold"
            style={{
              left: `${scale.at(fold.start) * 100}%`,
              width: `${(scale.at(fold.end) - scale.at(fold.start)) * 100}%`,
            }}
          >
            ⋯ {durationWords(fold.end - fold.start)}
          </span>
        ))}
      </div>
    </div>
  );
}

function segmentWords({ state, start, end, attempt }: Segment): string {
  const which = state === "running" ? ` as attempt ${attempt}` : "";
  return `${CAUSES[state] ?? state}${which}: ${durationWords(end - start)}`;
}
