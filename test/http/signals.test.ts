/** Signals: kept until they are asked for, each given once; and the addresses at which others may send one. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { TaskEvent } from "../../src/contract/event.ts";
import type { ProblemResource } from "../../src/contract/problem.ts";
import { startHookReceiver, type Hook, type HookReceiver } from "../faults/hook-receiver.ts";
import { apiOf, poll, type Api } from "./api.ts";
import { shareServer, type SharedServer } from "./shared-server.ts";

let server: SharedServer;
let api: Api;
let hooks: HookReceiver;

beforeAll(async () => {
  [server, hooks] = await Promise.all([shareServer(), startHookReceiver()]);
  api = apiOf(server);
});

afterAll(async () => {
  await Promise.all([server?.stop(), hooks?.close()]);
});

const send = (id: string, name: string, body?: unknown) =>
  api.post<{ accepted?: boolean } & Partial<ProblemResource>>(`/v1/tasks/${id}/signals/${name}`, body);

async function expectKept(id: string, name: string, body?: unknown): Promise<void> {
  const text = body === undefined ? undefined : JSON.stringify(body);
  const answer = await send(id, name, text);
  expect(answer).toMatchObject({ status: 202, body: { accepted: true } });
  expect(answer.headers.get("location")).toBe(`/v1/tasks/${id}`);
  expect(answer.headers.get("retry-after")).toMatch(/^[1-9]\d*$/);
}

const waitForSignal = (id: string, name: string) =>
  api.waitUntil(id, ({ state, waitingFor }) => {
    return state === "waiting" && (waitingFor as { signals: string[] } | null)?.signals.includes(name) === true;
  });

const upTo = (count: number) => Array.from({ length: count }, (_, n) => n);

describe("a signal", () => {
  it("wakes the task that waits for it, which held no worker", async () => {
    const { id } = await api.submit("test.signal", { name: "go" }, { maxAttempts: 1 });
    const { waitingFor } = await waitForSignal(id, "go");
    expect(waitingFor).toEqual({ type: "signal", until: null, signals: ["go"], tasks: [] });
    await expectKept(id, "go", { by: "anna" });
    const task = await api.waitForEnd(id);
    expect(task).toMatchObject({ state: "succeeded", attempt: 2, result: { by: "anna" } });
    const { body } = await api.get<{ items: TaskEvent[] }>(task.links.events);
    const heard = body.items.filter((event) => event.type === "signal").map((event) => event.data);
    expect(heard).toEqual([{ name: "go", body: { by: "anna" } }]);
    expect(body.items.at(-1)?.type).toBe("done");
  });

  it("that comes before it is awaited is kept", async () => {
    const { id } = await api.submit("test.signal", { name: "early" }, { delay: "3s" });
    await expectKept(id, "early", [1, 2]);
    expect(await api.waitForEnd(id)).toMatchObject({ state: "succeeded", attempt: 1, result: [1, 2] });
  });

  it("may have no body, and any JSON as one", async () => {
    const bodies = [undefined, null, 0, "", "text", [], { a: { b: [1] } }];
    const { id } = await api.submit("test.signals", { name: "x", waits: bodies.map(() => null) }, { delay: "1s" });
    for (const body of bodies) await expectKept(id, "x", body);
    expect(await api.waitForEnd(id)).toMatchObject({ result: bodies.map((body) => body ?? null) });
  });

  it("with a number that would not be kept is a 422 that points at it", async () => {
    const { id } = await api.submit("test.noop", null, { delay: "1h" });
    expect(await send(id, "x", '{ "a": [1, -1e400] }')).toMatchObject({
      status: 422,
      body: { type: "/problems/invalid-body", errors: [{ pointer: "/a/1" }] },
    });
    await api.post(`/v1/tasks/${id}/cancel`);
  });

  it("of another name, or for another task, wakes no task", async () => {
    const [one, other] = await Promise.all([
      api.submit("test.signal", { name: "go" }),
      api.submit("test.signal", { name: "go" }),
    ]);
    await waitForSignal(one.id, "go");
    await waitForSignal(other.id, "go");
    await expectKept(one.id, "stop", 1);
    await expectKept(other.id, "go", 2);
    expect(await api.waitForEnd(other.id)).toMatchObject({ result: 2 });
    expect(await api.read(one.id)).toMatchObject({ state: "waiting", attempt: 1 });
    await api.post(`/v1/tasks/${one.id}/cancel`);
  });

  it("is given once, and those of one name in the order in which they came", async () => {
    const { id } = await api.submit("test.signals", { name: "n", waits: upTo(6).map(() => null) });
    await waitForSignal(id, "n");
    for (const n of upTo(3)) await expectKept(id, "n", n);
    await api.waitUntil(id, ({ state, attempt }) => state === "waiting" && attempt > 1);
    for (const n of upTo(3)) await expectKept(id, "n", 3 + n);
    expect(await api.waitForEnd(id)).toMatchObject({ state: "succeeded", result: [0, 1, 2, 3, 4, 5] });
  });

  it.each([false, true])(
    "is none of 50 sent at once that gets lost or comes twice (waits side by side: %s)",
    async (sideBySide) => {
      const waits = upTo(50).map(() => null);
      const { id } = await api.submit("test.signals", { name: "many", waits, sideBySide });
      await waitForSignal(id, "many");
      await Promise.all(upTo(50).map((n) => expectKept(id, "many", n)));
      const { state, result } = await api.waitForEnd(id);
      expect(state).toBe("succeeded");
      expect((result as number[]).toSorted((a, b) => a - b)).toEqual(upTo(50));
    },
  );

  it("that does not come in time throws, and does not take the next one with it", async () => {
    const options = { maxAttempts: 1 } as const;
    const { id } = await api.submit("test.signals", { name: "late", waits: ["1s", null, "1d"] }, options);
    await api.waitUntil(id, ({ state, attempt }) => state === "waiting" && attempt > 1);
    await expectKept(id, "late", "second");
    await expectKept(id, "late", "third");
    expect(await api.waitForEnd(id)).toMatchObject({ state: "succeeded", result: [null, "second", "third"] });
  });

  it("that does not come in time fails the attempt, and the next one waits anew", async () => {
    const options = { maxAttempts: 2, retry: { base: "10ms" } };
    const { id } = await api.submit("test.signal", { name: "late", timeout: "1s" }, options);
    await api.waitUntil(id, ({ state, attempt }) => state === "waiting" && attempt > 2);
    await expectKept(id, "late", "here");
    const task = await api.waitForEnd(id);
    expect(task).toMatchObject({ state: "succeeded", result: "here" });
    expect(task.attempts?.map((attempt) => attempt.outcome)).toEqual(["suspended", "failed", "suspended", "succeeded"]);
  });

  it("that does not come in time fails the task that does not catch it, with its name", async () => {
    const { id } = await api.submit("test.signal", { name: "never", timeout: "3s" }, { maxAttempts: 1 });
    const waiting = await waitForSignal(id, "never");
    expect(typeof (waiting.waitingFor as { until: string }).until).toBe("string");
    const task = await api.waitForEnd(id);
    expect(task).toMatchObject({ state: "failed", error: { type: "SignalTimeoutError" } });
    expect(task.error!.message).toContain('"never"');
    expect(task.attempts?.map((attempt) => attempt.outcome)).toEqual(["suspended", "failed"]);
  });

  it("that does not fit what the task wants is passed over with a warning, and the next one is taken", async () => {
    const { id, links } = await api.submit("test.approval", {});
    await waitForSignal(id, "approve");
    await expectKept(id, "approve", { aproved: true });
    await api.waitUntil(id, ({ state, attempt }) => state === "waiting" && attempt > 1);
    await expectKept(id, "approve", { approved: true });
    expect(await api.waitForEnd(id)).toMatchObject({ state: "succeeded", result: "approved" });
    const { body } = await api.get<{ items: TaskEvent[] }>(links.events);
    const warnings = body.items.filter((event) => event.type === "log").map((event) => event.data);
    expect(warnings).toMatchObject([
      { level: "warn", data: { signal: "approve", errors: [{ pointer: "/approved" }, { pointer: "/aproved" }] } },
    ]);
  });

  it("is heard by a task that waits for it or for a time, whatever comes first", async () => {
    const [signalled, timed] = await Promise.all([
      api.submit("test.approval", { within: "1d" }),
      api.submit("test.approval", { within: "500ms" }),
    ]);
    const { waitingFor } = await waitForSignal(signalled.id, "approve");
    expect(waitingFor).toMatchObject({ type: "several", until: expect.any(String) as string, signals: ["approve"] });
    await expectKept(signalled.id, "approve", { approved: false });
    expect(await api.waitForEnd(signalled.id)).toMatchObject({ result: "refused" });
    expect(await api.waitForEnd(timed.id)).toMatchObject({ result: "nobody came" });
  });

  it("is given again to a manual retry, which begins with all of them", async () => {
    const { id } = await api.submit("test.signals", { name: "a", waits: [null, null] });
    await expectKept(id, "a", 1);
    await api.post(`/v1/tasks/${id}/cancel`);
    await api.waitForEnd(id);
    expect((await api.post(`/v1/tasks/${id}/retry`)).status).toBe(202);
    await waitForSignal(id, "a");
    await expectKept(id, "a", 2);
    expect(await api.waitForEnd(id)).toMatchObject({ state: "succeeded", result: [1, 2] });
  });
});

describe("a signal that cannot be delivered", () => {
  it("is refused where the task has ended, or never was", async () => {
    const { id } = await api.submit("test.noop");
    await api.waitForEnd(id);
    const ended = await send(id, "go", 1);
    expect(ended).toMatchObject({ status: 409, body: { type: "/problems/conflict" } });
    expect(ended.body.detail).toContain("succeeded");
    expect((await send("task_00000000000000000000000000", "go", 1)).status).toBe(404);
  });

  it("is refused where its name or its body is none, and nothing is kept", async () => {
    const { id } = await api.submit("test.signal", { name: "go" });
    expect((await send(id, "g%20o", 1)).status).toBe(400);
    expect((await send(id, "x".repeat(101), 1)).status).toBe(400);
    expect((await send(id, "go", "{not json")).status).toBe(400);
    const typed = await api.call("POST", `/v1/tasks/${id}/signals/go`, {
      body: "approved=yes",
      headers: { "content-type": "application/x-www-form-urlencoded" },
    });
    expect(typed.status).toBe(415);
    expect((await send(id, "go", JSON.stringify("x".repeat(1_048_576)))).status).toBe(413);
    // Short on the way, and 22 bytes each once it is read and written again.
    expect((await send(id, "go", `[${"1e20,".repeat(150_000)}1]`)).status).toBe(413);
    await waitForSignal(id, "go");
    await expectKept(id, "go", "x".repeat(1_048_574));
    expect((await api.waitForEnd(id)).result).toHaveLength(1_048_574);
  });
});

describe("a callback address", () => {
  /** A task that has told its address, and the address. */
  async function newCallback(input: object = {}): Promise<{ id: string; address: string; token: string }> {
    const { id } = await api.submit("test.callback", { name: "answer", url: hooks.url, ...input });
    const told = await poll(
      () => `${id} has not told its address`,
      () => (hooks.of(id)[0] as (Hook & { address: string }) | undefined) ?? null,
    );
    const { address } = told;
    return { id, address, token: new URL(address, server.url).searchParams.get("token")! };
  }

  /** Without a key. */
  const open = (address: string, method = "POST", body?: unknown) =>
    fetch(server.url + address, {
      method,
      ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { "content-type": "application/json" } }),
    });

  it("takes one signal from its holder, and no second one", async () => {
    const { id, address } = await newCallback();
    await waitForSignal(id, "answer");
    expect((await open(address, "POST", { yes: true })).status).toBe(202);
    const again = await open(address, "POST", { yes: false });
    expect(again.status).toBe(409);
    expect(await api.waitForEnd(id)).toMatchObject({ state: "succeeded", result: { yes: true } });
    expect((await open(address, "POST", {})).status).toBe(409);
  });

  it("takes one of ten posts that come at once", async () => {
    const { id, address } = await newCallback();
    await waitForSignal(id, "answer");
    const answers = await Promise.all(upTo(10).map((n) => open(address, "POST", n)));
    const accepted = answers.findIndex((answer) => answer.status === 202);
    expect(answers.map((answer) => answer.status)).toEqual(upTo(10).map((n) => (n === accepted ? 202 : 409)));
    expect(await api.waitForEnd(id)).toMatchObject({ result: accepted });
  });

  it("does nothing when it is only looked at, as a mail scanner does", async () => {
    const { id, address } = await newCallback();
    await waitForSignal(id, "answer");
    for (const method of ["GET", "HEAD"]) {
      const looked = await open(address, method);
      expect(looked.ok).toBe(false);
      await looked.body?.cancel();
    }
    expect(await api.read(id)).toMatchObject({ state: "waiting", attempt: 1 });
    expect((await open(address, "POST")).status).toBe(202);
    expect(await api.waitForEnd(id)).toMatchObject({ state: "succeeded", result: null });
  });

  it("is good for its own signal and its own task, and not once it was altered", async () => {
    const [one, other] = [await newCallback(), await newCallback()];
    const path = (id: string, name: string, token: string) => `/v1/tasks/${id}/signals/${name}?token=${token}`;
    expect((await open(path(other.id, "answer", one.token))).status).toBe(403);
    expect((await open(path(one.id, "other", one.token))).status).toBe(403);
    expect((await open(path(one.id, "answer", `${one.token.slice(0, -4)}AAAA`))).status).toBe(401);
    expect((await open(path(one.id, "answer", ""))).status).toBe(401);
    expect((await open(`/v1/tasks/${one.id}/cancel?token=${one.token}`)).status).toBe(403);
    expect((await open(`/v1/tasks/${one.id}?token=${one.token}`, "GET")).status).toBe(403);
    // None of these has used it up.
    for (const { id, address } of [one, other]) {
      expect((await open(address, "POST", id)).status).toBe(202);
      expect(await api.waitForEnd(id)).toMatchObject({ result: id });
    }
  });

  it("expires", async () => {
    const { id, address } = await newCallback({ expiresIn: "3s" });
    await poll(
      () => "it is still good",
      async () => {
        // Something that is refused whatever the token says, so that it is not used up.
        const { status } = await fetch(server.url + address, { method: "POST", body: "{" });
        return status === 401 || null;
      },
    );
    expect((await open(address, "POST", 1)).status).toBe(401);
    expect(await api.read(id)).toMatchObject({ state: "waiting" });
    await api.post(`/v1/tasks/${id}/cancel`);
  });
});
