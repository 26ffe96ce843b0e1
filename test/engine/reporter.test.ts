/** How often a long attempt reports, and that no progress is lost for it: in virtual time. */
import { env } from "cloudflare:workers";
import { afterEach, expect, it, vi } from "vitest";
import { insertTasks } from "../../src/results/submit-tasks.ts";
import type { Report } from "../../src/progress/snapshot.ts";
import { Reporter } from "../../src/worker/reporter.ts";
import { claimOne, newTask, newTenant, quietEnv } from "./webhook-tasks.ts";

/** As close as API.md promises that every report arrives. */
const APART_MS = 300;

afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

/** Reports for so long, and answers the reports that were sent. */
async function reportsOf(plan: string, ms: number): Promise<Report[]> {
  const task = newTask(newTenant());
  await insertTasks(env.DB, [task]);
  const claimed = await claimOne(env.DB, task.id);
  const sent: Report[] = [];
  const object = { report: async (report: Report) => void sent.push(report) };
  let now = Date.now();
  vi.useFakeTimers({ now, toFake: ["Date"] });
  const waits: { at: number; go: () => void }[] = [];
  vi.spyOn(scheduler, "wait").mockImplementation(
    (delay: number) => new Promise<void>((go) => void waits.push({ at: now + delay, go })),
  );
  const bindings = { ...quietEnv(), PLAN: plan, PROGRESS: { getByName: () => object } as unknown as Env["PROGRESS"] };
  const reporter = new Reporter(bindings, { ...claimed, object: 2 });
  for (let step = 1; step * APART_MS <= ms; step++) {
    now += APART_MS;
    vi.setSystemTime(now);
    for (const wait of waits.splice(0)) {
      if (wait.at <= now) wait.go();
      else waits.push(wait);
    }
    reporter.tellProgress(step, null, null, null);
    for (let turn = 0; turn < 5; turn++) await Promise.resolve();
  }
  const finished = reporter.finish();
  for (const wait of waits.splice(0)) wait.go();
  await finished;
  return sent;
}

it.each([
  { plan: "", most: 1_000 },
  { plan: "free", most: 25 },
])("of 14 minutes on plan $plan sends at most $most reports, with every progress in them", async ({ plan, most }) => {
  const sent = await reportsOf(plan, 14 * 60_000);
  const told = sent.flatMap((report) => report.events.map((event) => (event.data as { done: number }).done));
  console.log(`14 min, a report every ${APART_MS} ms: ${sent.length} requests for ${told.length} values`);
  expect(sent.length).toBeLessThanOrEqual(most);
  expect(told).toEqual(Array.from({ length: (14 * 60_000) / APART_MS }, (_, i) => i + 1));
});
