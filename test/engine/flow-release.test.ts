/** Flows between the transactions: repeated commits, lost bells, retries that are asked twice, results that change. */
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { BELL_MS, INLINE_PAYLOAD_BYTES } from "../../src/core/bounds.ts";
import type { FlowRow } from "../../src/results/flows/flows.ts";
import { retryMembers } from "../../src/results/flows/retry.ts";
import { readDue } from "../../src/results/due-tasks.ts";
import { deleteTasks } from "../../src/results/purge-tasks.ts";
import { failed, flowOf, inputAt, newFlow, play, statesOf, succeeded, workerOn } from "./flow-tasks.ts";

const noop = { task: "test.noop" };

const idAt = async (flowId: string, key: string) =>
  (await flowOf(flowId)).nodes.find((node) => node.key === key)!.task.id;

/** The flow with the end that a retry follows. */
const endOfFlow = async (id: string) =>
  (await env.DB.prepare("SELECT id, finished_at AS finishedAt FROM flows WHERE id = ?1")
    .bind(id)
    .first<Pick<FlowRow, "id" | "finishedAt">>())!;

describe("a release", () => {
  it("is answered again to a commit whose answer was lost, and happens once", async () => {
    const id = await newFlow({ chain: [noop, noop] });
    const worker = workerOn();
    const claimed = await worker.claim([await idAt(id, "0")]);
    const at = Date.now();
    const first = await worker.end(claimed, () => succeeded(1), at);
    const second = await worker.end(claimed, () => succeeded(1), at);
    expect(first.released).toMatchObject([{ id: await idAt(id, "1"), state: "queued" }]);
    expect(second.released).toEqual(first.released);
    await play(id, "1", succeeded(2));
    // Even now it changes nothing.
    expect((await worker.end(claimed, () => succeeded(1), at)).released).toEqual([]);
    expect(await flowOf(id)).toMatchObject({ state: "succeeded", result: 2 });
  });

  it("whose message was lost is found by the clock", async () => {
    const id = await newFlow({ chain: [noop, noop] });
    await play(id, "0", succeeded(1));
    const next = await idAt(id, "1");
    expect(await readDue(env.DB, Date.now(), 500)).not.toContainEqual(expect.objectContaining({ id: next }));
    expect(await readDue(env.DB, Date.now() + BELL_MS, 500)).toContainEqual(expect.objectContaining({ id: next }));
  });

  it("happens once where the last two needs end in one commit, or at the same time", async () => {
    for (const together of [true, false]) {
      const id = await newFlow({ chord: { header: [noop, noop], body: noop } });
      const worker = workerOn();
      const claimed = await worker.claim([await idAt(id, "header.0"), await idAt(id, "header.1")]);
      const groups = together ? [claimed] : claimed.map((task) => [task]);
      const answers = await Promise.all(groups.map((group) => worker.end(group, () => succeeded(1))));
      expect(answers.flatMap(({ released }) => released)).toHaveLength(1);
      expect(statesOf(await flowOf(id))).toMatchObject({ body: "queued" });
    }
  });

  it("of a task that expires meanwhile lets the clock end it then, not later", async () => {
    const late = { ...noop, options: { delay: "1m", expiresIn: "70s" } };
    const id = await newFlow({ chain: [noop, late] });
    const worker = workerOn();
    const claimed = await worker.claim([await idAt(id, "0")]);
    await worker.end(claimed, () => succeeded(1), Date.now() + 30_000);
    const { task } = (await flowOf(id)).nodes[1]!;
    const due = (await readDue(env.DB, Date.parse(task.expiresAt!), 500)).find((each) => each.id === task.id);
    expect(task.state).toBe("scheduled");
    expect(due).toBeDefined();
  });
});

describe("what never runs", () => {
  it("names all that it needed and that failed, whenever that came, and so does all below it", async () => {
    const header = [noop, { chain: [noop, noop] }, noop];
    const id = await newFlow({ chain: [{ chord: { header, body: noop } }, noop] });
    const named = async () => {
      const { nodes } = await flowOf(id);
      const causes = (key: string) =>
        (nodes.find((node) => node.key === key)!.task.error!.data as { taskIds: string[] }).taskIds;
      expect(causes("1")).toEqual(causes("0.body"));
      return causes("1").map((cause) => nodes.find(({ task }) => task.id === cause)!.key);
    };
    await play(id, "0.header.0", failed);
    expect(await named()).toEqual(["0.header.0"]);
    await play(id, "0.header.1.0", succeeded(1));
    const worker = workerOn();
    const claimed = await worker.claim([await idAt(id, "0.header.1.1")]);
    for (let i = 0; i < 2; i++) await worker.end(claimed, () => failed, Date.now());
    expect(await named()).toEqual(["0.header.0", "0.header.1.1"]);
    await play(id, "0.header.2", succeeded(1));
    expect(await named()).toEqual(["0.header.0", "0.header.1.1"]);
    expect(await flowOf(id)).toMatchObject({ state: "failed", counts: { failed: 4, succeeded: 2 } });
  });

  it("ends, too, where a handler's own error is called like that of what never runs", async () => {
    const id = await newFlow({ chain: [noop, noop] });
    await play(id, "0", { ...failed, error: { type: "dependency_failed", message: "mine" } });
    const { state, nodes } = await flowOf(id);
    expect(state).toBe("failed");
    expect(nodes[1]!.task.error).toMatchObject({ data: { taskIds: [nodes[0]!.task.id] } });
  });

  it("names a hundred of more", async () => {
    const many = 150;
    const id = await newFlow({ chord: { header: Array.from({ length: many }, () => noop), body: noop } });
    const worker = workerOn();
    const ids = (await flowOf(id)).nodes.slice(0, many).map(({ task }) => task.id);
    for (const some of [ids.slice(0, 40), ids.slice(40)]) await worker.end(await worker.claim(some), () => failed);
    const { data } = (await flowOf(id)).nodes.at(-1)!.task.error!;
    expect(new Set((data as { taskIds: string[] }).taskIds).size).toBe(100);
  });
});

describe("a retry", () => {
  it("forgets a large result where the next one is small", async () => {
    const id = await newFlow({ chain: [noop, noop] });
    const large = "x".repeat(INLINE_PAYLOAD_BYTES + 1);
    await play(id, "0", succeeded(large));
    expect(await inputAt(id, "1")).toBe(large);
    await play(id, "1", succeeded(large));
    await retryMembers(env.DB, await endOfFlow(id), await idAt(id, "0"), null, Date.now() + 1);
    expect((await flowOf(id)).nodes[0]!.task).toMatchObject({ state: "queued", result: null });
    await play(id, "0", succeeded("small"));
    expect(await inputAt(id, "1")).toBe("small");
    await play(id, "1", succeeded("small, too"));
    expect(await flowOf(id)).toMatchObject({ state: "succeeded", result: "small, too" });
  });

  it("from one member settles those that also wait for a failure that stays", async () => {
    const inner = { dag: { a: { node: noop }, b: { node: noop }, c: { node: noop, needs: ["a", "b"] } } };
    const id = await newFlow({ dag: { n: { node: inner, onFailure: "ignore" }, after: { node: noop, needs: ["n"] } } });
    await play(id, "n.b", failed);
    await play(id, "n.a", succeeded(1));
    await play(id, "after", succeeded(2));
    expect(await flowOf(id)).toMatchObject({ state: "succeeded" });
    await retryMembers(env.DB, await endOfFlow(id), await idAt(id, "n.a"), null, Date.now() + 1);
    await play(id, "n.a", succeeded(3));
    await play(id, "after", succeeded(4));
    const flow = await flowOf(id);
    expect(flow).toMatchObject({ state: "succeeded", result: { after: 4 }, counts: { succeeded: 2, failed: 2 } });
    const { error } = flow.nodes.find(({ key }) => key === "n.c")!.task;
    expect(error).toMatchObject({ type: "dependency_failed", data: { taskIds: [await idAt(id, "n.b")] } });
  });

  it("whose answer was lost does nothing when it is repeated, whatever has happened since", async () => {
    const id = await newFlow({ chain: [noop, noop] });
    await play(id, "0", failed);
    const now = Date.now() + 1;
    const ended = await endOfFlow(id);
    const first = await retryMembers(env.DB, ended, null, null, now);
    expect(first).toMatchObject([{ id: await idAt(id, "0") }]);
    expect(await retryMembers(env.DB, ended, null, null, now)).toEqual(first);
    await play(id, "0", failed);
    expect(await flowOf(id)).toMatchObject({ state: "failed" });
    // Another end than the one that was to be retried.
    await env.DB.prepare("UPDATE flows SET finished_at = ?2 WHERE id = ?1")
      .bind(id, now + 1)
      .run();
    expect(await retryMembers(env.DB, ended, null, null, now)).toEqual([]);
    expect(await flowOf(id)).toMatchObject({ state: "failed", counts: { failed: 2 } });
  });

  it("that is asked by many at once is one", async () => {
    const id = await newFlow({ group: [noop, noop], onError: noop });
    await play(id, "0", failed);
    await play(id, "1", failed);
    await play(id, "onError", succeeded(null));
    const now = Date.now() + 1;
    const ended = await endOfFlow(id);
    await Promise.all(Array.from({ length: 10 }, (_, i) => retryMembers(env.DB, ended, null, null, now + i)));
    for (const key of ["0", "1"]) await play(id, key, succeeded(key));
    expect(await flowOf(id)).toMatchObject({ state: "succeeded", result: ["0", "1"] });
    const { results } = await env.DB.prepare("SELECT run FROM tasks WHERE flow_id = ?1 ORDER BY id").bind(id).all();
    expect(results).toEqual([{ run: 2 }, { run: 2 }, { run: 1 }]);
  });
});

describe("a member of a flow", () => {
  const LATER = Date.now() + 100 * 86_400_000;

  it("stays, whatever its retention, as long as the flow runs, because others may need its result", async () => {
    const id = await newFlow({ chain: [{ ...noop, options: { retention: "1s" } }, noop] });
    await play(id, "0", succeeded("needed"));
    const first = await idAt(id, "0");
    expect((await deleteTasks(env.DB, [first], LATER)).gone).toEqual([]);
    expect(await inputAt(id, "1")).toBe("needed");
    await play(id, "1", succeeded(1));
    expect((await deleteTasks(env.DB, [first], LATER)).gone).toEqual([]);
  });
});
