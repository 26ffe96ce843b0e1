/** What an explanation says of a queued task that nothing holds back: over HTTP such a one is gone before the question comes. */
import { env } from "cloudflare:workers";
import { expect, it } from "vitest";
import { explanationSchema } from "../../src/contract/explanation.ts";
import { countAttempt, type Counts } from "../../src/core/counts.ts";
import { explain } from "../../src/engine/explain/explain.ts";
import { insertTasks } from "../../src/results/submit-tasks.ts";
import { readTasks } from "../../src/results/read-tasks.ts";
import { addRollups, beginningOf, SPANS } from "../../src/results/rollups.ts";
import { quietEnv } from "./webhook-tasks.ts";
import { limitedTask } from "./limited-tasks.ts";

const WAITED_MS = 4_000;

async function explained(id: string, now: number) {
  const [row] = await readTasks(env.DB, [id]);
  const explanation = await explain(quietEnv(), row!, now);
  expect(explanationSchema.parse(explanation)).toEqual(explanation);
  return explanation;
}

it("says its place in its lane, and when it is likely to start as far as others of its kind have waited", async () => {
  const now = Date.now();
  const tasks = Array.from({ length: 3 }, (_, i) =>
    limitedTask({}, { tenant: "own", lane: "bulk", runAt: now - 3_000 + i }),
  );
  await insertTasks(env.DB, tasks);
  const last = tasks[2]!;
  const reasons = [
    { code: "queued", since: new Date(last.runAt).toISOString(), lane: "bulk", position: 3, capped: false },
  ];
  expect(await explained(last.id, now)).toEqual({
    state: "queued",
    summary: "It is queued on the lane bulk, number 3 in line, and starts as soon as a worker takes it.",
    reasons,
    estimatedStartAt: null,
    estimatedEndAt: null,
    estimatedFrom: null,
  });

  const counts: Counts = {};
  countAttempt(counts, last, WAITED_MS, 10);
  await addRollups(env.DB, [{ tenant: "own", span: SPANS.hour, at: beginningOf(SPANS.hour, now), counts }]);
  const estimated = await explained(last.id, now);
  expect(estimated).toMatchObject({ reasons, estimatedFrom: "wait_times" });
  const waits = Date.parse(estimated.estimatedStartAt!) - last.runAt;
  // A bucket of the histogram is that wide.
  expect(waits / WAITED_MS).toBeGreaterThan(0.9);
  expect(waits / WAITED_MS).toBeLessThan(1.1);
  // What has waited for longer than all others did comes at no time that can be known.
  expect(await explained(last.id, now + 2 * WAITED_MS)).toMatchObject({ reasons, estimatedStartAt: null });
});
