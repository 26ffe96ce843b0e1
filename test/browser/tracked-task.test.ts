/** What the demo page makes of events and reads that come twice, late, or out of order. */
import { describe, expect, it } from "vitest";
import type { TaskEvent } from "../../src/contract/event.ts";
import type { TaskResource } from "../../src/contract/task.ts";
import { accepted, afterEvent, afterRead, isSettled } from "../../src/pages/demo/tracked-task.ts";

const links = { self: "/s", events: "/e", cancel: "/c" };
const fresh = accepted({ id: "task_1", name: "x", links, submittedAt: 0 });

describe("a tracked task", () => {
  it("takes each event once, whatever a reconnect repeats", () => {
    const started = afterEvent(fresh, state(1, "running", 1));
    const moved = afterEvent(started, progress(2, 5));
    expect(moved).toMatchObject({ state: "running", attempt: 1, progress: { done: 5 }, seq: 2 });
    expect(afterEvent(moved, state(1, "queued", 0))).toBe(moved);
    expect(afterEvent(moved, progress(2, 4))).toBe(moved);
  });

  it("shows the end only with its result", () => {
    const before = afterEvent(fresh, state(1, "succeeded", 1));
    expect(before.state).toBe("queued");
    const done = afterEvent(before, event(2, "done", task({ state: "succeeded", result: { result: "Processed" } })));
    expect(done).toMatchObject({ state: "succeeded", result: { result: "Processed" } });
    expect(isSettled(done)).toBe(true);
  });

  it("believes `done` whatever its number is", () => {
    const late = { ...fresh, seq: 40 };
    expect(afterEvent(late, event(3, "done", task({ state: "failed" }))).state).toBe("failed");
  });

  it("never leaves an end", () => {
    const done = afterRead(fresh, task({ state: "cancelled" }));
    expect(afterEvent(done, state(9, "running", 2))).toBe(done);
    expect(afterRead(done, task({ state: "running" }))).toBe(done);
  });

  it("does not let a replayed state undo what a read has told", () => {
    const read = afterRead(fresh, task({ state: "running", attempt: 2, startedAt: at(20) }));
    expect(afterEvent(read, state(1, "queued", 1, 3))).toMatchObject({ state: "running", attempt: 2, seq: 1 });
    expect(afterEvent(read, state(2, "retrying", 2, 25))).toMatchObject({ state: "retrying" });
  });

  it("keeps the later of two progress reports", () => {
    const moved = afterEvent(fresh, progress(3, 7, 7));
    expect(afterRead(moved, task({ progress: report(5, 5) })).progress?.done).toBe(7);
    expect(afterRead(moved, task({ progress: report(9, 9) })).progress?.done).toBe(9);
    expect(afterRead(moved, task({ progress: null })).progress?.done).toBe(7);
  });
});

function at(second: number): string {
  return new Date(second * 1_000).toISOString();
}

function event(seq: number, type: TaskEvent["type"], data: unknown, second = seq): TaskEvent {
  return { seq, type, at: at(second), data };
}

function state(seq: number, to: TaskResource["state"], attempt: number, second = seq): TaskEvent {
  return event(seq, "state", { state: to, attempt }, second);
}

function report(done: number, second: number): NonNullable<TaskResource["progress"]> {
  return { done, total: 30, percent: null, message: null, data: null, at: at(second) };
}

function progress(seq: number, done: number, second = seq): TaskEvent {
  return event(seq, "progress", report(done, second), second);
}

function task(members: Partial<TaskResource>): TaskResource {
  return {
    id: "task_1",
    task: "process_item",
    state: "queued",
    input: { name: "x" },
    result: null,
    error: null,
    progress: null,
    attempt: 1,
    maxAttempts: 3,
    lane: "default",
    tags: {},
    parentId: null,
    rootId: "task_1",
    flowId: null,
    createdAt: at(0),
    runAt: at(0),
    startedAt: null,
    finishedAt: null,
    expiresAt: null,
    retainUntil: null,
    cancelRequestedAt: null,
    waitingFor: null,
    traceparent: null,
    links,
    ...members,
  };
}
