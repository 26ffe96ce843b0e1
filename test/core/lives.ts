/** Lives of tasks as random programs of the model's verbs. */
import fc from "fast-check";
import type { Ending } from "../../src/core/settle.ts";
import * as model from "./model-task.ts";
import type { ModelTask } from "./model-task.ts";

type Verb = (task: ModelTask, now: number) => ModelTask;

/** The first is the only one that nothing follows. */
const endings: Ending[] = [
  { outcome: "succeeded", result: "null" },
  { outcome: "failed", error: { type: "Error", message: "no" }, retryable: true },
  { outcome: "failed", error: { type: "Error", message: "never" }, retryable: false },
  { outcome: "timeout", error: { type: "timeout", message: "late" } },
  { outcome: "snoozed", delayMs: 3_000 },
  { outcome: "crashed" },
];

/** Endings that another attempt or a retry follows are likelier, so that lives are long. */
const verbs: fc.Arbitrary<Verb> = fc.oneof(
  { weight: 6, arbitrary: fc.constant<Verb>(model.claimed) },
  {
    weight: 6,
    arbitrary: fc.constantFrom(...endings).map(
      (ending): Verb =>
        (task, now) =>
          model.ended(task, task.attempt, model.endingFor(task, ending), now),
    ),
  },
  { weight: 3, arbitrary: fc.constant<Verb>((task, now) => model.looked(task, now, true) ?? task) },
  {
    weight: 1,
    arbitrary: fc.boolean().map(
      (undo): Verb =>
        (task, now) =>
          model.cancelled(task, now, undo),
    ),
  },
  { weight: 1, arbitrary: fc.constant<Verb>((task) => (task.state === "running" ? model.undoable(task) : task)) },
  { weight: 3, arbitrary: fc.constant<Verb>(model.retried) },
  {
    weight: 2,
    arbitrary: fc.tuple(fc.constantFrom(0, 4_000), fc.boolean()).map(
      ([delayMs, pauses]): Verb =>
        (task, now) =>
          model.held(task, delayMs, pauses, now),
    ),
  },
);

const steps = fc.tuple(verbs, fc.constantFrom(1, 900, 5_000, 40_000));

const wanted = fc.record({
  delayMs: fc.constantFrom(0, 0, 2_000),
  expiresInMs: fc.constantFrom(null, null, 30_000),
  maxAttempts: fc.integer({ min: 1, max: 3 }),
});

function lived(options: model.Wanted, program: [Verb, number][]): ModelTask[] {
  let now = 1_000_000;
  const rows = [model.submitted(options, now)];
  for (const [verb, ms] of program) {
    now += ms;
    rows.push(verb(rows.at(-1)!, now));
  }
  return rows;
}

/** Every row that a task was, in order: each as a reader may have seen it. */
export const lives = fc
  .tuple(wanted, fc.array(steps, { maxLength: 40, size: "max" }))
  .map(([options, program]) => lived(options, program));

/** One round of a life that goes on: whatever has happened, an attempt begins and ends. */
const rounds = fc
  .record({
    ending: fc.constantFrom(...endings.slice(1)),
    by: fc.array(steps, { maxLength: 3 }),
    ms: fc.nat({ max: 3_000 }),
  })
  .map(({ ending, by, ms }): [Verb, number][] => [
    [model.retried, ms + 1],
    [(task, now) => model.looked(task, now, true) ?? task, 40_000],
    [model.claimed, ms],
    ...by,
    [(task, now) => model.ended(task, task.attempt, model.endingFor(task, ending), now), ms],
  ]);

/** The same of tasks with so many attempts, up to 60 and more, that their rows do not keep the history of all of them. */
export const longLives = fc
  .tuple(
    fc.record({
      delayMs: fc.constantFrom(0, 2_000),
      expiresInMs: fc.constant(null),
      maxAttempts: fc.constantFrom(2, 100),
    }),
    fc.array(rounds, { minLength: 40, maxLength: 62, size: "max" }),
  )
  .map(([options, program]) => lived(options, program.flat()));
