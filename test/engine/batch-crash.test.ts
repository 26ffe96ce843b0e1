/** An input that brings its worker down: the others of its batch end all the same. */
import { expect, it, vi } from "vitest";
import type { TaskResource } from "../../src/contract/task.ts";
import { AssembledWorker } from "./assembled-worker.ts";

const SIZE = 10;
const POISON = 4;

it("takes its batch with it once, and then only itself", async () => {
  const calls: number[] = [];
  const worker = new AssembledWorker({
    handlers: ({ one, together }) => ({
      one,
      together: (attempts) => {
        calls.push(attempts.length);
        if (attempts.some(({ task }) => (JSON.parse(task.input!) as { value: number }).value === POISON)) {
          throw new Error("the event was cut off");
        }
        return together(attempts);
      },
    }),
  });

  const tasks = Array.from({ length: SIZE }, (_, value) => ({ task: "test.batch", input: { value } }));
  const answer = await worker.fetch("/v1/tasks/batch", { body: { tasks } });
  const { items } = await answer.json<{ items: { task: { id: string } }[] }>();
  // The last one gathers alone before each of its calls, and the clock rings for it.
  const isOver = async () => {
    await worker.deliver();
    await worker.tick(Date.now());
    return calls.length === SIZE + 2;
  };
  await vi.waitUntil(isOver, { timeout: 120_000, interval: 100 });

  // The one that crashes three times is called alone twice.
  expect(calls).toEqual([SIZE, ...Array.from({ length: SIZE + 1 }, () => 1)]);
  const ended = await Promise.all(
    items.map(async ({ task }) => (await worker.fetch(`/v1/tasks/${task.id}`)).json<TaskResource>()),
  );
  expect(ended.map((task) => [task.state, task.error?.type ?? task.result, task.attempt])).toEqual(
    ended.map((_, value) => (value === POISON ? ["failed", "worker_lost", 3] : ["succeeded", value, 2])),
  );
});
