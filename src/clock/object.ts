/**
 * The clock: one Durable Object whose alarm looks at rows when they are due. It ticks while anything is due
 * and sleeps otherwise. The due times are in the rows, so a lost tick only costs time.
 */

import { log } from "../core/log.ts";
import { DurableObject } from "cloudflare:workers";
import { TRUSTED_MS } from "../broker/poke.ts";
import { earliest } from "../core/wake.ts";
import { rotated, type LinkKey } from "../core/link-keys.ts";
import { insertAudit, type Audit } from "../results/audit.ts";
import { recoverAll } from "../results/rescue-tasks.ts";
import { glance } from "../results/glance.ts";
import { Metered } from "../results/metered.ts";
import { WATCH_EVERY_MS } from "./alerts.ts";
import { backoff } from "./backoff.ts";
import { wantCount } from "./usage.ts";
import { areDeclared } from "./schedules.ts";
import { Suspects } from "./suspects.ts";
import { tick } from "./tick.ts";

/** An alarm this late means that the whole isolate was held up, heartbeats included. */
const STALL_MS = 1_500;

/** An alarm overdue by this much is taken for lost. */
const OVERDUE_MS = 10_000;

/** The clock looks at least this often while anything is ahead. A paused task is due in the year 9999, and no alarm may be set beyond 2189. */
const FURTHEST_MS = 86_400_000;

/** Storage keys of the keys that sign links, and of audit entries that are not known to be in D1. */
const LINK_KEYS = "linkKeys";
const OWED_AUDIT = "owedAudit";

/** By then the caller has usually written the entry itself. */
const AUDIT_AFTER_MS = 2_000;

export interface ClockStatus {
  lastTickAt: number | null;
  nextTickAt: number | null;
  /** How far behind its own alarm the clock is, in ms. */
  lagMs: number;
  /** Why the last tick failed, if it did. */
  error: string | null;
}

export class Clock extends DurableObject<Env> {
  #expected: number | null = null;
  #lastTickAt: number | null = null;
  #error: string | null = null;
  readonly #suspects = new Suspects();
  /** Ticks that have failed in a row, and until when (ms since the epoch) the clock sends D1 nothing because of it. */
  #failures = 0;
  #notBefore = 0;

  /**
   * Makes sure that a tick comes at `wanted` or sooner, but not while the clock backs off from D1; returns when the next tick
   * is. Both in ms since the epoch.
   */
  async wakeBy(wanted: number): Promise<number> {
    const at = Math.max(wanted, this.#notBefore);
    const alarm = await this.ctx.storage.getAlarm();
    if (alarm !== null && alarm <= at) return alarm;
    await this.#set(at);
    return at;
  }

  /** The watchdog: called once a minute by the cron trigger, and at the start of a process. */
  async watch(): Promise<void> {
    const now = Date.now();
    const alarm = await this.ctx.storage.getAlarm();
    const isNew = this.#isNewBoot() || !areDeclared(this.ctx.storage.kv);
    if (alarm === null || alarm < now - OVERDUE_MS || isNew) await this.#set(now);
    // A worker may have died between a write and its poke.
    else if (alarm > now + OVERDUE_MS && (await this.#isNeededBefore(alarm))) await this.#set(now);
  }

  /** Whether a tick is needed before `alarm`. Owed deliveries and counts that wait to be folded have no timer, so they always need one. */
  async #isNeededBefore(alarm: number): Promise<boolean> {
    const { due, nextDue, nextDeadline, nextTick, owes, unfolded, watched } = await glance(
      new Metered(this.env.DB).db,
      Date.now(),
      1,
      this.#suspects.unripe(Date.now()),
    );
    const next = earliest([nextDue, nextDeadline, nextTick, watched ? Date.now() + WATCH_EVERY_MS : null]);
    return due.length > 0 || owes || unfolded || (next !== null && next < alarm);
  }

  async status(): Promise<ClockStatus> {
    const nextTickAt = await this.ctx.storage.getAlarm();
    const lagMs = nextTickAt === null ? 0 : Math.max(0, Date.now() - nextTickAt);
    return { lastTickAt: this.#lastTickAt, nextTickAt, lagMs, error: this.#error };
  }

  /** Counts the use of tenants soon, because a submission is about to be refused. */
  async recount(): Promise<void> {
    if (wantCount(this.ctx.storage.kv, Date.now())) await this.wakeBy(Date.now());
  }

  /** The keys that sign links. The first call makes the first key; concurrent calls get the same one. */
  async linkKeys(): Promise<LinkKey[]> {
    const known = this.ctx.storage.kv.get<LinkKey[]>(LINK_KEYS);
    if (known !== undefined) return known;
    const first = [{ ...randomKey(), from: Date.now(), until: null }];
    this.ctx.storage.kv.put(LINK_KEYS, first);
    return first;
  }

  /** Adds a new key and returns all. Links that the others have signed stay valid for `overlapMs`. Null where too many keys are kept. */
  async rotateLinkKey(overlapMs: number, audit: Audit | null = null): Promise<LinkKey[] | null> {
    const keys = rotated(await this.linkKeys(), randomKey(), overlapMs, Date.now());
    if (keys === null) return null;
    // The audit log is in D1: the entry is kept here, written together with the keys, until it is there.
    this.ctx.storage.kv.put(LINK_KEYS, keys);
    if (audit !== null) this.ctx.storage.kv.put(OWED_AUDIT, [...this.#owedAudit(), audit]);
    await this.wakeBy(Date.now() + AUDIT_AFTER_MS);
    return keys;
  }

  #owedAudit(): Audit[] {
    return this.ctx.storage.kv.get<Audit[]>(OWED_AUDIT) ?? [];
  }

  /** Writes the audit entries that are not known to be in D1; returns when to try again, null where none is left. */
  async #recordOwed(now: number): Promise<number | null> {
    const owed = this.#owedAudit();
    if (owed.length === 0) return null;
    try {
      for (const entry of owed) await insertAudit(this.env.DB, entry);
    } catch (error) {
      log("audit_owed", { entries: owed.length, error });
      return now + AUDIT_AFTER_MS;
    }
    const left = this.#owedAudit().filter(({ id }) => owed.every((entry) => entry.id !== id));
    this.ctx.storage.kv.put(OWED_AUDIT, left);
    return left.length > 0 ? now : null;
  }

  override async alarm(): Promise<void> {
    const now = Date.now();
    if (this.#expected !== null && now - this.#expected > STALL_MS) this.#suspects.doubt(now);
    let next: number | null;
    try {
      await this.#recover(now);
      const planned = await tick(this.env, this.ctx.storage.kv, now, this.#suspects);
      next = earliest([planned, await this.#recordOwed(now), ...this.#promisedAfter(now)]);
      this.#lastTickAt = now;
      this.#error = null;
      this.#failures = this.#notBefore = 0;
    } catch (error) {
      this.#error = String(error);
      log("tick_failed", { error });
      next = this.#notBefore = Date.now() + backoff(++this.#failures, Math.random());
    }
    // A poke may have set the alarm during the tick.
    const poked = await this.ctx.storage.getAlarm();
    if (next !== null && (poked === null || next < poked)) await this.#set(next);
  }

  async #set(at: number): Promise<void> {
    await this.#keepPromise(at);
    const now = Date.now();
    this.#expected = Math.min(Math.max(at, now), now + FURTHEST_MS);
    await this.ctx.storage.setAlarm(this.#expected);
  }

  /** Remembers the alarm that is replaced: an isolate that got it as an answer does not poke again before it. */
  async #keepPromise(sooner: number): Promise<void> {
    const now = Date.now();
    const alarm = await this.ctx.storage.getAlarm();
    if (alarm === null || alarm <= sooner || alarm <= now || alarm > now + TRUSTED_MS) return;
    this.ctx.storage.kv.put("promised", [...this.#promisedAfter(now), alarm]);
  }

  #promisedAfter(now: number): number[] {
    return (this.ctx.storage.kv.get<number[]>("promised") ?? []).filter((at) => at > now);
  }

  #isNewBoot(): boolean {
    return this.env.BOOT_AT !== undefined && this.ctx.storage.kv.get("boot") !== this.env.BOOT_AT;
  }

  async #recover(now: number): Promise<void> {
    if (!this.#isNewBoot()) return;
    const bootAt = Math.min(Number(this.env.BOOT_AT), now);
    await recoverAll(new Metered(this.env.DB).db, bootAt, this.env.SWAP === "1");
    this.ctx.storage.kv.put("boot", this.env.BOOT_AT);
  }
}

function randomKey(): Pick<LinkKey, "id" | "secret"> {
  const random = (bytes: number) =>
    crypto.getRandomValues(new Uint8Array(bytes)).toBase64({ alphabet: "base64url", omitPadding: true });
  return { id: random(6), secret: random(32) };
}
