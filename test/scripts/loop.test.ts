/** The tests of one file share one loop, in their order: each swaps in what it needs. */

import { randomUUID } from "node:crypto";
import { rmSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { TaskResource } from "../../src/contract/task.ts";
import { indexOf, KEY, makeProject, taskOf, type LoopProject, type RunningLoop } from "./loop-project.ts";
import { processesIn, stopNextRuntime } from "./processes.ts";

const working = (version: string) =>
  taskOf(
    "work",
    `timeout: "10m", run: async (_input, ctx) => {
  const begun = await ctx.step("begin", () => "${version}");
  ctx.log("runs with ${version}", { greeting: ctx.env.GREETING, secret: ctx.env.SECRET });
  await ctx.env.SHELF.put("seen", "${version}");
  if ("${version}" === "first") await new Promise(() => {});
  return { begun, ended: "${version}", shelf: await ctx.env.SHELF.get("seen") };
}`,
  );

const failing = taskOf(
  "fail",
  `maxAttempts: 2, retry: () => 0, run: () => {
  throw new TypeError("not like this");
}`,
);

/** Attempts up to that number do what the task is named after; the next one succeeds. */
const spinning = (upTo: number, timeout: string) =>
  taskOf(
    "spin",
    `timeout: "${timeout}", run: (_input, ctx) => { if (ctx.attempt <= ${upTo}) for (;;); return "stopped"; }`,
  );

/** 1.6 GB at the most. */
const filling = taskOf(
  "fill",
  `timeout: "10m", run: async (_input, ctx) => {
  const kept = [];
  while (ctx.attempt === 1) {
    if (kept.length < 4) kept.push(new Uint8Array(400_000_000).fill(1));
    await new Promise((done) => setTimeout(done, 20));
  }
  return "stopped";
}`,
);

const TASKS = { work: "work.ts", fail: "fail.ts", spin: "spin.ts", fill: "fill.ts" };

let project: LoopProject;
let loop: RunningLoop;
let url: string;

beforeAll(async () => {
  project = makeProject({
    "index.ts": indexOf(TASKS),
    "work.ts": working("first"),
    "fail.ts": failing,
    "spin.ts": spinning(1, "1s"),
    "fill.ts": filling,
  });
  loop = project.run();
  url = await loop.ready();
});

afterAll(async () => {
  await loop.end("SIGKILL");
  project.remove();
});

const headers = { authorization: `Bearer ${KEY}`, "content-type": "application/json" };

/** What it answers, or null while the runtime is swapped, started anew or held up. */
async function call<T>(path: string, more: RequestInit = {}): Promise<T | null> {
  try {
    const response = await fetch(url + path, { headers, signal: AbortSignal.timeout(5_000), ...more });
    return response.ok ? ((await response.json()) as T) : null;
  } catch {
    return null;
  }
}

/** With the same key it is the same task, however often it is sent: an answer may be cut off when the runtime ends. */
async function send(task: string, key: string): Promise<string | null> {
  const body = JSON.stringify({ task, input: {} });
  const sent = await call<TaskResource>("/v1/tasks", {
    method: "POST",
    headers: { ...headers, "idempotency-key": key },
    body,
  });
  return sent?.id ?? null;
}

async function submit(task: string): Promise<string> {
  const key = randomUUID();
  let id: string | null = null;
  await expect.poll(async () => (id = await send(task, key))).not.toBeNull();
  return id!;
}

async function read(id: string): Promise<TaskResource | null> {
  return call<TaskResource>(`/v1/tasks/${id}`);
}

async function ends(id: string): Promise<TaskResource> {
  let task: TaskResource | null = null;
  await expect.poll(async () => (task = await read(id))?.finishedAt ?? null).not.toBeNull();
  return task!;
}

describe("while it runs", () => {
  test("says what it does, and shows each attempt with the lines of the sources", async () => {
    expect(loop.printed()).toMatch(/^Lovage: building wrangler\.toml \.\.\./);
    const id = await submit("fail");
    expect(await ends(id)).toMatchObject({ state: "failed" });
    await loop.prints(new RegExp(`started +fail ${id} attempt 1 of 2\\n`));
    await loop.prints(
      new RegExp(
        `failed +fail ${id} attempt 1 of 2, tries again\\n +TypeError: not like this\\n +at .*src/fail\\.ts:4:`,
      ),
    );
    await loop.prints(new RegExp(`failed +fail ${id} attempt 2 of 2, is failed\\n`));
    expect(loop.printed()).not.toContain("worker.js:");
  });

  test("swaps what was saved; what runs continues in a new attempt, with its steps and the project's own bindings", async () => {
    const before = await submit("fail");
    await ends(before);
    const id = await submit("work");
    await loop.prints(
      new RegExp(
        `info +work ${id} runs with first \\{"greeting":"from the configuration","secret":"from \\.dev\\.vars"\\}`,
      ),
    );
    project.save("work.ts", working("second"));
    await loop.prints(/swapped in [\d.]+ s; 1 running task continues in a new attempt/);
    const task = await ends(id);
    expect(task).toMatchObject({ state: "succeeded", result: { begun: "first", ended: "second", shelf: "second" } });
    expect(task.attempts?.map(({ outcome }) => outcome)).toEqual(["crashed", "succeeded"]);
    expect(await ends(before)).toMatchObject({ state: "failed" });
  });

  test.each([
    ["a syntax error", "work.ts", "export const work = {;\n", /src\/work\.ts:1:22: .*\n +export const work = \{;/],
    [
      "an import that is not there",
      "work.ts",
      'import "./gone.ts";\n',
      /src\/work\.ts:1:8: Could not resolve "\.\/gone\.ts"/,
    ],
    [
      "a name that two tasks have",
      "fail.ts",
      failing.replace('name: "fail"', 'name: "work"'),
      /two tasks have the name work.*src\/work\.ts.*src\/fail\.ts|two tasks have the name work.*src\/fail\.ts.*src\/work\.ts/,
    ],
    [
      "a name that is none",
      "fail.ts",
      failing.replace('name: "fail"', 'name: "not a name"'),
      /src\/fail\.ts:3:\d+: .*not a name/,
    ],
    ["a module that throws", "fail.ts", `${failing}\nthrow new Error("at once");\n`, /src\/fail\.ts:\d+:7: at once/],
  ])("refuses %s with the file, and what ran before goes on", async (_what, file, text, sentence) => {
    const at = loop.printed().length;
    project.save(file, text);
    await loop.prints(sentence, at);
    await loop.prints(/the code from before continues to run/, at);
    expect(
      loop
        .printed()
        .slice(at)
        .match(/^lovage: /gm),
    ).toHaveLength(1);
    expect(await ends(await submit("work"))).toMatchObject({ state: "succeeded" });
    project.save(file, file === "work.ts" ? working("second") : failing);
    await loop.prints(/the build succeeds again/, at);
  });
});

describe("a second server", () => {
  test("on the same state refuses in one sentence", async () => {
    const second = project.run();
    expect(await second.ended()).toBe(1);
    expect(second.printed()).toContain(
      `lovage: another server (process ${loop.pid}) runs on ${project.state}: stop it, or give this one a directory of its own\n`,
    );
  });
});

describe("what holds up the runtime", () => {
  let sent: Promise<string>;

  test("an endless loop is found and named, the runtime starts anew, and the attempt counts as a crash", async () => {
    const id = await submit("spin");
    await loop.prints(
      new RegExp(
        `lovage: spin, task ${id}, attempt 1 blocks the thread: .*\\. The runtime is started anew, and the attempt counts as a crash`,
      ),
    );
    const task = await ends(id);
    expect(task).toMatchObject({ state: "succeeded", result: "stopped" });
    expect(task.attempts?.map(({ outcome }) => outcome)).toEqual(["crashed", "succeeded"]);
  });

  test("a handler that fills the memory is found and named", async () => {
    const id = await submit("fill");
    await loop.prints(new RegExp(`lovage: fill, task ${id}, attempt 1 fills the memory: .*`));
    const task = await ends(id);
    expect(task.attempts?.map(({ outcome }) => outcome)).toEqual(["crashed", "succeeded"]);
  });

  test("SIGTERM ends the server nevertheless", async () => {
    const at = loop.printed().length;
    project.save("spin.ts", spinning(2, "10m"));
    await loop.prints(/swapped in/, at);
    // Sent until it is answered, by whichever server: the first answer may be held up with the runtime.
    sent = submit("spin");
    await loop.prints(/started +spin .* attempt 1/, at);
    await expect.poll(async () => call("/health", { signal: AbortSignal.timeout(1_000) })).toBeNull();
    expect(await loop.end("SIGTERM")).toBe(0);
  });

  test.runIf(process.platform === "linux")(
    "Ctrl-C in the middle of a start is no failure, and leaves nothing",
    async () => {
      const cutOff = project.run();
      await stopNextRuntime(project.root);
      expect(await cutOff.end("SIGINT")).toBe(0);
      expect(cutOff.printed()).toBe("Lovage: building wrangler.toml ...\n");
      await expect.poll(() => processesIn(project.root)).toEqual([]);
    },
  );

  test("the next start does not wait for the attempt that was running", async () => {
    loop = project.run();
    url = await loop.ready();
    // It may be open before that attempt begins again: then a save ends the loop.
    project.save("spin.ts", spinning(0, "10m"));
    const task = await ends(await sent);
    expect(task).toMatchObject({ state: "succeeded", result: "stopped" });
  });
});

describe("a state that is deleted", () => {
  test("has every request answered 503, and Ctrl-C ends the server", async () => {
    rmSync(`${project.root}/.wrangler`, { recursive: true, force: true });
    await loop.prints(/v3 was deleted while the server ran: it answers 503 now; start it again/);
    const answer = async () =>
      fetch(`${url}/v1/tasks`, { method: "POST", headers, body: '{"task":"work","input":{}}' }).then(
        ({ status }) => status,
        () => 0,
      );
    await expect.poll(answer).toBe(503);
    expect(await loop.end("SIGINT")).toBe(0);
  });
});
