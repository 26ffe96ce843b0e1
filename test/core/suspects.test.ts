import { afterEach, describe, expect, it, vi } from "vitest";
import { backoff } from "../../src/clock/backoff.ts";
import { RESCUE_CONFIRM_MS, RESCUE_DOUBT_MS, Suspects } from "../../src/clock/suspects.ts";
import { persist } from "../../src/results/d1.ts";
import { Metered } from "../../src/results/metered.ts";

const NOW = 1_700_000_000_000;
const row = (leaseUntil = NOW - 1, id = "a", attempt = 1) => ({ id, attempt, leaseUntil });

describe("an attempt whose lease is over", () => {
  it("is rescued at a second look, some time after the first", () => {
    const suspects = new Suspects();
    expect(suspects.confirm([row()], NOW, 0)).toEqual([]);
    expect(suspects.nextAt()).toBe(NOW + RESCUE_CONFIRM_MS);
    expect(suspects.confirm([row()], NOW + RESCUE_CONFIRM_MS - 1, 0)).toEqual([]);
    expect(suspects.confirm([row()], NOW + RESCUE_CONFIRM_MS, 0)).toEqual([row()]);
    expect(suspects.nextAt()).toBe(null);
  });

  it("is looked at anew once its lease was renewed, or its task is in another attempt", () => {
    for (const other of [row(NOW), row(NOW - 1, "a", 2)]) {
      const suspects = new Suspects();
      suspects.confirm([row()], NOW, 0);
      expect(suspects.confirm([other], NOW + 5_000, 0)).toEqual([]);
      expect(suspects.nextAt()).toBe(NOW + 5_000 + RESCUE_CONFIRM_MS);
    }
  });

  it("is not read again before its time, and forgotten where it was not met then", () => {
    const suspects = new Suspects();
    suspects.confirm([row()], NOW, 0);
    expect(suspects.unripe(NOW + 1)).toEqual(["a"]);
    suspects.clear(NOW + 1);
    expect(suspects.unripe(NOW + RESCUE_CONFIRM_MS)).toEqual([]);
    suspects.clear(NOW + RESCUE_CONFIRM_MS);
    expect(suspects.nextAt()).toBe(null);
  });

  it("gets more time where D1 was silent, counted from when it answers", () => {
    const suspects = new Suspects();
    suspects.confirm([row()], NOW, 0);
    suspects.forget();
    const answered = NOW + 90_000;
    expect(suspects.confirm([row()], answered, 0)).toEqual([]);
    expect(suspects.nextAt()).toBe(answered + RESCUE_DOUBT_MS);
    expect(suspects.confirm([row()], answered + RESCUE_DOUBT_MS, 0)).toEqual([row()]);
  });

  it("gets more time whenever D1 is slow, but not without end", () => {
    const suspects = new Suspects();
    suspects.confirm([row()], NOW, 0);
    let now = NOW;
    while (suspects.confirm([row()], now, 0).length === 0) {
      now += 1_000;
      suspects.doubt(now);
    }
    expect(now - NOW).toBeGreaterThan(RESCUE_DOUBT_MS);
    expect(now - NOW).toBeLessThanOrEqual(61_000);
  });

  it("is rescued at once where its process is known to be gone", () => {
    expect(new Suspects().confirm([row()], NOW, NOW)).toEqual([row()]);
  });
});

describe("the pauses after failed ticks", () => {
  it("grow from 2 s to 15 s", () => {
    expect([1, 2, 3, 4, 5, 50].map((n) => backoff(n, 0))).toEqual([2_000, 4_000, 8_000, 15_000, 15_000, 15_000]);
    expect(backoff(1, 0.5)).toBe(2_500);
  });
});

describe("a metered database", () => {
  afterEach(() => void vi.useRealTimers());

  const answering = (answer: () => Promise<unknown>) =>
    ({ prepare: () => ({ run: answer }), batch: answer }) as unknown as D1Database;

  it("counts statements and calls", async () => {
    const meter = new Metered(answering(async () => []));
    await meter.db.prepare("").run();
    await meter.db.batch([meter.db.prepare(""), meter.db.prepare("")]);
    expect([meter.statements, meter.trips, meter.isShaky]).toEqual([3, 2, false]);
  });

  it("asks nothing beyond the statements that it has, and does not try again", async () => {
    const asked = vi.fn<() => Promise<unknown>>(async () => []);
    const meter = new Metered(answering(asked), undefined, 2);
    await meter.db.prepare("").run();
    const batch = () => meter.db.batch([meter.db.prepare(""), meter.db.prepare("")]);
    await expect(persist(batch)).rejects.toThrow("more than 2 statements");
    await meter.db.prepare("").run();
    expect([asked.mock.calls.length, meter.statements, meter.hasFailed]).toEqual([2, 2, false]);
  });

  it("waits for a call that hangs 20 s, and asks nothing more of a database that is silent", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    let now = 0;
    const hanging = vi.fn<() => Promise<unknown>>(() => new Promise(() => {}));
    const meter = new Metered(answering(hanging), () => now);
    const call = meter.db.prepare("").run().catch(String);
    await vi.advanceTimersByTimeAsync((now = 20_000));
    expect(await call).toContain("silent");
    expect(await meter.db.prepare("").run().catch(String)).toContain("silent");
    expect([hanging.mock.calls.length, meter.hasFailed]).toEqual([1, true]);
  });

  it("notes a slow answer", async () => {
    let now = 0;
    const meter = new Metered(
      answering(async () => (now += 1_001)),
      () => now,
    );
    await meter.db.prepare("").run();
    expect([meter.isShaky, meter.hasFailed]).toEqual([true, false]);
  });
});
