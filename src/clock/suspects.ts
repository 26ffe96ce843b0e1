/**
 * Attempts whose lease is over, before they are rescued. A heartbeat that D1 did not answer looks like a crash, so
 * an attempt is rescued only where its lease is still the same some time after D1 was first seen to answer. Kept in
 * the memory of the clock's object: whatever is lost with it is noted again.
 */

/** From the look that finds a lease over until the one that may rescue. */
export const RESCUE_CONFIRM_MS = 2_500;

/** The same after D1 was slow or silent: every worker retries its heartbeat within this. */
export const RESCUE_DOUBT_MS = 10_000;

/** A D1 that is always slow does not put a rescue off for longer. */
const MAX_DOUBT_MS = 60_000;

/** The part of a running row that decides. */
export interface Leased {
  id: string;
  attempt: number;
  leaseUntil: number | null;
}

interface Suspect {
  attempt: number;
  leaseUntil: number | null;
  foundAt: number;
  /** When it may be rescued, in ms since the epoch. */
  ripeAt: number;
}

export class Suspects {
  readonly #byId = new Map<string, Suspect>();
  #isShaken = false;
  #patientUntil = 0;

  /**
   * Those of `rows`, whose leases are all over, that may be rescued at `now`; the others are noted. A lease that ended by
   * `bootAt` belongs to a process that is known to be gone. Instants are ms since the epoch.
   */
  confirm<Row extends Leased>(rows: readonly Row[], now: number, bootAt: number): Row[] {
    if (this.#isShaken) this.#patientUntil = now + RESCUE_DOUBT_MS;
    this.#isShaken = false;
    const ripe = rows.filter((row) => this.isRipe(row, now, bootAt));
    for (const row of rows) if (!this.#known(row)) this.#note(row, now);
    for (const { id } of ripe) this.#byId.delete(id);
    return ripe;
  }

  /** Whether a look at `now` may rescue this attempt, whose lease is over. */
  isRipe(row: Leased, now: number, bootAt: number): boolean {
    if (row.leaseUntil !== null && row.leaseUntil <= bootAt) return true;
    return (this.#known(row)?.ripeAt ?? Infinity) <= now;
  }

  /** Ids that need not be looked at yet. */
  unripe(now: number): string[] {
    return [...this.#byId].filter(([, suspect]) => suspect.ripeAt > now).map(([id]) => id);
  }

  /** When to look again, in ms since the epoch; null where nothing is suspect. */
  nextAt(): number | null {
    return this.#byId.size === 0 ? null : Math.min(...[...this.#byId.values()].map((suspect) => suspect.ripeAt));
  }

  /** Every ripe attempt was looked at: what was not confirmed has been renewed, or has ended. */
  clear(now: number): void {
    for (const [id, suspect] of this.#byId) if (suspect.ripeAt <= now) this.#byId.delete(id);
  }

  /** D1 or this isolate was slow: heartbeats may have been as well. */
  doubt(now: number): void {
    this.#patientUntil = now + RESCUE_DOUBT_MS;
    for (const suspect of this.#byId.values()) {
      const later = Math.max(suspect.ripeAt, this.#patientUntil);
      suspect.ripeAt = Math.min(later, suspect.foundAt + MAX_DOUBT_MS);
    }
  }

  /** D1 was silent: what was seen before says nothing, and patience begins when it answers. */
  forget(): void {
    this.#isShaken = true;
    this.#byId.clear();
  }

  #known({ id, attempt, leaseUntil }: Leased): Suspect | undefined {
    const suspect = this.#byId.get(id);
    return suspect?.attempt === attempt && suspect.leaseUntil === leaseUntil ? suspect : undefined;
  }

  #note({ id, attempt, leaseUntil }: Leased, now: number): void {
    const ripeAt = Math.max(now + RESCUE_CONFIRM_MS, this.#patientUntil);
    this.#byId.set(id, { attempt, leaseUntil, foundAt: now, ripeAt });
  }
}
