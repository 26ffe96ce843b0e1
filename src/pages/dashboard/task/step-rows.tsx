/** The steps of a task on its timeline. */

import { durationWords, shortened } from "../words.ts";
import type { Scale } from "./scale.ts";
import { Bar, Line } from "./bar.tsx";

export interface Step {
  name: string;
  kind: string;
  startedAt: string;
  finishedAt: string | null;
  error: { type: string; message: string } | null;
}

/** So many are drawn; the events list all. */
const MOST = 60;

export function StepRows({ steps, scale }: { steps: readonly Step[]; scale: Scale }) {
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
          </Line>
        );
      })}
    </>
  );
}
