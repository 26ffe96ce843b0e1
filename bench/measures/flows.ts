/** Chains and chords: tasks that wait for one another, until the last has ended. */
import { demand, type Measure } from "./measure.ts";

const WAIT_MS = 10_000;
const WITHIN_MS = 60_000;

export const flows: Measure = async ({ service }, { chain, chord }) => {
  const { flows: kinds } = service;
  if (kinds === null) return [];
  const timed = async (submit: () => Promise<string>) => {
    const startedAt = performance.now();
    const last = await submit();
    for (;;) {
      const end = await service.look(last, WAIT_MS);
      demand(end !== "other", "the last task has failed");
      demand(performance.now() - startedAt < WITHIN_MS, `the last task has not ended within ${WITHIN_MS / 1_000} s`);
      if (end === "succeeded") return performance.now() - startedAt;
    }
  };
  // A small run first, so that the first use is not measured.
  await timed(() => kinds.chain(3));
  const chainMs = await timed(() => kinds.chain(chain));
  const chordMs = await timed(() => kinds.chord(chord));
  return [
    { measure: "chain", figures: { tasks: chain, totalMs: chainMs, tasksPerS: (chain * 1_000) / chainMs } },
    { measure: "chord", figures: { tasks: chord + 1, totalMs: chordMs, tasksPerS: ((chord + 1) * 1_000) / chordMs } },
  ];
};
