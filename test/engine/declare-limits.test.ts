/** A limit that a deployment changes holds at once, for what was submitted before it too. */
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { definitionKey } from "../../src/core/concurrency.ts";
import { defineTask, type TaskOptions } from "../../src/core/define-task.ts";
import { rateOf } from "../../src/core/share.ts";
import { limitsOf } from "../../src/engine/limits/declare.ts";
import { changeLimits } from "../../src/results/limits/change.ts";
import { claimAt, insertLimited } from "./limited-tasks.ts";
import { countRows } from "./count-rows.ts";

const define = (name: string, limits: Partial<TaskOptions<string, z.ZodUnknown, z.ZodNull>>) =>
  defineTask({ name, input: z.unknown(), output: z.null(), run: () => null, ...limits });

describe("a deployment", () => {
  it("that raises a concurrency limit frees places under every key of its definition, and no other", async () => {
    const places = (name: string, part: string) => [{ key: definitionKey(name, part, "t"), limit: 1 }];
    const acme = await insertLimited(5, { concurrency: places("grown", "acme") });
    const odd = await insertLimited(5, { concurrency: places("grown", "od;d:x") });
    const neighbour = await insertLimited(5, { concurrency: places("grown.more", "acme") });
    const ids = [...acme, ...odd, ...neighbour];
    expect((await claimAt(ids)).claimed).toHaveLength(3);
    await changeLimits(env.DB, limitsOf(define("grown", { concurrency: { limit: 3, key: () => "any" } })), Date.now());
    const { claimed } = await claimAt(ids);
    expect(claimed.filter((task) => acme.includes(task.id))).toHaveLength(2);
    expect(claimed.filter((task) => odd.includes(task.id))).toHaveLength(2);
    expect(claimed).toHaveLength(4);
  });

  it("that raises a rate lets the next one start sooner", async () => {
    const ids = await insertLimited(3, { rates: [rateOf(definitionKey("rated.up", "", "t"), 1, 60_000, 1)] });
    const now = Date.now();
    expect((await claimAt(ids, now)).claimed).toHaveLength(1);
    expect((await claimAt(ids, now + 1)).claimed).toHaveLength(0);
    await changeLimits(env.DB, limitsOf(define("rated.up", { rateLimit: { limit: 1, per: "1m", burst: 3 } })), now + 2);
    expect((await claimAt(ids, now + 2)).claimed).toHaveLength(2);
  });

  it("that changes nothing writes nothing", async () => {
    const limits = limitsOf(define("same", { concurrency: { limit: 1 } }));
    await insertLimited(1, { concurrency: [{ key: definitionKey("same", "", "t"), limit: 1 }] });
    const { db, written } = countRows(env.DB);
    await changeLimits(db, limits, Date.now());
    expect(written()).toBe(0);
  });

  it("says nothing of definitions without limits, nor of limits whose keys it cannot tell apart", () => {
    expect(limitsOf(define("free", {}))).toEqual([]);
    expect(limitsOf(define("two", { concurrency: [{ limit: 1 }, { limit: 2, key: () => "x" }] }))).toEqual([]);
  });
});
