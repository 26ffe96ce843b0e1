/** The example task: work in steps that takes time and reports its progress. */

import { z } from "zod";
import { defineTask } from "../../core/define-task.ts";
import { durationSchema } from "../../core/duration.ts";
import { MAX_TIMEOUT_MS } from "../../core/bounds.ts";
import { pause } from "./pause.ts";

/** `process_item`: 30 steps of one second unless told otherwise, with progress after each. */
export const processItem = defineTask({
  name: "process_item",
  description: "Processes an item in steps and reports progress after each one.",
  input: z.strictObject({
    name: z.string().min(1).max(200),
    steps: z.int().min(1).max(10_000).default(30),
    pause: durationSchema(0, MAX_TIMEOUT_MS).prefault("1s"),
  }),
  output: z.object({ result: z.string() }),
  // The caller chooses `steps` and `pause`, so the time limit is the longest there is.
  timeout: MAX_TIMEOUT_MS,
  run: async ({ name, steps, pause: pauseMs }, ctx) => {
    for (let step = 1; step <= steps; step++) {
      await pause(pauseMs, ctx.signal);
      ctx.progress(step, steps);
    }
    return { result: `Processed item ${name}` };
  },
});
