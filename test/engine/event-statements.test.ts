/** How many D1 statements and subrequests each kind of event makes, on each plan: printed, and held below the platform's limits. */
import { afterAll, describe, expect, it } from "vitest";
import type { FlowResource } from "../../src/contract/flow.ts";
import { budgetOf } from "../../src/core/plan.ts";
import { AssembledWorker } from "./assembled-worker.ts";

interface Counts {
  statements: number;
  /** Calls to D1, queues and objects together. */
  subrequests: number;
}

const table: Record<string, string> = {};

/** A service on one plan, and a function that counts what an event of it makes. */
function serviceOn(plan: "paid" | "free") {
  let counts: Counts = { statements: 0, subrequests: 0 };
  const service = new AssembledWorker({
    database: (execute) => async (statements) => {
      counts.statements += statements.length;
      counts.subrequests++;
      return execute(statements);
    },
    around: async (_binding, call) => {
      counts.subrequests++;
      return call();
    },
  });
  if (plan === "free") service.env.PLAN = "free";
  // The tasks of one plan's tests are still there in the other's.
  service.env.QUOTAS = JSON.stringify({ tasks: 1_000_000 });
  const budget = budgetOf(service.env);
  /** Events that made more than their plan allows. */
  const tooMany: string[] = [];
  const during = async <T>(name: string, event: () => Promise<T>): Promise<T> => {
    counts = { statements: 0, subrequests: 0 };
    const result = await event();
    const { statements, subrequests } = counts;
    const over = statements > budget.statements || subrequests > budget.subrequests;
    table[`${plan}: ${name}`] = `${statements} statements, ${subrequests} subrequests${over ? " OVER" : ""}`;
    if (over) tooMany.push(table[`${plan}: ${name}`]!);
    return result;
  };
  return { service, during, budget, tooMany };
}

afterAll(() => console.log(table));

const noop = { task: "test.noop" };
const many = <T>(count: number, each: T): T[] => Array.from({ length: count }, () => each);

describe.each(["paid", "free"] as const)("an event on the %s plan", (plan) => {
  const { service, during, budget, tooMany } = serviceOn(plan);
  const attempts = budget.attemptsPerEvent;
  const post = (path: string, body: unknown = {}) => service.fetch(path, { body });

  /** Submits, forgets the bells, and answers the ids. */
  async function submitted(count: number, submission: object): Promise<string[]> {
    const response = await post("/v1/tasks/batch", { tasks: many(count, submission) });
    expect(response.status).toBe(207);
    const { items } = await response.json<{ items: { task: { id: string } }[] }>();
    service.queued.splice(0);
    return items.map(({ task }) => task.id);
  }

  const delivered = (name: string, ids: string[]) =>
    during(name, () => service.deliver([{ lane: "default", body: { ids } }]));

  it("makes no more statements and subrequests than it may: tasks", async () => {
    // The isolate reads the lanes that it keeps.
    await post("/v1/tasks", noop);
    await service.deliver();

    const response = await during("submit one", () => post("/v1/tasks", noop));
    const { id } = await response.json<{ id: string }>();
    await during("claim and commit one", () => service.deliver());
    await during("read one", () => service.fetch(`/v1/tasks/${id}`));
    await during("list 200", () => service.fetch("/v1/tasks?limit=200"));
    await during("submit 1,000 in a batch", () => post("/v1/tasks/batch", { tasks: many(1_000, noop) }));
    service.queued.splice(0);

    await delivered(`claim and commit ${attempts}`, await submitted(attempts, noop));
    const progress = { task: "test.progress", input: { steps: 3, ms: 10 } };
    await delivered(`claim and commit ${attempts} that report`, await submitted(attempts, progress));
    await delivered(`run ${attempts} for 3 s`, await submitted(attempts, { task: "test.sleep", input: { ms: 3_000 } }));
    const steps = { task: "test.nap", input: { ms: 1 } };
    await delivered(`suspend ${attempts}`, await submitted(attempts, steps));
    const failing = {
      task: "test.fail",
      input: { message: "no" },
      options: { webhook: { url: "http://127.0.0.1:9/" } },
    };
    const failed = await submitted(attempts, { ...failing, options: { ...failing.options, maxAttempts: 1 } });
    await delivered(`end ${attempts} that owe a webhook`, failed);
    await during("deliver their webhooks", () => service.deliver());
    expect(tooMany).toEqual([]);
  }, 120_000);

  it("makes no more statements and subrequests than it may: bulk", async () => {
    const tags = { bulk: plan };
    await submitted(1_000, { ...noop, options: { tags, delay: "1h" } });
    const filter = { tags };
    await during("cancel 1,000", () => post("/v1/tasks/cancel", { filter }));
    await during("retry 1,000", () => post("/v1/tasks/retry", { filter }));
    service.queued.splice(0);
    await during("cancel 1,000 again", () => post("/v1/tasks/cancel", { filter }));
    await during("delete 1,000", () => post("/v1/tasks/delete", { filter }));
    expect(tooMany).toEqual([]);
  }, 120_000);

  it("makes no more statements and subrequests than it may: flows", async () => {
    const chord = { chord: { header: many(1_000, noop), body: noop } };
    const response = await during("submit a flow of 1,001", () => post("/v1/flows", chord));
    const { id } = await response.json<{ id: string }>();
    await during("read a flow of 1,001", () => service.fetch(`/v1/flows/${id}`));
    await during("cancel a flow of 1,001", () => post(`/v1/flows/${id}/cancel`));
    await during("retry a flow of 1,001", () => post(`/v1/flows/${id}/retry`));
    service.queued.splice(0);
    await post(`/v1/flows/${id}/cancel`);
    const map = { map: { task: "test.noop", inputs: many(10_000, 1) } };
    const large = await during("submit a flow of 10,000", () => post("/v1/flows", map));
    const flow = await large.json<FlowResource>();
    expect(flow).toMatchObject({ state: "running", counts: { queued: 10_000 }, nextCursor: null });
    expect(new Set(flow.nodes.map(({ key }) => key)).size).toBe(10_000);
    // As it was stored, without being read again.
    const [read] = (await (await service.fetch(`/v1/flows/${flow.id}?limit=1`)).json<FlowResource>()).nodes;
    expect(flow.nodes[0]).toEqual(read);
    service.queued.splice(0);
    expect(tooMany).toEqual([]);
  }, 120_000);
});
