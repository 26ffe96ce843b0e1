/** The steps of a task on its timeline. */

import { durationWords, shortened } from "../words.ts";
import type { Scale } from "./scale.ts";
import { Bar, Line } from "./bar.tsx";
import type { Step } from "./step.ts";
import { undosOf, type Undo } from "./undos.ts";

/** The most steps that are drawn; the list of events has all of them. */
const MOST = 60;

export function StepRows({ steps, scale }: { steps: readonly Step[]; scale: Scale }) {
  const undos = undosOf(steps);
  return (
    <>
      {steps.slice(0, MOST).map((step, i) => {
        const start = Date.parse(step.startedAt);
        const end = step.finishedAt === null ? scale.end : Date.parse(step.finishedAt);
        const state = step.error !== null ? "failed" : step.finishedAt === null ? "running" : "step";
        const words = `${step.kind} ${shortened(step.name, 60)}: ${state === "failed" ? `${step.error?.type}` : durationWords(end - start)}`;
        return (
          <Line key={`${step.name} ${i}`} name={shortened(step.name, 30)}>
            <Bar scale={scale} state={state} start={start} end={end} kind="step" words={words} />
            {undos.has(i) && <UndoBar name={step.name} undo={undos.get(i)!} scale={scale} />}
          </Line>
        );
      })}
    </>
  );
}

/** Points back to what it undoes. */
function UndoBar({ name, undo: { start, end, error }, scale }: { name: string; undo: Undo; scale: Scale }) {
  const words =
    error === null
      ? `← undone in ${durationWords(end - start)}: ${shortened(name, 60)}`
      : `← could not be undone: ${error.type}: ${shortened(error.message, 100)}`;
  return (
    <Bar scale={scale} state={error === null ? "undone" : "failed"} start={start} end={end} kind="undo" words={words} />
  );
}
