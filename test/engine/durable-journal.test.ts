/** The journal outlives the memory of its object and belongs to one attempt; whatever waits, waits for all of it. */
import { env } from "cloudflare:workers";
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import { z } from "zod";
import type { TaskContext } from "../../src/core/task.ts";
import { progressObject } from "../../src/engine/events/tell.ts";
import { cancelTasks } from "../../src/results/cancel-tasks.ts";
import { deleteTasks } from "../../src/results/purge-tasks.ts";
import { randomOf } from "../core/flow-random.ts";
import { databaseOver, executeOn } from "./database-over.ts";
import { DurableTask, effects, type Handler } from "./durable-task.ts";
import { passTime, realTime } from "./passing-time.ts";

beforeAll(passTime);
afterAll(realTime);

const resultOf = (ending: { outcome: string; result?: string }) =>
  ending.outcome === "succeeded" ? (JSON.parse(ending.result!) as unknown) : ending;

const twoNaps =
  (did: ReturnType<typeof effects>): Handler =>
  async (ctx) => {
    const results = [await did.step(ctx, "a")];
    await ctx.sleep("1h");
    results.push(await did.step(ctx, "b"));
    await ctx.sleep("1h");
    return results;
  };

describe("the journal", () => {
  it("outlives the memory of its object", async () => {
    const did = effects();
    const task = await DurableTask.store(twoNaps(did));
    for (let n = 0; n < 2; n++) {
      expect(await task.attempt()).toMatchObject({ outcome: "suspended", wait: { type: "sleep" } });
      await task.evict();
    }
    expect(resultOf(await task.attempt())).toEqual(["a", "b"]);
    expect(did.done).toEqual(["a", "b"]);
  });

  it("takes nothing from an attempt that another one has followed, and shows it nothing", async () => {
    const did = effects();
    const goOn = Promise.withResolvers<void>();
    const begun = Promise.withResolvers<void>();
    const task = await DurableTask.store(async (ctx) => {
      await did.step(ctx, "a");
      if (ctx.attempt === 1) {
        begun.resolve();
        await goOn.promise;
      }
      return did.step(ctx, `b in ${ctx.attempt}`);
    });
    // It is taken for lost, and goes on when the next one has ended.
    const first = await task.claim();
    const late = task.run(first);
    await begun.promise;
    await task.end(first, { outcome: "crashed" });
    expect(resultOf(await task.attempt())).toBe("b in 2");
    goOn.resolve();
    expect(await late).toMatchObject({ outcome: "failed", error: { type: "AttemptAborted" } });
    // What it did then was on its way already; that no caller hears of it is all that can be had.
    expect(did.done).toEqual(["a", "b in 2", "b in 1"]);
    const journal = await progressObject(env, task.id).openJournal(1, 3);
    expect(journal?.map((entry) => entry.key)).toEqual(["step:a#1", "step:b in 2#1"]);
  });

  it("lets no attempt begin that another one has followed", async () => {
    const did = effects();
    const task = await DurableTask.store((ctx) => did.step(ctx, "a"));
    const first = await task.claim();
    await task.end(first, { outcome: "crashed" });
    expect(resultOf(await task.attempt())).toBe("a");
    expect(await task.run(first)).toMatchObject({ outcome: "failed", error: { type: "AttemptAborted" } });
    expect(did.done).toEqual(["a"]);
  });

  it("begins anew with a new run", async () => {
    const object = progressObject(env, crypto.randomUUID());
    const entry = {
      key: "step:a#1",
      attempt: 1,
      began: 1,
      ended: 2,
      value: "1",
      error: null,
      until: null,
      signal: null,
    };
    expect(await object.openJournal(1, 1)).toEqual([]);
    expect(await object.writeJournal(1, [entry])).toBe(true);
    expect(await object.openJournal(1, 2)).toEqual([entry]);
    expect(await object.openJournal(2, 3)).toEqual([]);
    expect(await object.writeJournal(2, [entry])).toBe(false);
    expect(await object.openJournal(1, 2)).toBeNull();
    expect(await object.openJournal(2, 3)).toEqual([]);
  });

  it("keeps values as large as a result, and refuses larger ones in words", async () => {
    const quotes = '"'.repeat(520_000);
    const task = await DurableTask.store(async (ctx) => {
      const text = await ctx.step("large", () => quotes);
      await ctx.sleep("1h");
      await ctx.step("larger", () => "x".repeat(1_048_577));
      return text.length;
    });
    expect(await task.attempt()).toMatchObject({ outcome: "suspended" });
    expect(await task.attempt()).toMatchObject({
      outcome: "failed",
      retryable: false,
      error: { message: expect.stringMatching(/"larger" gave 1048579 bytes; 1048576 is the limit/) as string },
    });
  });

  it("refuses more than eight million characters in all", async () => {
    const task = await DurableTask.store(async (ctx) => {
      for (let n = 1; n < 20; n++) await ctx.step(`s${n}`, () => "x".repeat(1_000_000));
    });
    expect(await task.attempt()).toMatchObject({
      outcome: "failed",
      retryable: false,
      error: { message: expect.stringContaining("more than 8388608 characters") as string },
    });
  });

  it("gets another step from an attempt that is to yield before it has added one", async () => {
    const did = effects();
    const task = await DurableTask.store(async (ctx) => {
      await did.step(ctx, "a");
      if (ctx.attempt === 1) throw new Error("once");
      await did.step(ctx, "b");
      await did.step(ctx, "c");
    });
    await task.attempt();
    // More than half of its time is over when it begins, as it may be on a worker that is very busy.
    const late = { ...(await task.claim()), startedAt: Date.now() - 60_000 };
    expect(await task.run(late)).toMatchObject({ outcome: "suspended", wait: { type: "sleep" } });
    expect(did.done).toEqual(["a", "b"]);
  });
});

describe("a step", () => {
  it("is tried again within its attempt where it says so, but not when it gives the attempt back", async () => {
    const did = effects();
    const retry = { backoff: "fixed", base: 1, jitter: "none" } as const;
    const task = await DurableTask.store(async (ctx) => {
      await ctx.step(
        "shaky",
        () => {
          if (did.done.push("shaky") < 3) throw new Error("no");
        },
        { maxAttempts: 5, retry },
      );
      await ctx.step(
        "early",
        () => {
          did.done.push("early");
          ctx.snooze("1m");
        },
        { maxAttempts: 5, retry },
      );
    });
    expect(await task.attempt()).toEqual({ outcome: "snoozed", delayMs: 60_000 });
    expect(did.done).toEqual(["shaky", "shaky", "shaky", "early"]);
    expect(await task.attempt()).toEqual({ outcome: "snoozed", delayMs: 60_000 });
    expect(did.done).toEqual(["shaky", "shaky", "shaky", "early", "early"]);
  });

  it("that failed before the handler gave its attempt back is tried again", async () => {
    let polls = 0;
    const task = await DurableTask.store(async (ctx) => {
      try {
        return await ctx.step("poll", () => {
          if (++polls < 3) throw new Error("not yet");
          return polls;
        });
      } catch {
        return ctx.snooze("1m");
      }
    });
    expect((await task.attempt()).outcome).toBe("snoozed");
    expect((await task.attempt()).outcome).toBe("snoozed");
    expect(resultOf(await task.attempt())).toBe(3);
  });
});

describe("a wait", () => {
  it("for a signal is not forgotten beside a sleep, whichever of them was begun first", async () => {
    const race = (ctx: TaskContext, first: "sleep" | "signal") => {
      const signal = () => ctx.waitForSignal<string>("go");
      const sleep = () => ctx.sleep("1d").then(() => "slept");
      return Promise.race(first === "sleep" ? [sleep(), signal()] : [signal(), sleep()]);
    };
    for (const first of ["sleep", "signal"] as const) {
      const task = await DurableTask.store((ctx) => race(ctx, first), { readsSlowly: true });
      expect(await task.attempt()).toMatchObject({ outcome: "suspended", wait: { type: "several", signals: ["go"] } });
      await task.send("go", "now");
      expect(await task.row()).toMatchObject({ state: "queued" });
      expect(resultOf(await task.attempt())).toBe("now");
    }
  });

  it("for children is not forgotten beside a sleep", async () => {
    const task = await DurableTask.store(
      (ctx) => Promise.race([ctx.sleep("1d"), ctx.call("test.identity", 1), ctx.call("test.identity", 2)]),
      { readsSlowly: true },
    );
    const ending = await task.attempt();
    expect(ending).toMatchObject({
      outcome: "suspended",
      wait: { type: "several", tasks: [[{}], [{}]].map(() => [expect.any(String)]) },
    });
  });

  it("for a signal hears one that comes between its last look and the end of its attempt", async () => {
    const task = await DurableTask.store((ctx) => ctx.waitForSignal("go"));
    const first = await task.claim();
    const ending = await task.run(first);
    expect(ending).toMatchObject({ outcome: "suspended" });
    await task.send("go", "just in time");
    await task.end(first, ending);
    expect(await task.row()).toMatchObject({ state: "queued", waitingFor: null });
    expect(resultOf(await task.attempt())).toBe("just in time");
  });

  it("for a signal is given one that came when the object had lost its memory, once", async () => {
    const task = await DurableTask.store((ctx) => Promise.all([ctx.waitForSignal("n"), ctx.waitForSignal("n")]));
    expect(await task.attempt()).toMatchObject({ wait: { type: "several", signals: ["n", "n"] } });
    await task.evict();
    await task.send("n", 1);
    expect(await task.attempt()).toMatchObject({ outcome: "suspended" });
    await task.evict();
    await task.send("n", 2);
    expect(resultOf(await task.attempt())).toEqual([1, 2]);
    const heard = (await task.events()).filter((event) => event.type === "signal");
    expect(heard.map((event) => event.data)).toEqual([
      { name: "n", body: 1 },
      { name: "n", body: 2 },
    ]);
  });

  it("passes over a signal that does not fit, in every attempt and for every wait", async () => {
    const schema = z.object({ ok: z.boolean() });
    const task = await DurableTask.store(async (ctx) => {
      const first = await ctx.waitForSignal("n", { schema });
      await ctx.sleep("1h");
      return [first, await ctx.waitForSignal("n")];
    });
    await task.send("n", "typing error");
    expect(await task.attempt()).toMatchObject({ outcome: "suspended", wait: { type: "signal" } });
    await task.send("n", { ok: true });
    expect(await task.attempt()).toMatchObject({ outcome: "suspended", wait: { type: "sleep" } });
    expect(await task.attempt()).toMatchObject({ outcome: "suspended", wait: { type: "signal" } });
    await task.send("n", 3);
    expect(resultOf(await task.attempt())).toEqual([{ ok: true }, 3]);
  });

  it("is not over for a signal that is one more than a task is sent", async () => {
    const task = await DurableTask.store((ctx) => ctx.waitForSignal("go"));
    await task.attempt();
    await env.DB.prepare("UPDATE tasks SET signals = 1000 WHERE id = ?1").bind(task.id).run();
    await expect(task.send("go", 1)).rejects.toThrow("1000 signals");
    expect(await task.row()).toMatchObject({ state: "waiting" });
  });
});

describe("a silent platform", () => {
  it.each(["openJournal", "writeJournal", "readSignal"])(
    "uses up no attempt, and takes no other way in the handler (%s)",
    async (call) => {
      const did = effects();
      let silent = true;
      const handler: Handler = async (ctx) => {
        const first = await did.step(ctx, "a").catch(() => did.step(ctx, "instead of a"));
        const second = await ctx.waitForSignal("go").catch(() => "no signal");
        return [first, second];
      };
      const task = await DurableTask.store(handler, {
        isSilent: (asked) => silent && asked === call && "before",
      });
      await task.send("go", "now");
      expect(await task.attempt()).toMatchObject({ outcome: "suspended", wait: { type: "sleep", signals: [] } });
      silent = false;
      expect(resultOf(await task.attempt())).toEqual(["a", "now"]);
      expect(await task.row()).toMatchObject({ failures: 0, crashes: 0 });
      // What was done and could not be written down is done again.
      expect(did.done).toEqual(call === "writeJournal" ? ["a", "a"] : ["a"]);
    },
  );

  it.each([1, 2])(
    "is lived through where most calls are not answered, before or after they were done (%i)",
    async (n) => {
      const random = randomOf(inject("seed") + n);
      const isSilent = () => random() < 0.65 && (random() < 0.5 ? "before" : "after");
      const did = effects();
      const handler: Handler = async (ctx) => {
        const branch = async (name: string) => {
          const results = [await did.step(ctx, `${name}1`), await did.step(ctx, `${name}2`)];
          await ctx.sleep("1m");
          return [...results, await ctx.waitForSignal(name)];
        };
        return Promise.all([branch("a"), branch("b")]);
      };
      const task = await DurableTask.store(handler, { isSilent });
      await task.send("a", 1);
      await task.send("b", 2);
      let attempts = 1;
      let ending = await task.attempt();
      for (; ending.outcome === "suspended"; attempts++) ending = await task.attempt();
      console.log(`seed ${inject("seed")} + ${n}: ${attempts} attempts, steps run: ${did.done.join(" ")}`);
      expect(resultOf(ending)).toEqual([
        ["a1", "a2", 1],
        ["b1", "b2", 2],
      ]);
      expect(await task.row()).toMatchObject({ failures: 0, crashes: 0 });
      // Whatever was kept is not done again, so no branch goes back behind what it has come to.
      for (const name of ["a", "b"]) {
        const steps = did.done.filter((step) => step.startsWith(name));
        expect(steps).toEqual(steps.toSorted());
      }
    },
  );
});

describe("the children of a task", () => {
  const joined = ({ wait }: { wait?: { tasks: string[][] } }) => wait!.tasks[0]!;

  it("are cancelled with it, also those that it spawns while the cancel is under way", async () => {
    const task = await DurableTask.store((ctx) => ctx.callAll("test.identity", [1, 2]));
    const first = await task.claim();
    let ids: string[] = [];
    // The handler comes to its spawn just before the cancel's statements do.
    const execute = executeOn(env.DB);
    const db = databaseOver(async (statements) => {
      if (statements.some(({ sql }) => sql.includes("cancel_requested_at = "))) {
        ids = joined((await task.run(first)) as { wait: { tasks: string[][] } });
      }
      return execute(statements);
    });
    await cancelTasks(db, [task.id], null, Date.now());
    expect(ids).toHaveLength(2);
    const states = await env.DB.prepare(
      "SELECT DISTINCT state FROM tasks WHERE id IN (SELECT value FROM json_each(?1))",
    )
      .bind(JSON.stringify(ids))
      .all();
    expect(states.results).toEqual([{ state: "cancelled" }]);
  });

  it("are kept beyond their retention as long as it lives", async () => {
    const task = await DurableTask.store((ctx) => ctx.callAll("test.identity", [1, 2]));
    const ids = joined((await task.attempt()) as { wait: { tasks: string[][] } });
    const [child] = ids;
    await env.DB.prepare(
      "UPDATE tasks SET state = 'succeeded', result = '1', finished_at = 1, retain_until = 2, due_at = 2 WHERE id = ?1",
    )
      .bind(child)
      .run();
    expect((await deleteTasks(env.DB, [child!], 3)).gone).toEqual([]);
    await cancelTasks(env.DB, [task.id], null, Date.now());
    expect((await deleteTasks(env.DB, [child!], 3)).gone.map((task) => task.id)).toEqual([child]);
  });
});
